"""Citations in a text that is still being written.

A model writes `[2]` or `[1, 3]`. A marker may be cut between two pieces, so an open bracket is held back for a few
characters; each source is reported once, when it is first used. A number alone that no source has is taken out; what is
taken out of the inside of another bracket leaves a mark, lest `[[9]12]` become a marker that nobody wrote.

Code and formulas cite nothing and stay as they are, and so does a list with a number that no source has (`[0, 1]` is an
interval) and an index (`a[0]`). Whether a backtick or a dollar opens code or a formula shows only where it is closed on
the same line: a marker after it waits for that.
"""

import re
from dataclasses import dataclass, field
from typing import Final

_MARKER: Final = r"\[\s*(?P<numbers>\d{1,3}(?:\s*[,，]\s*\d{1,3})*)\s*\]"
_TOKEN = re.compile(rf"\n|`+|~{{3,}}|\\[()\[\]\\$]|\$\$?|{_MARKER}")
_SPECIAL = re.compile(r"[\[`$\\~]")
_CUT = re.compile(r"(?:\\{0,8}\[[\[\d\s,，]{0,32}|`{1,32}|~{1,32}|\\{0,8}\${1,2}|\\{1,8})\Z")
_INSIDE = re.compile(r"\[[\d\s,，]{0,8}\Z")
_NUMBER = re.compile(r"\d+")
_QUOTED = re.compile(r"[\s>*+-]*\Z")
"""What may stand before a fence on its line."""

_DOLLAR = re.compile(r"(?<![\s\\])\$(?!\d)|\n")
_CLOSERS: Final = {r"\(": r"\)", r"\[": r"\]"}
_WAITS: Final = 400
"""A marker waits for so many characters at most to learn whether it stands in code or a formula."""


@dataclass(slots=True)
class CitationReader:
    """Reads markers of sources 1 to `count`."""

    count: int
    cited: list[int] = field(default_factory=list[int])
    _held: str = ""
    _before: str = ""
    _fence: str = ""
    _open: str = ""
    _new: list[int] = field(default_factory=list[int])

    def take(self, text: str) -> tuple[str, list[int]]:
        """What may be shown now, and the sources that are used for the first time in it."""
        if not self._held and not self._open and not self._fence and not _SPECIAL.search(text):
            self._note(text)
            return text, []
        text = self._held + text
        cut = _CUT.search(text)
        self._held = cut[0] if cut else ""
        return self._settle(text[: cut.start()] if cut else text, is_end=False)

    def finish(self) -> tuple[str, list[int]]:
        """What was held back when the text ended, and the sources that are used for the first time in it."""
        held, self._held = self._held, ""
        return self._settle(held, is_end=True)

    def _settle(self, text: str, *, is_end: bool) -> tuple[str, list[int]]:
        shown: list[str] = []
        at = 0
        for token in _TOKEN.finditer(text):
            self._note(text[at : token.start()])
            shown.append(text[at : token.start()])
            at = token.start()
            if token["numbers"] is None:
                self._mark(token[0], text[token.end() : token.end() + 1] or self._held[:1])
                shown.append(token[0])
            elif (is_literal := self._is_literal(text, token.end(), is_end=is_end)) is None:
                self._held = text[at:] + self._held
                break
            else:
                shown.append(token[0] if is_literal else self._cite(token))
            self._note(token[0])
            at = token.end()
        else:
            self._note(text[at:])
            shown.append(text[at:])
        new, self._new = self._new, []
        return "".join(shown), new

    def _note(self, text: str) -> None:
        """Remember the end of the text, as far as what follows depends on it."""
        self._before = (self._before + text).rpartition("\n")[2][-64:]

    def _mark(self, mark: str, after: str) -> None:
        """What opens or closes code or a formula."""
        if self._fence:
            if mark.startswith(self._fence) and not self._before.strip("> \t"):
                self._fence = ""
        elif mark == "\n":
            self._open = self._open if self._open in {"$$", r"\["} and self._before.strip() else ""
        elif self._open:
            is_closed = mark == _CLOSERS.get(self._open, self._open)
            self._open = "" if is_closed and (mark != "$" or self._closes_formula(after)) else self._open
        elif mark[0] in "`~" and len(mark) >= 3 and _QUOTED.match(self._before):
            self._fence = mark
        elif mark[0] == "`" or mark in {"$$", *_CLOSERS} or (mark == "$" and after.strip()):
            self._open = mark

    def _closes_formula(self, after: str) -> bool:
        return self._before[-1:].strip() != "" and not after.isdigit()

    def _is_literal(self, text: str, end: int, *, is_end: bool) -> bool | None:
        """Whether a marker that ends there is code or a formula; None when that does not show yet."""
        if self._fence or self._open in {"$$", r"\[", r"\("}:
            return True
        if not self._open:
            return False
        if self._open == "$":
            closer = _DOLLAR.search(text, end)
        else:
            closer = re.compile(rf"(?<!`){self._open}(?!`)|\n").search(text, end)
        if closer is not None:
            is_literal = closer[0] != "\n"
        elif is_end or len(text) - end > _WAITS:
            is_literal = False
        else:
            return None
        self._open = self._open if is_literal else ""
        return is_literal

    def _cite(self, marker: re.Match[str]) -> str:
        numbers = [int(digits) for digits in _NUMBER.findall(marker["numbers"])]
        if all(1 <= number <= self.count for number in numbers):
            used = [number for number in dict.fromkeys(numbers) if number not in self.cited]
            self.cited += used
            self._new += used
            return "".join(f"[{number}]" for number in numbers)
        is_index = self._before[-1:].isascii() and (self._before[-1:].isalpha() or self._before[-1:] in {"_", ")"})
        if len(numbers) > 1 or numbers == [0] or is_index:
            return marker[0]
        return "…" if _INSIDE.search(self._before) else ""


def snippet(text: str, limit: int = 240) -> str:
    """The beginning of a passage on one line, cut at a word, at most `limit` characters."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line.rfind(" ", limit // 2, limit - 1)
    return line[: cut if cut > 0 else limit - 1] + "…"
