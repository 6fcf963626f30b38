"""Citations in a text that is still being written.

A model writes `[2]` or `[1, 3]`. A marker may be cut between two pieces, so an open bracket is held back for a few
characters; a number that no source has is taken out, and each source is reported once, when it is first used. What is
taken out of the inside of another bracket leaves a mark, lest `[[9]12]` become a marker that nobody wrote.
"""

import re
from dataclasses import dataclass, field

_MARKER = re.compile(r"\[\s*(\d{1,3}(?:\s*[,，]\s*\d{1,3})*)\s*\]")
_OPEN = re.compile(r"\[[\[\d\s,，]{0,32}$")
_INSIDE = re.compile(r"\[[\d\s,，]{0,8}$")
_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class CitationReader:
    """Reads markers of sources 1 to `count`."""

    count: int
    cited: list[int] = field(default_factory=list[int])
    _held: str = ""

    def take(self, text: str) -> tuple[str, list[int]]:
        """What may be shown now, and the sources that are used for the first time in it."""
        if not self._held and "[" not in text:
            return text, []
        text = self._held + text
        found = _OPEN.search(text)
        self._held = text[found.start() :] if found else ""
        return self._settle(text[: found.start()] if found else text)

    def finish(self) -> str:
        """What was held back when the text ended."""
        held, self._held = self._held, ""
        return held

    def _settle(self, text: str) -> tuple[str, list[int]]:
        new: list[int] = []

        def settle(marker: re.Match[str]) -> str:
            numbers = [int(digits) for digits in _NUMBER.findall(marker[1])]
            real = [number for number in numbers if 1 <= number <= self.count]
            new.extend(number for number in dict.fromkeys(real) if number not in self.cited and number not in new)
            inside = _INSIDE.search(text[max(0, marker.start() - 9) : marker.start()])
            return "".join(f"[{number}]" for number in real) or ("…" if inside else "")

        shown = _MARKER.sub(settle, text)
        self.cited.extend(new)
        return shown, new


def snippet(text: str, limit: int = 240) -> str:
    """The beginning of a passage on one line, cut at a word, at most `limit` characters."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line.rfind(" ", limit // 2, limit - 1)
    return line[: cut if cut > 0 else limit - 1] + "…"
