"""Pages to chunks: whole paragraphs where they fit, whole sentences where they do not.

A chunk never crosses a page, so that its citation opens the page that says it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from madang.features.knowledge.service.extracted import TABLE_HEAD, cut_table

TARGET = 700
"""Characters that paragraphs are gathered to."""

WHOLE = 900
"""A paragraph up to here stays in one piece; 900 Korean characters are about the 512 tokens that E5 reads."""

MOST_HEAD = TARGET // 2
"""Names of a table's columns up to here begin each of its parts."""

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_HEADING = re.compile(r"(#{1,6})\s+(\S.*)")
_TITLE = re.compile(r"(?:제\s*\d+\s*[편장절관조]|\d+(?:\.\d+)*\.?\s|[IVX]+\.\s|[가-하]\.\s|부칙|별표)[^\n]{0,60}")
_SENTENCE_END = re.compile(r"[.!?。…][\"'”’)\]」』]*$")
_SENTENCE = re.compile(r"(?<=[.!?。！？…])[\"'”’)\]」』]*\s+|\n+")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of text to be found and cited. `heading` is the path of headings it stands under, outermost first."""

    ordinal: int
    page: int
    heading: str
    text: str


def chunk_pages(pages: Iterable[tuple[int, str]]) -> list[Chunk]:
    """Cut numbered pages, in order, to chunks.

    Every character but white space at the seams is in exactly one; only the names of a long table's columns come again
    with each of its parts.
    """
    headings: dict[int, str] = {}
    found: list[Chunk] = []
    for number, text in pages:
        for heading, piece in _pieces(text, headings):
            found.append(Chunk(len(found), number, heading, piece))
    return found


def _pieces(page: str, headings: dict[int, str]) -> Iterator[tuple[str, str]]:
    """The page's chunks, each with the path of headings that its first paragraph stands under."""
    gathered: list[str] = []
    path = _path(headings)
    for paragraph in _paragraphs(page):
        size = sum(map(len, gathered)) + 2 * len(gathered) + len(paragraph)
        if gathered and (size > TARGET or _HEADING.match(paragraph)) and not _only_headings(gathered):
            titles = _titles(gathered)
            yield path, "\n\n".join(gathered[: len(gathered) - len(titles)])
            gathered = titles
        _close(paragraph, headings)
        if not gathered:
            path = _path(headings)
        _note(paragraph, headings)
        gathered.append(paragraph)
    if gathered:
        yield path, "\n\n".join(gathered)


def _paragraphs(page: str) -> Iterator[str]:
    for block in _PARAGRAPH.split(page):
        for paragraph in _at_headings(block.strip()):
            if len(paragraph) > WHOLE:
                yield from _table(paragraph) if TABLE_HEAD.match(paragraph) else _split(paragraph)
            elif paragraph:
                yield paragraph


def _at_headings(block: str) -> Iterator[str]:
    """A block in parts, each heading one of its own, though no empty line stands around it."""
    gathered: list[str] = []
    for line in block.split("\n") if "# " in block else (block,):
        if _HEADING.fullmatch(line):
            yield "\n".join(gathered).strip()
            yield line.strip()
            gathered = []
        else:
            gathered.append(line)
    yield "\n".join(gathered).strip()


def _table(paragraph: str) -> Iterator[str]:
    """A long table in parts, cut between rows, each with the names of the columns; hard to say, it is cut as text."""
    head = TABLE_HEAD.match(paragraph)
    if head is None or len(head.group()) > MOST_HEAD:
        yield from _split(paragraph)
        return
    for part in cut_table(head.group(), paragraph[head.end() :], TARGET):
        if len(part) > WHOLE + TARGET // 2:
            yield from _split(part.strip())
        else:
            yield part.strip()


def _split(paragraph: str) -> Iterator[str]:
    """A long paragraph in parts of about equal length, cut between sentences."""
    parts = -(-len(paragraph) // TARGET)
    aim = len(paragraph) / parts
    gathered = ""
    for sentence in _sentences(paragraph):
        if gathered and len(gathered) + len(sentence) / 2 > aim:
            yield gathered.strip()
            gathered = ""
        gathered += sentence
    if gathered.strip():
        yield gathered.strip()


def _sentences(paragraph: str) -> Iterator[str]:
    """Sentences with the white space after them; one that is too long is cut at a space, or anywhere."""
    start = 0
    for match in _SENTENCE.finditer(paragraph):
        yield from _fitting(paragraph[start : match.end()])
        start = match.end()
    yield from _fitting(paragraph[start:])


def _fitting(sentence: str) -> Iterator[str]:
    start = 0
    while len(sentence) - start > TARGET:
        cut = sentence.rfind(" ", start + TARGET // 2, start + TARGET) + 1 or start + TARGET
        yield sentence[start:cut]
        start = cut
    if start < len(sentence):
        yield sentence[start:]


def _close(paragraph: str, headings: dict[int, str]) -> None:
    """A heading ends those of its own depth and below."""
    if match := _HEADING.match(paragraph):
        for deeper in [level for level in headings if level >= len(match.group(1))]:
            del headings[deeper]


def _note(paragraph: str, headings: dict[int, str]) -> None:
    """Remember the heading that the paragraph begins with."""
    if match := _HEADING.match(paragraph):
        headings[len(match.group(1))] = match.group(2).strip("# ")[:120]


def _path(headings: dict[int, str]) -> str:
    return " / ".join(headings[level] for level in sorted(headings))


def _titles(gathered: list[str]) -> list[str]:
    """What stands at the end and is the title of what follows; empty when everything would be."""
    count = 0
    for paragraph in reversed(gathered):
        if not _TITLE.fullmatch(paragraph) or _SENTENCE_END.search(paragraph):
            break
        count += 1
    return gathered[len(gathered) - count :] if 0 < count < len(gathered) else []


def _only_headings(gathered: list[str]) -> bool:
    return all(_HEADING.fullmatch(paragraph) for paragraph in gathered)
