"""The OpenAI protocol as bytes: requests written, event streams read.

The reader is the hot path. It is given whatever was on the socket, decodes each event once into typed structs that
hold only the fields we use, and gives back one batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from madang.features.providers.contracts import ChatRequest, Message, ToolCallPart
from madang.features.providers.service.models import Route

LINE_BYTES = 1 << 20
"""A longer line is no model's answer; without a bound an endless one would fill the memory."""

MOST_TOKENS = 10_000_000
"""No model takes or writes as much in one call: a server that counts more is mistaken."""

_FIELDS = (b"event:", b"id:", b"retry:", b":")


class NonsenseError(Exception):
    """These bytes are not the protocol; the text says what they are instead."""


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


type _Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class _Details(msgspec.Struct, gc=False):
    cached_tokens: _Count | None = None


class Counted(msgspec.Struct, gc=False):
    """Tokens as the server counted them."""

    prompt_tokens: _Count
    completion_tokens: _Count = 0
    prompt_tokens_details: _Details | None = None

    @property
    def cached_tokens(self) -> int:
        """Those of the prompt that the server had in its cache."""
        details = self.prompt_tokens_details
        return min(details.cached_tokens or 0, self.prompt_tokens) if details else 0


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] = msgspec.field(default_factory=list[_Choice])
    usage: Counted | None = None
    error: Any = None


class _Miscounted(msgspec.Struct, gc=False):
    choices: list[_Choice] = msgspec.field(default_factory=list[_Choice])
    usage: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    error: Any = None


_decode = msgspec.json.Decoder(_Event).decode
_decode_miscounted = msgspec.json.Decoder(_Miscounted).decode
_decode_count = msgspec.json.Decoder(Counted, strict=False).decode


def _event(payload: bytes) -> _Event:
    """One event; a count that is malformed or cannot be true is none, so that no answer is lost for it.

    Raises msgspec.MsgspecError and UnicodeDecodeError.
    """
    try:
        return _decode(payload)
    except msgspec.ValidationError:
        read = _decode_miscounted(payload)
        return _Event(read.choices, read_count(read.usage), read.error)


def read_count(written: msgspec.Raw) -> Counted | None:
    """What a server says of its tokens, numbers or numbers in words; None when that cannot be true."""
    try:
        return _decode_count(written)
    except msgspec.MsgspecError:
        return None


@dataclass(slots=True)
class Batch:
    """What one read of the socket brought. `error` is the server's error object as JSON text."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallPart, ...] = ()
    finish_reason: str | None = None
    counted: Counted | None = None
    error: str | None = None
    done: bool = False

    @property
    def says_something(self) -> bool:
        """Whether there is anything in it for a reader."""
        return bool(self.text or self.reasoning or self.tool_calls)

    @property
    def size(self) -> int:
        """Characters of all that it says."""
        calls = sum(len(call.arguments) + len(call.name or "") for call in self.tool_calls) if self.tool_calls else 0
        return len(self.text) + len(self.reasoning) + calls


@dataclass(slots=True)
class EventReader:
    """Takes the bytes of one event stream, cut anywhere."""

    rest: list[bytes] = field(default_factory=list[bytes])
    size: int = 0

    def take(self, data: bytes) -> Batch:
        """All events that are complete now. Raises NonsenseError."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._keep(data)
            return Batch()
        left = data[end:]
        data = b"".join((*self.rest, data[:end])) if self.rest else data[:end]
        self.rest, self.size = [], 0
        if left:
            self._keep(left)
        return _read(data.split(b"\n"))

    def _keep(self, piece: bytes) -> None:
        """A line without an end yet, in the pieces that it comes in: joining each time would be slow for a long one."""
        self.rest.append(piece)
        self.size += len(piece)
        if self.size > LINE_BYTES:
            raise NonsenseError("a line without an end")

    def finish(self) -> Batch:
        """What is left when the stream ends without a last line end; half an event says nothing."""
        left, self.rest, self.size = b"".join(self.rest), [], 0
        try:
            return _read([left])
        except NonsenseError:
            if _is_half(left):
                return Batch()
            raise


@dataclass(slots=True)
class _Gathering:
    texts: list[str] = field(default_factory=list[str])
    thoughts: list[str] = field(default_factory=list[str])
    calls: list[ToolCallPart] = field(default_factory=list[ToolCallPart])
    finish_reason: str | None = None

    def add(self, choice: _Choice) -> None:
        if choice.finish_reason is not None:
            self.finish_reason = choice.finish_reason
        delta = choice.delta
        if delta is None:
            return
        if delta.content:
            self.texts.append(delta.content)
        elif thought := delta.reasoning_content or delta.reasoning:
            self.thoughts.append(thought)
        elif delta.refusal:
            self.texts.append(delta.refusal)
        for call in delta.tool_calls or ():
            self._join(call)

    def _join(self, call: _ToolCall) -> None:
        """Pieces of one call that came together are one piece: readers join only what comes apart."""
        function = call.function or _Function()
        name, call_id = _plain(function.name or "") or None, _plain(call.id or "") or None
        part = ToolCallPart(call.index, call_id, name, _plain(function.arguments or ""))
        if self.calls and (last := self.calls[-1]).index == part.index:
            self.calls[-1] = ToolCallPart(
                part.index, last.id or part.id, last.name or part.name, last.arguments + part.arguments
            )
        else:
            self.calls.append(part)


def _read(lines: list[bytes]) -> Batch:
    batch = Batch()
    gathering = _Gathering()
    for line in lines:
        payload = _payload(line)
        if payload is None:
            continue
        if payload == b"[DONE]":
            batch.done = True
            break
        try:
            event = _event(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NonsenseError("its events are not chat completions") from error
        if event.choices:
            gathering.add(event.choices[0])
        if event.usage is not None:
            batch.counted = event.usage
        if event.error is not None:
            batch.error = msgspec.json.encode(event.error).decode()
    batch.text = _plain("".join(gathering.texts))
    batch.reasoning = _plain("".join(gathering.thoughts))
    batch.tool_calls = tuple(gathering.calls)
    batch.finish_reason = gathering.finish_reason
    return batch


def _plain(text: str) -> str:
    """Text without the one character that PostgreSQL keeps in no text."""
    return text.replace("\0", "") if "\0" in text else text


def _payload(line: bytes) -> bytes | None:
    if line.startswith(b"data:"):
        return line[5:].strip() or None
    if not line or line == b"\r" or line.startswith(_FIELDS):
        return None
    raise NonsenseError("it answers without an event stream")


def _is_half(line: bytes) -> bool:
    """Whether this is how a line of the protocol may begin: the connection broke in the middle of it."""
    is_event = line.startswith(b"data:") and line[5:].lstrip()[:1] in b"{["
    return is_event or b"data:".startswith(line)


def request_body(request: ChatRequest, route: Route) -> bytes:
    """The JSON of a streaming chat completion, in the dialect of the route's server."""
    body: dict[str, Any] = {
        "model": route.wire_name,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body |= _sampling(request, route)
    if request.json_schema is not None:
        schema = {"name": "answer", "schema": request.json_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.tools:
        body["tools"] = list(request.tools)
        if request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
    return msgspec.json.encode(body)


def _sampling(request: ChatRequest, route: Route) -> dict[str, Any]:
    sampling: dict[str, Any] = {}
    if request.max_tokens is not None:
        sampling["max_completion_tokens" if route.is_official else "max_tokens"] = request.max_tokens
    if route.is_official and _reasons(route.wire_name):
        return sampling
    if request.temperature is not None:
        sampling["temperature"] = request.temperature
    if request.stop:
        sampling["stop"] = list(request.stop)
    return sampling


def _reasons(wire_name: str) -> bool:
    return wire_name.startswith(("gpt-5", "o1", "o3", "o4")) and not wire_name.startswith("gpt-5-chat")


def _message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def embedding_body(texts: Sequence[str], route: Route, kind: str) -> bytes:
    """The JSON of an embeddings request. The built-in model is told what the texts are for: E5 needs it."""
    body: dict[str, Any] = {"model": route.wire_name, "input": list(texts)}
    if route.is_built_in:
        body["kind"] = kind
    if route.is_built_in or route.is_official:
        body["encoding_format"] = "base64"
    return msgspec.json.encode(body)
