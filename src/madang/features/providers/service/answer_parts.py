"""What the events of an answer add up to: text, reasoning, tool calls and how it ended."""

import re
from dataclasses import dataclass, field
from typing import Final

from madang.features.providers.contracts import ToolCallPart
from madang.features.providers.service.chunk_decoder import Choice, Counted, Delta, Function, ToolCallDelta
from madang.features.providers.service.upstream_errors import UpstreamError

_SURROGATE = re.compile("[\ud800-\udfff]")
_REASONS: Final[dict[str, str | None]] = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_length", "model_length", "max_output_tokens"), "length"),
    **dict.fromkeys(
        ("content_filter", "content_filtered", "safety", "recitation", "sensitive", "prohibited_content"),
        "content_filter",
    ),
    **dict.fromkeys(("tool_calls", "tool_call", "function_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(("", "null", "none"), None),
}
"""Reasons by the names that servers give them; any other one stays as it is."""

_FAILED: Final = frozenset(
    {"error", "network_error", "abort", "aborted", "cancelled", "timeout", "insufficient_system_resource"}
)
"""Reasons of servers that gave an answer up."""


@dataclass(slots=True)
class Batch:
    """What one read of the socket brought. `error` is the server's; `broken` says what came last and is no protocol.

    `retracts`: all text before it was reasoning.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallPart, ...] = ()
    finish_reason: str | None = None
    counted: Counted | None = None
    error: UpstreamError | None = None
    broken: str | None = None
    done: bool = False
    retracts: bool = False

    @property
    def says_something(self) -> bool:
        """Whether there is anything in it for a reader."""
        return bool(self.text or self.reasoning or self.tool_calls or self.retracts)

    @property
    def size(self) -> int:
        """Characters of all that it says."""
        calls = sum(len(call.arguments) + len(call.name or "") for call in self.tool_calls) if self.tool_calls else 0
        return len(self.text) + len(self.reasoning) + calls


@dataclass(slots=True)
class TextPieces:
    """Pieces of text. Servers may cut it within a character: half of a surrogate pair in each of two events."""

    pieces: list[str] = field(default_factory=list[str])
    half: str = ""

    def take(self, *, is_end: bool = False) -> str:
        """All since the last time; the first half of a character waits for its second."""
        if not self.pieces and not (is_end and self.half):
            return ""
        text = "".join(self.pieces)
        self.pieces.clear()
        if self.half or _SURROGATE.search(text):
            text = self.half + text
            waits = not is_end and "\ud800" <= text[-1] < "\udc00"
            self.half = text[-1] if waits else ""
            text = _whole_characters(text[:-1] if waits else text)
        return text.replace("\0", "") if "\0" in text else text


def _whole_characters(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _plain(text: str | None) -> str:
    """Text without what PostgreSQL keeps in no text."""
    return _whole_characters(text).replace("\0", "") if text else ""


@dataclass(slots=True)
class ToolCallParts:
    """The calls of an answer, told apart by index and id; each says its id and name once."""

    parts: list[ToolCallPart] = field(default_factory=list[ToolCallPart])
    _ids: list[str] = field(default_factory=list[str])
    _named: list[bool] = field(default_factory=list[bool])
    _numbers: dict[int | None, int] = field(default_factory=dict[int | None, int])

    def add(self, call: ToolCallDelta) -> None:
        """Take one piece in."""
        function = call.function or Function()
        name, call_id = _plain(function.name), _plain(call.id)
        number = self._number_of(call.index, call_id, name)
        is_new = number == len(self._ids)
        if is_new:
            self._ids.append(call_id)
            self._named.append(False)
        is_named = self._named[number]
        self._named[number] = is_named or bool(name)
        given_id = (call_id or f"call_{number}") if is_new else None
        self._join(ToolCallPart(number, given_id, None if is_named else name or None, _plain(function.arguments)))

    def _number_of(self, index: int | None, call_id: str, name: str) -> int:
        """Which call a piece belongs to. A new id with a name begins a new call; some servers give each piece an id."""
        if call_id and call_id in self._ids:
            return self._ids.index(call_id)
        last = len(self._ids) - 1
        number = self._numbers.get(index, last if index is None and last >= 0 else last + 1)
        if number <= last and name and self._named[number] and (call_id or index is None):
            number = last + 1
        self._numbers[index] = number
        return number

    def _join(self, part: ToolCallPart) -> None:
        """Pieces of one call that came together are one piece: readers join only what comes apart."""
        if self.parts and (last := self.parts[-1]).index == part.index:
            arguments = last.arguments + part.arguments
            self.parts[-1] = ToolCallPart(part.index, last.id or part.id, last.name or part.name, arguments)
        else:
            self.parts.append(part)

    def take(self) -> tuple[ToolCallPart, ...]:
        """The pieces since the last time."""
        taken, self.parts = tuple(self.parts), []
        return taken


@dataclass(slots=True)
class AnswerParts:
    """One answer's parts as its events come.

    Of several choices the one that spoke first is the answer. `reasons_lie` turns true when text comes after a finish
    reason: such a server's reasons are no proof of an end.
    """

    texts: TextPieces = field(default_factory=TextPieces)
    thoughts: TextPieces = field(default_factory=TextPieces)
    calls: ToolCallParts = field(default_factory=ToolCallParts)
    reasons_lie: bool = False
    _choice: int | None = None
    _has_delta: bool = False
    _has_finished: bool = False

    def add(self, choice: Choice, batch: Batch) -> None:
        """Take one choice of an event in."""
        if choice.index != self._choice:
            if self._choice is not None:
                return
            self._choice = choice.index
        delta = choice.delta
        if delta is not None:
            if delta.content:
                self._add_text(delta.content, is_whole=choice.is_whole)
            if thought := delta.reasoning_content or delta.reasoning or delta.thinking or delta.reasoning_text:
                self.thoughts.pieces.append(thought)
            if delta.refusal or delta.tool_calls:
                self._add_more(delta)
        if choice.finish_reason:
            self._finish(choice.finish_reason, batch)

    def _add_text(self, text: str, *, is_whole: bool) -> None:
        if is_whole:
            if self._has_delta:
                return
        else:
            self._has_delta = True
        if self._has_finished:
            self.reasons_lie = True
        self.texts.pieces.append(text)

    def _add_more(self, delta: Delta) -> None:
        if delta.refusal:
            self.texts.pieces.append(delta.refusal)
        for call in delta.tool_calls or ():
            self.calls.add(call)

    def _finish(self, given: str, batch: Batch) -> None:
        reason = _REASONS.get(given.lower(), given[:40])
        if reason is None:
            return
        self._has_finished = True
        if reason.lower() in _FAILED:
            said = f"it ended the answer with {reason!r}"
            batch.error = batch.error or UpstreamError(said, None, said)
        else:
            batch.finish_reason = reason

    def fill(self, batch: Batch, *, is_end: bool = False) -> None:
        """Put what came since the last time into the batch."""
        batch.text = self.texts.take(is_end=is_end)
        batch.reasoning = self.thoughts.take(is_end=is_end)
        if self.calls.parts:
            batch.tool_calls = self.calls.take()
