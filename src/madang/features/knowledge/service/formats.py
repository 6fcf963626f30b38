"""Documents to pages of text, format by format. Runs in the reader's process only: it meets hostile files."""

import importlib
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

PAGE_CHARACTERS = 3000
"""Texts without pages of their own are cut to pages of about this size, between paragraphs."""

READERS = {
    "application/pdf": "madang.features.knowledge.service.formats_pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (
        "madang.features.knowledge.service.formats_docx"
    ),
}
"""Loaded by kind, because the libraries of one take longer to load than most documents of another to read."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\u00ad\ud800-\udfff\ufeff\ufffe\uffff]")
_ENDS = re.compile(r"(?:[.!?。:;…]|[다요죠까음함임])[\"'”’)\]」』]*$")
_BEGINS = re.compile(r"(?:[-•·*▪◦○●■□#|]|\(?\d{1,3}[.)]\s|[가-하][.)]\s|제\s*\d+\s*[조항장절])")


class ReadingError(Exception):
    """The document cannot be read; the argument is a code of `reading.ERRORS`."""


def read_pages(media_type: str, path: Path, max_pages: int) -> list[str]:
    """The document's pages in order, cleaned; an empty page is an empty string. Raises ReadingError."""
    if media_type.startswith("text/"):
        return list(cut(_decode(path.read_bytes())))
    reader = importlib.import_module(READERS[media_type])
    pages: list[str] = reader.read(path, max_pages)
    return pages


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


def cut(text: str) -> Iterator[str]:
    """A running text in pages: at form feeds, and between paragraphs where a page is full."""
    for part in text.replace("\r\n", "\n").replace("\r", "\n").split("\f"):
        page: list[str] = []
        size = 0
        for paragraph in _paragraphs(part):
            if page and size + len(paragraph) > PAGE_CHARACTERS:
                yield clean("\n".join(page))
                page, size = [], 0
            page.append(paragraph)
            size += len(paragraph)
        yield clean("\n".join(page))


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs, each after the first with the empty line before it; one longer than two pages is cut at spaces."""
    for paragraph in re.split(r"\n(?=[^\S\n]*\n)", text):
        start = 0
        while len(paragraph) - start > 2 * PAGE_CHARACTERS:
            end = start + PAGE_CHARACTERS
            space = paragraph.rfind(" ", end - PAGE_CHARACTERS // 4, end) + 1
            yield paragraph[start : space or end]
            start = space or end
        yield paragraph[start:]
