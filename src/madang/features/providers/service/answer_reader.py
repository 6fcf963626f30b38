"""One answer from the bytes of its stream: what may be passed on, and an honest word about its end."""

from typing import Literal

from madang.features.providers.service.answer_parts import Batch
from madang.features.providers.service.event_stream import EventStream
from madang.features.providers.service.think_tags import ThinkTags

type End = Literal["finished", "error", "broken", "cut_off"]
"""Finished; an error of the server's; bytes that are no protocol; or nothing more, though the answer had not ended."""


class AnswerReader:
    """Reads one answer. `end` is None while it goes on, `finish_reason` the server's, "stop" if it gave none."""

    def __init__(self) -> None:
        self.end: End | None = None
        self.finish_reason = "stop"
        self._stream = EventStream()
        self._tags = ThinkTags()
        self._has_reason = False

    @property
    def stray(self) -> str:
        """The beginning of what was on the stream and is no protocol, such as a proxy's page."""
        return self._stream.stray

    def take(self, data: bytes, *, is_broken_off: bool = False) -> Batch:
        """What new bytes say; no bytes are the end, `is_broken_off` when the connection broke."""
        batch = self._stream.take(data) if data else self._stream.finish()
        if batch.finish_reason is not None:
            self.finish_reason, self._has_reason = batch.finish_reason, True
        if not data or batch.done or batch.error is not None or batch.broken is not None:
            self.end = self._judge(batch, is_broken_off=is_broken_off)
        if batch.text or self.end:
            told = self._tags.take(batch.text, is_end=self.end is not None)
            batch.text = told.text
            batch.retracts = told.retracts
            if told.reasoning:
                batch.reasoning += told.reasoning
        return batch

    def _judge(self, batch: Batch, *, is_broken_off: bool) -> End:
        if batch.error is not None:
            return "error"
        if batch.broken is not None:
            return "broken"
        # Where text came after a finish reason, reasons are no proof of an end, but the connection's good end is.
        is_believed = self._has_reason and not (is_broken_off and self._stream.parts.reasons_lie)
        return "finished" if batch.done or is_believed else "cut_off"
