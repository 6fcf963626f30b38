"""Everyday documents to pages of Markdown, by xberg. Runs in the reader's process only: it meets hostile files.

xberg holds readers of a hundred formats in one library. It is used offline and without recognition of pictures: its
cache, its models and its OCR are off, and the process may not reach the network anyway.
"""

import asyncio
import re
from itertools import zip_longest
from typing import Protocol, cast

import xberg

from madang.features.knowledge.service.extracted import Extracted, ReadingError, clean, cut
from madang.features.knowledge.service.slide_notes import notes_of

UNPACKED_BYTES = 200_000_000
"""The most that an archive may unpack to."""

TABLE_CELLS = 1_000_000
NAMES = {
    "application/haansofthwpx": "document.hwpx",
    "application/x-hwp": "document.hwp",
    "application/vnd.ms-outlook": "document.msg",
    "text/html": "document.html",
    "text/csv": "document.csv",
    "text/tab-separated-values": "document.tsv",
}
"""Some kinds are told better by a name."""

TEXTUAL = frozenset({"text/html", "text/csv", "text/tab-separated-values"})
SHEETS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

_REASONS = (
    (re.compile(r"password|encrypt", re.IGNORECASE), "document_encrypted"),
    (re.compile(r"max_pages|page limit|too many pages", re.IGNORECASE), "too_many_pages"),
    (
        re.compile(r"limit|bomb|too large|exceed|too deep|nesting|iterations", re.IGNORECASE),
        "document_too_large",
    ),
)
_FRONT_MATTER = re.compile(r"\A---\n\n?(?:[^\n]*\n){0,40}?(?:---\n|\n(?=#|\S))")
_ESCAPED = re.compile(r"\\([.#+\-_()\[\]>~!])")


class Page(Protocol):
    """A page as xberg gives it."""

    page_number: int
    content: str
    sheet_name: str | None


class Formula(Protocol):
    """An equation as xberg gives it."""

    latex: str


class Found(Protocol):
    """A document as xberg gives it."""

    content: str
    pages: list[Page] | None
    formulas: list[Formula]


def warm_up() -> None:
    """Load what xberg loads at its first use."""
    asyncio.run(_extract("text/csv", b"a,b\n", None, "markdown"))


def read(media_type: str, content: bytes, max_pages: int) -> Extracted:
    """The document in pages: sheets and slides as they are, other kinds cut by length. Raises ReadingError."""
    if media_type in TEXTUAL:
        from madang.features.knowledge.service.formats import decode  # noqa: PLC0415  # it loads this module in turn

        text, broken = decode(content)
        extracted = _in_pages(media_type, extract(media_type, text.encode(), max_pages))
        if broken:
            extracted.note("characters_replaced")
        return extracted
    found = extract(media_type, content, max_pages)
    if media_type == SLIDES and found.pages:
        return _slides([page.content for page in found.pages], notes_of(content))
    return _in_pages(media_type, found)


def _slides(slides: list[str], notes: list[str]) -> Extracted:
    pairs = zip_longest(slides, notes[: len(slides)], fillvalue="")
    return Extracted([clean("\n\n".join(filter(None, (slide.strip(), note.strip())))) for slide, note in pairs])


def extract(media_type: str, content: bytes, max_pages: int, form: str = "markdown") -> Found:
    """What xberg finds in the bytes, as `markdown` or as `plain` text. Raises ReadingError."""
    try:
        return asyncio.run(_extract(media_type, content, max_pages, form))
    except (MemoryError, ReadingError):
        raise
    except Exception as error:
        raise ReadingError(reason(str(error))) from error


def reason(said: str) -> str:
    """The error code for what xberg says."""
    return next((code for pattern, code in _REASONS if pattern.search(said)), "document_corrupt")


async def _extract(media_type: str, content: bytes, max_pages: int | None, form: str) -> Found:
    config = xberg.ExtractionConfig(
        use_cache=False,
        disable_ocr=True,
        images=None,
        output_format=form,
        escape_markdown=False,
        table_anchors=False,
        max_archive_depth=1,
        pages=xberg.PageConfig(extract_pages=True),
        concurrency=xberg.ConcurrencyConfig(max_threads=1),
        pdf_options=xberg.PdfConfig(
            extract_images=False, extract_annotations=True, extract_form_fields=True, reading_order=True
        ),
        security_limits=xberg.SecurityLimits(
            max_archive_size=UNPACKED_BYTES,
            max_compression_ratio=2000,
            max_content_size=UNPACKED_BYTES,
            max_table_cells=TABLE_CELLS,
            max_pages=max_pages,
        ),
    )
    given = xberg.ExtractInput(
        kind=xberg.ExtractInputKind.BYTES, bytes=content, mime_type=media_type, filename=NAMES.get(media_type)
    )
    result = await xberg.extract(given, config)
    if not result.results:
        raise ReadingError(reason("; ".join(str(error.message) for error in result.errors)))
    return cast("Found", result.results[0])


def _in_pages(media_type: str, found: Found) -> Extracted:
    if media_type == SHEETS and found.pages:
        return Extracted([clean(f"## {page.sheet_name}\n\n{page.content}") for page in found.pages])
    content = found.content
    if media_type == "text/html":
        content = _FRONT_MATTER.sub("", content)
    return Extracted(list(cut(content)))
