"""Word files to pages of text. Runs in the reader's process only: it meets hostile files."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from docx import Document
from docx.blkcntnr import BlockItemContainer
from docx.document import Document as DocxDocument
from docx.table import Table
from docx.text.paragraph import Paragraph

from madang.features.knowledge.service.formats import ReadingError, cut

UNPACKED_BYTES = 200_000_000
"""The most that an archive may unpack to."""

_BREAK = './/w:br[@w:type="page"] | .//w:lastRenderedPageBreak'


def read(path: Path, max_pages: int) -> list[str]:
    """The document's text in pages. Raises ReadingError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > UNPACKED_BYTES:
                raise ReadingError("document_too_large")
        blocks = list(_blocks(Document(str(path))))
    except (ReadingError, MemoryError):
        raise
    except Exception as error:
        raise ReadingError("document_corrupt") from error
    return list(cut("\n\n".join(blocks)))


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
