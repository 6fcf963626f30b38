"""Reasoning that plain servers leave in the text, between think tags: told apart while the answer is being written.

A model may open with `<think>`, write a block of its own later, or leave the opening tag out, because its template
begins with it: then all that was said before the closing tag was reasoning, and is taken back. Tags in code, in a
fence or between backticks, are what the answer is about.
"""

import re
from dataclasses import dataclass
from typing import Final

_NAMES: Final = "think|thinking|thought|thoughts|reasoning|seed:think"
_TOKEN = re.compile(rf"\n|`+|~{{3,}}|<(?P<close>/?)(?:{_NAMES})>|◁(?P<close2>/?)think▷", re.IGNORECASE)
_CLOSE = re.compile(rf"</(?:{_NAMES})>|◁/think▷", re.IGNORECASE)
_CUT = re.compile(r"(?:`{1,64}|~{1,64}|<[/a-z:]{0,12}|◁[/a-z]{0,6})\Z", re.IGNORECASE)
"""What may go on as one of these."""


@dataclass(slots=True)
class Told:
    """What may be passed on. `retracts`: all text before this was reasoning."""

    text: str = ""
    reasoning: str = ""
    retracts: bool = False


class ThinkTags:
    """Reads one answer's text."""

    def __init__(self) -> None:
        self._held = ""
        self._thinks = False
        self._has_tags = False
        self._skips_space = False
        self._is_blank = True
        self._fence = ""
        self._span = 0

    def take(self, text: str, *, is_end: bool = False) -> Told:
        """What may be passed on now of all text so far; at the end, all."""
        if not (self._held or self._thinks or self._skips_space or self._has_marks(text)):
            self._note_line(text)
            return Told(text)
        text = self._held + text
        self._held = ""
        if not is_end and (cut := _CUT.search(text)):
            self._held = cut[0]
            text = text[: cut.start()]
        told = Told()
        while text:
            text = self._think(text, told) if self._thinks else self._speak(text, told)
        return told

    @staticmethod
    def _has_marks(text: str) -> bool:
        return "<" in text or "`" in text or "~" in text or "◁" in text

    def _note_line(self, text: str) -> None:
        line = text.rpartition("\n")
        if line[1]:
            self._is_blank, self._span = True, 0
        self._is_blank = self._is_blank and not line[2].strip()

    def _think(self, text: str, told: Told) -> str:
        """Reasoning up to its closing tag; what is left after it."""
        end = _CLOSE.search(text)
        told.reasoning += text[: end.start()] if end else text
        if end is None:
            return ""
        self._thinks, self._skips_space, self._is_blank = False, True, True
        return text[end.end() :]

    def _speak(self, text: str, told: Told) -> str:
        """Text up to the next tag that is one; what is left after it."""
        if self._skips_space:
            text = text.lstrip()
            self._skips_space = not text
        at = 0
        for token in _TOKEN.finditer(text):
            self._note_line(text[at : token.start()])
            at = token.end()
            mark = token[0]
            if mark[0] in "`~":
                self._code(mark)
            elif mark == "\n":
                self._note_line(mark)
            elif self._is_tag(is_closing=bool(token["close"] or token["close2"])):
                self._turn(text[: token.start()], told, is_closing=bool(token["close"] or token["close2"]))
                return text[at:]
            else:
                self._is_blank = False
        self._note_line(text[at:])
        told.text += text
        return ""

    def _is_tag(self, *, is_closing: bool) -> bool:
        """Whether a tag here is one: not in code; an opening one begins a line, a lone closing one comes once."""
        if self._fence or self._span:
            return False
        return not self._has_tags if is_closing else self._is_blank

    def _turn(self, before: str, told: Told, *, is_closing: bool) -> None:
        self._has_tags = True
        if not is_closing:
            told.text += before
            self._thinks = True
            return
        told.reasoning += told.text + before
        told.text = ""
        told.retracts = True
        self._skips_space, self._is_blank = True, True

    def _code(self, mark: str) -> None:
        """A run of backticks or tildes opens or closes a fence at the beginning of a line, a span elsewhere."""
        if self._fence:
            if self._is_blank and mark.startswith(self._fence):
                self._fence = ""
        elif self._is_blank and len(mark) >= 3:
            self._fence = mark
        elif mark[0] == "`":
            self._span = 0 if self._span == len(mark) else self._span or len(mark)
        self._is_blank = False
