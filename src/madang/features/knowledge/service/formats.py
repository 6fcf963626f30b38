"""Documents to pages of text, format by format. Runs in the reader's process only: it meets hostile files."""

import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, cast

import pypdfium2  # type: ignore[import-untyped]  # ships no types
from docx import Document
from docx.blkcntnr import BlockItemContainer
from docx.document import Document as DocxDocument
from docx.table import Table
from docx.text.paragraph import Paragraph
from pypdf import PdfReader

PAGE_CHARACTERS = 3000
"""Texts without pages of their own are cut to pages of about this size, between paragraphs."""

UNPACKED_BYTES = 200_000_000
"""The most that an archive may unpack to."""

PASSWORD_ERROR = 4
"""PDFium's code for a file that needs a password."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\u00ad\ud800-\udfff\ufeff\ufffe\uffff]")
_ENDS = re.compile(r"(?:[.!?。:;…]|[다요죠까음함임])[\"'”’)\]」』]*$")
_BEGINS = re.compile(r"(?:[-•·*▪◦○●■□#|]|\(?\d{1,3}[.)]\s|[가-하][.)]\s|제\s*\d+\s*[조항장절])")
_BREAK = './/w:br[@w:type="page"] | .//w:lastRenderedPageBreak'


class _TextLayer(Protocol):
    def get_text_bounded(self) -> str: ...

    def close(self) -> None: ...


class ReadingError(Exception):
    """The document cannot be read; the argument is a code of `reading.ERRORS`."""


def read_pages(media_type: str, path: Path, max_pages: int) -> list[str]:
    """The document's pages in order, cleaned; an empty page is an empty string. Raises ReadingError."""
    if media_type == "application/pdf":
        return _pdf(path, max_pages)
    if media_type.startswith("text/"):
        return list(_cut(_decode(path.read_bytes())))
    return _docx(path)


def clean(text: str) -> str:
    """Text in NFC with plain line ends and without control characters."""
    text = unicodedata.normalize("NFC", _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def unwrap(text: str) -> str:
    """Lines that a page's width has broken, joined again; ends of sentences and items of lists stay."""
    lines = [line.strip() for line in text.split("\n")]
    full = 0.6 * max(map(len, lines), default=0)
    joined: list[str] = []
    running = False
    for line in lines:
        if running and line and not _BEGINS.match(line):
            joined[-1] += " " + line
        else:
            joined.append(line)
        running = len(line) >= full and not _ENDS.search(line)
    return "\n".join(joined)


def _decode(content: bytes) -> str:
    """UTF-8, UTF-16 with a byte order mark, or CP949; a few broken characters are replaced, many are an error."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    encodings = ("utf-16",) if marked else ("utf-8-sig", "cp949")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    text = content.decode(encodings[0], "replace")
    if text.count("\ufffd") > len(text) // 100:
        raise ReadingError("document_corrupt")
    return text


def _cut(text: str) -> Iterator[str]:
    """A running text in pages: at form feeds, and between paragraphs where a page is full."""
    for part in text.replace("\r\n", "\n").split("\f"):
        page: list[str] = []
        size = 0
        for paragraph in re.split(r"\n(?=[^\S\n]*\n)", part):
            if page and size + len(paragraph) > PAGE_CHARACTERS:
                yield clean("\n".join(page))
                page, size = [], 0
            page.append(paragraph)
            size += len(paragraph)
        yield clean("\n".join(page))


def _pdf(path: Path, max_pages: int) -> list[str]:
    """By PDFium; by pypdf where PDFium cannot open the file or finds no text in it."""
    try:
        pages = _by_pdfium(path, max_pages)
    except pypdfium2.PdfiumError as error:
        if cast("int | None", error.err_code) == PASSWORD_ERROR:
            raise ReadingError("document_encrypted") from None
        return _by_pypdf(path, max_pages)
    if any(pages):
        return pages
    try:
        return _by_pypdf(path, max_pages)
    except ReadingError:
        return pages


def _by_pdfium(path: Path, max_pages: int) -> list[str]:
    pdf = pypdfium2.PdfDocument(path)
    if len(pdf) > max_pages:
        raise ReadingError("too_many_pages")
    pages: list[str] = []
    for number in range(len(pdf)):
        page = pdf[number]
        layer = cast("_TextLayer", page.get_textpage())
        pages.append(unwrap(clean(layer.get_text_bounded())))
        layer.close()
        page.close()
    return pages


def _by_pypdf(path: Path, max_pages: int) -> list[str]:
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise ReadingError("document_encrypted")
        if len(reader.pages) > max_pages:
            raise ReadingError("too_many_pages")
        return [unwrap(clean(page.extract_text())) for page in reader.pages]
    except (ReadingError, MemoryError):
        raise
    except Exception as error:
        raise ReadingError("document_corrupt") from error


def _docx(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > UNPACKED_BYTES:
                raise ReadingError("document_too_large")
        blocks = list(_blocks(Document(str(path))))
    except (ReadingError, MemoryError):
        raise
    except Exception as error:
        raise ReadingError("document_corrupt") from error
    return list(_cut("\n\n".join(blocks)))


def _blocks(container: BlockItemContainer | DocxDocument) -> Iterator[str]:
    """Paragraphs, headings as Markdown headings, and tables as rows of cells; a form feed where a page breaks."""
    for item in container.iter_inner_content():
        if isinstance(item, Table):
            yield "\n".join(_rows(item))
            continue
        text = _heading(item) + item.text.replace("\f", " ").strip()
        breaks = item._p.xpath(_BREAK)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the only way to the XML
        yield f"\f{text}" if breaks else text


def _heading(paragraph: Paragraph) -> str:
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    if style == "Title":
        return "# "
    match = re.fullmatch(r"Heading ([1-6])", style)
    return "#" * int(match.group(1)) + " " if match else ""


def _rows(table: Table) -> Iterable[str]:
    for row in table.rows:
        cells: list[str] = []
        last = None
        for cell in row.cells:
            xml = cell._tc  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # tells a merged cell that comes again
            if xml is not last:
                cells.append(" ".join(" ".join(_blocks(cell)).replace("\f", " ").split()))
            last = xml
        if any(cells):
            yield "| " + " | ".join(cells) + " |"
