"""A model's event stream: bytes in, cut anywhere, and what they say out, in batches.

This is the hot path. It is given whatever was on the socket, decodes each event once and gives back one batch. It never
raises: what was sound before something broken is in the batch, and `broken` says what is wrong with the rest.

Lines may end in LF, CR or CRLF; an event may be spread over several `data:` lines; a server may answer with one whole
completion, or with lines of JSON, instead of a stream.
"""

from typing import Final

from madang.features.providers.service.answer_parts import AnswerParts, Batch
from madang.features.providers.service.chunk_decoder import (
    Event,
    InvalidChunkError,
    MalformedJsonError,
    StrictEvent,
    decode_event,
    decode_leniently,
)
from madang.features.providers.service.upstream_errors import read_error_body

LINE_BYTES: Final = 1 << 20
"""A longer line or event is no model's answer; without a bound an endless one would fill the memory."""

STRAY_BYTES: Final = 4096
_BOM: Final = b"\xef\xbb\xbf"
_KEEP_ALIVE: Final = frozenset({b"", b"ping", b"[ping]", b"keep-alive", b"keepalive", b"heartbeat", b"null"})
_DONE: Final = frozenset({b"[done]", b"done"})


class EventStream:
    """Reads the bytes of one event stream. `parts.reasons_lie` says what its finish reasons are worth."""

    def __init__(self) -> None:
        self.parts = AnswerParts()
        self._rest: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._began = False
        self._is_json = False
        self._is_error = False
        self._open: list[bytes] = []
        self._open_size = 0
        self._open_braces = 0
        self._stray = b""
        self._is_sound = False
        self._is_foreign = False
        self._batch = Batch()

    @property
    def stray(self) -> str:
        """The beginning of what was on the stream and is no protocol, such as a proxy's page."""
        return self._stray.decode("utf-8", "replace")

    def take(self, data: bytes) -> Batch:
        """All that is complete now."""
        if b"\r" in data or self._after_cr:
            data = self._with_line_feeds(data)
        end = data.rfind(b"\n") + 1
        if not end:
            return self._keep(data)
        left = data[end:]
        data = b"".join((*self._rest, data[: end - 1])) if self._rest else data[: end - 1]
        self._rest, self._size = ([left], len(left)) if left else ([], 0)
        batch = self._batch = Batch()
        self._read(data.split(b"\n"))
        self.parts.fill(batch)
        return batch

    def finish(self) -> Batch:
        """What is left when the stream ends without a last line end; half an event says nothing."""
        left, self._rest, self._size = b"".join(self._rest), [], 0
        batch = self._batch = Batch()
        if left and (self._is_json or not b"data:".startswith(left)):
            self._read([left])
        if not batch.broken and not batch.done:
            self._end()
        if self._is_foreign and not self._is_sound and batch.error is None:
            batch.broken = batch.broken or "its events are not chat completions"
        self.parts.fill(batch, is_end=True)
        return batch

    def _with_line_feeds(self, data: bytes) -> bytes:
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, piece: bytes) -> Batch:
        """A line without an end yet, in the pieces that it comes in: joining each time would be slow for a long one."""
        if piece:
            self._rest.append(piece)
            self._size += len(piece)
        return Batch(broken="a line without an end") if self._size > LINE_BYTES else Batch()

    def _read(self, lines: list[bytes]) -> None:
        try:
            for line in lines:
                if not line:
                    if self._open or self._is_error:
                        self._dispatch()
                elif line.startswith(b"data: {") and not (self._open or self._is_error):
                    self._read_event(line)
                elif self._read_line(line):
                    break
        except InvalidChunkError as error:
            self._batch.broken = str(error)

    def _read_event(self, line: bytes) -> None:
        """What nearly all lines are."""
        self._began = True
        try:
            event = decode_event(line[6:])
        except MalformedJsonError:
            self._hold(line[6:])
            return
        if event.usage is None and event.error is None and len(event.choices) == 1:
            self._is_sound = True
            self.parts.add(event.choices[0], self._batch)
        else:
            self._add(event)

    def _read_data(self, payload: bytes) -> bool:
        """A `data:` line; whether it says that the stream is done."""
        if self._open:
            self._hold(payload)
            return False
        if not payload.lstrip().startswith((b"{", b"[{")):
            return self._read_word(payload.strip())
        self._began = True
        try:
            self._add(decode_leniently(payload, is_error=True) if self._is_error else decode_event(payload))
        except MalformedJsonError:
            self._hold(payload)
        return False

    def _read_word(self, payload: bytes) -> bool:
        """A payload that is no object."""
        self._began = True
        word = payload.strip(b'"').lower()
        if word in _DONE:
            self._batch.done = True
        elif self._is_error:
            self._batch.error = read_error_body(payload.decode("utf-8", "replace"))
        elif payload.startswith((b"[", b"{")):
            self._hold(payload)
        elif word not in _KEEP_ALIVE:
            self._note_stray(payload)
            raise InvalidChunkError("its events are not chat completions")
        return self._batch.done

    def _read_line(self, line: bytes) -> bool:
        """Any other line; whether it says that the stream is done."""
        if not self._began:
            line = line.removeprefix(_BOM)
        line = line.strip()
        if self._is_json and not line.startswith(b"data:"):
            self._read_json(line)
            return False
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name == b"data":
            return self._read_data(value)
        if name == b"event":
            self._began = True
            self._is_error = value.strip().lower() == b"error"
        elif line and name not in {b"", b"id", b"retry"}:
            self._read_stray(line)
        return False

    def _read_stray(self, line: bytes) -> None:
        """A line that no event stream has: JSON instead of a stream or after it, or anything else."""
        self._note_stray(line)
        if line.startswith((b"{", b"[")):
            self._is_json = not self._began
            self._began = True
            self._read_json(line)
        elif not self._began:
            raise InvalidChunkError("it answers without an event stream")

    def _read_json(self, line: bytes) -> None:
        """A line of JSON, or a part of one object that is written over many lines."""
        if self._open:
            self._hold(line)
            return
        try:
            event = decode_leniently(line)
        except MalformedJsonError:
            self._hold(line)
            return
        self._add(event)
        if not (event.choices or event.error or event.usage):
            raise InvalidChunkError("it answers without an event stream")

    def _hold(self, payload: bytes) -> None:
        """Keep a part of an event that goes on in further lines."""
        self._open.append(payload)
        self._open_size += len(payload) + 1
        if self._open_size > LINE_BYTES:
            raise InvalidChunkError("an event without an end")
        self._open_braces += payload.count(b"{") - payload.count(b"}")
        if len(self._open) > 1 and self._open_braces <= 0 and not self._is_json:
            self._try_held()

    def _try_held(self) -> None:
        """As many braces are closed as were opened: the event may be whole, though no empty line says so."""
        try:
            event = decode_leniently(b"\n".join(self._open), is_error=self._is_error)
        except MalformedJsonError:
            return
        self._take_held()
        self._is_error = False
        self._add(event)

    def _dispatch(self) -> None:
        """An empty line: an event that is spread over several lines is whole now."""
        if self._is_json:
            return
        is_error, self._is_error = self._is_error, False
        if held := self._take_held():
            self._add(decode_leniently(held, is_error=is_error))

    def _take_held(self) -> bytes:
        held, self._open, self._open_size, self._open_braces = b"\n".join(self._open), [], 0, 0
        return held

    def _end(self) -> None:
        """The stream ended, perhaps within an event: half of one says nothing."""
        held = self._take_held()
        try:
            if held:
                self._add(decode_leniently(held))
        except InvalidChunkError as error:
            self._note_stray(held)
            is_half = isinstance(error, MalformedJsonError) and held.strip()[-1:] != b"}"
            if not is_half or (self._is_json and not self._is_sound):
                self._batch.broken = str(error)

    def _note_stray(self, line: bytes) -> None:
        if len(self._stray) < STRAY_BYTES:
            self._stray = (self._stray + line + b"\n")[:STRAY_BYTES]

    def _add(self, event: Event | StrictEvent) -> None:
        batch = self._batch
        if event.error is not None:
            batch.error = batch.error or event.error
        for choice in event.choices:
            self.parts.add(choice, batch)
            self._is_sound = True
        if event.usage is not None:
            self._is_sound = True
            batch.counted = event.usage
        if event.is_foreign:
            self._is_foreign = True
