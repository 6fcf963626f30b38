"""One event of a model's stream, decoded: strictly and fast as OpenAI writes it, leniently as all others do.

Both ways give the same structs. What is sound in an event is kept however the rest of it is written; what is wrong with
it costs no more than itself.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final, Self

import msgspec

from madang.features.providers.service.json_values import is_list, is_object
from madang.features.providers.service.upstream_errors import UpstreamError, error_in_event

MOST_TOKENS: Final = 10_000_000
"""No model takes or writes as much in one call: a server that counts more is mistaken."""

_MOST_INDEX: Final = 1_000
_THINKING: Final = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "thought", "thoughts")
_THINKING_PARTS: Final = frozenset(
    {"thinking", "thought", "reasoning", "reasoning_content", "reasoning_text", "reasoning.text", "reasoning.summary"}
)
_TEXT_KEYS: Final = ("text", "content", "output_text", "refusal")
_THOUGHT_KEYS: Final = ("thinking", "reasoning", "text", "content", "summary", "reasoning_content")


class InvalidChunkError(Exception):
    """These bytes are no event of a chat completion; the text says what they are instead."""


class MalformedJsonError(InvalidChunkError):
    """Not JSON, or only the first part of it."""


class Function(msgspec.Struct, gc=False):
    """A part of a function call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(msgspec.Struct, gc=False):
    """A part of a tool call."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Delta(msgspec.Struct, gc=False):
    """What a choice adds."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    reasoning_text: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    reasoning_details: msgspec.Raw | None = None
    function_call: msgspec.Raw | None = None


class Choice(msgspec.Struct, gc=False):
    """One choice of an event. `is_whole` says that its text is a whole message rather than what it adds.

    The last three are read leniently: they are here so that the strict reader stumbles over them.
    """

    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None
    is_whole: bool = False
    error: None = None
    message: None = None
    text: None = None


type _Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class _Details(msgspec.Struct, gc=False):
    cached_tokens: _Count | None = None


class Counted(msgspec.Struct, gc=False):
    """Tokens as the server counted them."""

    prompt_tokens: _Count
    completion_tokens: _Count = 0
    prompt_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: _Count | None = None

    @property
    def cached_tokens(self) -> int:
        """Those of the prompt that the server had in its cache."""
        details = self.prompt_tokens_details
        cached = (details.cached_tokens if details else None) or self.prompt_cache_hit_tokens or 0
        return min(cached, self.prompt_tokens)


class Event(msgspec.Struct, gc=False):
    """One event. `error` is what the server says went wrong. `is_foreign`: it holds nothing of a chat completion."""

    choices: list[Choice] = msgspec.field(default_factory=list[Choice])
    usage: Counted | None = None
    error: UpstreamError | None = None
    is_foreign: bool = False


class StrictEvent(msgspec.Struct, gc=False):
    """An event in which nothing is odd."""

    choices: list[Choice]
    usage: Counted | None = None
    error: None = None

    @property
    def is_foreign(self) -> bool:
        """It is not."""
        return False


_decode = msgspec.json.Decoder(StrictEvent).decode
_decode_count = msgspec.json.Decoder(Counted, strict=False).decode


def decode_event(payload: bytes) -> Event | StrictEvent:
    """The event. Raises InvalidChunkError, MalformedJsonError when it is not JSON or not all of it."""
    try:
        event = _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return decode_leniently(payload)
    choices = event.choices
    if len(choices) == 1 and (delta := choices[0].delta) is not None:
        if delta.reasoning_details is None and delta.function_call is None:
            return event
    elif not choices and event.usage is not None:
        return event
    return decode_leniently(payload)


def read_count(written: msgspec.Raw) -> Counted | None:
    """What a server says of its tokens, numbers or numbers in words; None when that cannot be true."""
    try:
        return _decode_count(written)
    except msgspec.MsgspecError:
        return None


class _Float(float):
    """A number that remembers how it was written: `1.50` as text is not `1.5`."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, written: str) -> Self:
        number = super().__new__(cls, written)
        number.written = written
        return number


def decode_leniently(payload: bytes, *, is_error: bool = False) -> Event:
    """The event, whatever its fields are. `is_error`: the stream names it an error. Raises as `decode_event`."""
    try:
        text = payload.decode("utf-8", "replace")
        value: object = json.loads(text, strict=False, parse_float=_Float)
    except (ValueError, RecursionError) as error:
        raise MalformedJsonError("its events are not JSON") from error
    try:
        return _event(value, is_error=is_error)
    except RecursionError as error:
        raise InvalidChunkError("its events are nested too deeply") from error


def _event(value: object, *, is_error: bool) -> Event:
    if value in (None, "", {}):
        return Event()
    if is_list(value) and value and all(is_object(one) for one in value):
        return _merged([_event(one, is_error=is_error) for one in value])
    if not is_object(value):
        raise InvalidChunkError("its events are not chat completions")
    choices = [_choice(one) for one in _choices(value)]
    usage = _count(value.get("usage"))
    error = error_in_event(value, is_error=is_error)
    is_foreign = not choices and usage is None and error is None and "choices" not in value
    return Event(choices, usage, error, is_foreign and value.get("type") != "ping")


def _merged(events: list[Event]) -> Event:
    choices = [choice for event in events for choice in event.choices]
    usage = next((event.usage for event in reversed(events) if event.usage), None)
    error = next((event.error for event in events if event.error), None)
    return Event(choices, usage, error, all(event.is_foreign for event in events))


def _choices(fields: dict[str, Any]) -> list[dict[str, Any]]:
    given = fields.get("choices")
    if is_object(given):
        given = [given] if given.keys() & {"delta", "message", "text", "finish_reason"} else list(given.values())
    if given is None:
        return []
    if not is_list(given):
        raise InvalidChunkError("its events are not chat completions")
    return [one for one in given if is_object(one)]


def _choice(fields: dict[str, Any]) -> Choice:
    index = _number(fields.get("index")) or 0
    finish_reason = _finish_reason(fields.get("finish_reason"))
    given: object = fields.get("delta")
    is_whole = not given and fields.get("message") is not None
    if not given:
        given = fields.get("message") or fields.get("text")
    delta = None
    if is_object(given):
        delta = _delta(given)
    elif given is not None:
        delta = _delta({"content": given})
    return Choice(index, delta, finish_reason, is_whole)


def _finish_reason(given: object) -> str | None:
    if is_object(given):
        given = given.get("type") or given.get("reason")
    return given if isinstance(given, str) else None


def _delta(fields: dict[str, Any]) -> Delta:
    texts: list[str] = []
    thoughts: list[str] = []
    for is_thought, text in _parts(fields.get("content")):
        (thoughts if is_thought else texts).append(text)
    named = next((said for name in _THINKING if (said := _flat(fields.get(name), _THOUGHT_KEYS))), "")
    reasoning = (named or _flat(fields.get("reasoning_details"), _THOUGHT_KEYS)) + "".join(thoughts)
    calls = [_call(call) for call in _listed(fields.get("tool_calls"))]
    if is_object(function := fields.get("function_call")):
        calls.append(_call({"index": 0, "function": function}))
    return Delta(
        content="".join(texts),
        reasoning_content=reasoning,
        refusal=_flat(fields.get("refusal"), _TEXT_KEYS),
        tool_calls=calls,
    )


def _parts(content: object) -> Iterator[tuple[bool, str]]:
    """The parts of a content as (whether it is reasoning, text)."""
    for part in content if is_list(content) else [content]:
        if not is_object(part):
            yield False, _flat(part, _TEXT_KEYS)
            continue
        is_thought = _flat(part.get("type"), ()) in _THINKING_PARTS or part.get("thought") is True
        yield is_thought, _flat(part, _THOUGHT_KEYS if is_thought else _TEXT_KEYS)


def _flat(value: object, keys: tuple[str, ...]) -> str:
    """All text in a value: a string, a number as it was written, a list, or an object under the first key that has."""
    if isinstance(value, str):
        return value
    if isinstance(value, _Float):
        return value.written
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if is_list(value):
        return "".join(_flat(one, keys) for one in value)
    if is_object(value):
        return next((said for key in keys if (said := _flat(value.get(key), keys))), "")
    return ""


def _listed(value: object) -> list[dict[str, Any]]:
    if is_object(value):
        return [value]
    given = value if is_list(value) else []
    return [one for one in given if is_object(one)]


def _call(fields: dict[str, Any]) -> ToolCallDelta:
    given = fields.get("function")
    function = given if is_object(given) else fields
    arguments = function.get("arguments")
    if isinstance(arguments, dict | list):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return ToolCallDelta(
        _number(fields.get("index")),
        _flat(fields.get("id"), ()) or None,
        Function(_flat(function.get("name"), ()) or None, _flat(arguments, ())),
    )


def _number(value: object) -> int | None:
    """A small whole number, in words too; None for anything else."""
    try:
        number = int(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and 0 <= number <= _MOST_INDEX else None


def _count(value: object) -> Counted | None:
    return read_count(msgspec.Raw(json.dumps(value).encode())) if is_object(value) else None
