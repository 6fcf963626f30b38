"""A passage's sentences as plain text: Markdown's marks are taken away, headings left out, rows of tables read out."""

import re
from collections.abc import Iterable
from typing import Final

_END = re.compile(
    r"(?<=[.!?。])(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bSt\.)(?<!\bNo\.)(?<!\bProf\.)(?<!\b[ap]\.m\.)"
    r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!^\d\.)(?<!^\d\d\.)(?!(?<=\d\.)\s+\d)\s+"
)
_HEADING = re.compile(r"#{1,6}\s|(?:\*\*|__).{1,80}(?:\*\*|__):?$")
_BEFORE = re.compile(r"^(?:(?:[#>*+-]+|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?)+|^[#>*+=-]+$")
_RULE = re.compile(r"\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
_MARKED = re.compile(r"(\*\*|__|~~|`)(?=\S)(.+?)(?<=\S)\1")
_SLANTED = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_]+?)(?<=[^\s*_])\1(?![\w*])")
_UNDERLINE = re.compile("={3,}|-{3,}")
_SAYS = re.compile(r"[.!?。:\d|]|[다요]$")
"""What a title has not: a sentence's end, a figure, a colon."""

_TITLE: Final = 40
"""Characters of a line that may be a title because it stands alone."""


def sentences_of(passage: str) -> list[str]:
    """The passage's sentences, each on one line and without Markdown's marks.

    Headings are left out where there is anything else: they share words with a question and answer none.
    """
    lines = [line.strip() for line in passage.split("\n")]
    titles = [_is_title(lines, at) for at in range(len(lines))]
    bodies = _read(line for line, is_title in zip(_rows(lines), titles, strict=True) if not is_title)
    return bodies or _read(lines)


def _read(lines: Iterable[str]) -> list[str]:
    parts = (part for line in lines for part in _END.split(_BEFORE.sub("", line)))
    return [plain for part in parts if (plain := " ".join(_unmarked(part).split()))]


def _unmarked(text: str) -> str:
    return _SLANTED.sub(r"\2", _MARKED.sub(r"\2", _LINK.sub(r"\1", text)))


def _is_title(lines: list[str], at: int) -> bool:
    """Whether the line is a heading: by its marks, underlined, or alone between empty lines and short."""
    line = lines[at]
    after = lines[at + 1] if at + 1 < len(lines) else None
    if _HEADING.match(line):
        return True
    if not line or after is None or _SAYS.search(line) or _BEFORE.match(line):
        return False
    alone = (at == 0 or not lines[at - 1]) and not after
    return bool(_UNDERLINE.fullmatch(after)) or (alone and len(line) <= _TITLE)


def _rows(lines: list[str]) -> list[str]:
    """The lines, with rows of tables read out: `name: value, name: value` by the row above the rule."""
    read: list[str] = []
    names: list[str] = []
    for at, line in enumerate(lines):
        if "|" not in line:
            names = []
            read.append(line)
        elif _RULE.fullmatch(line):
            read.append("")
        elif at + 1 < len(lines) and "|" in lines[at + 1] and _RULE.fullmatch(lines[at + 1]):
            names = _cells(line)
            read.append("")
        else:
            read.append(_row(names, _cells(line)) if names else line)
    return read


def _row(names: list[str], cells: list[str]) -> str:
    named = zip([*names, *[""] * len(cells)], cells, strict=False)
    return ", ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]
