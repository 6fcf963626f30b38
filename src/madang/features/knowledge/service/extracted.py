"""What comes out of a document: pages of text, and what its reader must be told."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

PAGE_CHARACTERS = 3000
"""Texts without pages of their own are cut to pages of about this size, between paragraphs."""

LONGEST_PAGE = 20_000
"""Form feeds that leave more between them than this do not make pages."""

NOTES = frozenset(
    {
        "pages_without_text",
        "hidden_text_left_out",
        "invisible_characters_left_out",
        "repeated_lines_left_out",
        "deleted_text_left_out",
        "characters_replaced",
        "macros_left_out",
        "attachment_not_read",
    }
)
"""What a reader says beside the text; each has its sentence on the web."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\u00ad\ud800-\udfff\ufeff\ufffe\uffff]")
_INVISIBLE = re.compile(r"[\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\U000e0000-\U000e007f]")
"""Tags, controls of direction and spaces without width; joiners stay, which emoji and some scripts need."""

_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{2,6}\U000e007f")
"""The flags of England, Scotland and Wales are written with tags."""


class ReadingError(Exception):
    """The document cannot be read; the argument is a code of `reading.ERRORS`."""


@dataclass(slots=True)
class Extracted:
    """Pages in order (an empty page is an empty string), and notes: codes of `NOTES` with the pages or the names."""

    pages: list[str]
    notes: dict[str, list[int | str]] = field(default_factory=dict[str, "list[int | str]"])

    def note(self, code: str, *about: int | str) -> None:
        """Say once that this was met, adding the pages or the names it was met on."""
        known = self.notes.setdefault(code, [])
        known += [one for one in about if one not in known]


def clean(text: str) -> str:
    """Text in NFC with plain line ends and without control characters."""
    text = unicodedata.normalize("NFC", _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def finish(found: Extracted) -> Extracted:
    """Take out of the pages what nobody sees, and say so."""
    pages = [_visible(page) for page in found.pages]
    if pages != found.pages:
        found.note("invisible_characters_left_out", *_differing(found.pages, pages))
        found.pages = [clean(page) for page in pages]
    return found


def _visible(page: str) -> str:
    kept = _FLAG.findall(page)
    if not kept:
        return _INVISIBLE.sub("", page)
    parts = [_INVISIBLE.sub("", part) for part in _FLAG.split(page)]
    return "".join(part + flag for part, flag in zip(parts, [*kept, ""], strict=True))


def _differing(before: Iterable[str], after: Iterable[str]) -> list[int]:
    return [number for number, (one, other) in enumerate(zip(before, after, strict=True), 1) if one != other]


def cut(text: str) -> Iterator[str]:
    """A running text in pages: those that its form feeds make, or about `PAGE_CHARACTERS`, cut between paragraphs."""
    parts = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\f").split("\f")
    if len(parts) > 1 and max(map(len, parts)) <= LONGEST_PAGE:
        yield from map(clean, parts)
        return
    for part in parts:
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
    """Paragraphs, each after the first with the empty line before it; one longer than two pages is cut.

    A table is cut between rows, and each part begins with the names of its columns; other text is cut at spaces.
    """
    for paragraph in re.split(r"\n(?=[^\S\n]*\n)", text):
        if len(paragraph) > 2 * PAGE_CHARACTERS and (head := TABLE_HEAD.match(paragraph.strip("\n"))):
            yield from cut_table(head.group(), paragraph.strip("\n")[head.end() :], PAGE_CHARACTERS)
            continue
        start = 0
        while len(paragraph) - start > 2 * PAGE_CHARACTERS:
            end = start + PAGE_CHARACTERS
            space = paragraph.rfind(" ", end - PAGE_CHARACTERS // 4, end) + 1
            yield paragraph[start : space or end]
            start = space or end
        yield paragraph[start:]


TABLE_HEAD = re.compile(r"\|[^\n]*\|[^\S\n]*\n\|(?:\s*:?-+:?\s*\|)+[^\S\n]*\n")
"""The names of a Markdown table's columns, with the line below them."""


def cut_table(head: str, body: str, size: int) -> Iterator[str]:
    """A Markdown table in parts of about `size` characters, each with the head."""
    rows: list[str] = []
    length = 0
    for row in body.splitlines():
        if rows and length + len(row) > max(size - len(head), size // 3):
            yield "\n" + head + "\n".join(rows)
            rows, length = [], 0
        rows.append(row)
        length += len(row) + 1
    yield "\n" + head + "\n".join(rows)
