"""Writes down what an agent does, as the events of its run."""

from dataclasses import dataclass, field

import msgspec

from madang.features.agents.public import Citation
from madang.features.providers.public import Usage
from madang.features.runs.contracts import SAID, TAKEN_BACK, EventType, Totals
from madang.features.runs.service.desk import price
from madang.kernel.streams import Event, LogWriter

_encode = msgspec.json.Encoder().encode


_SPOKEN = frozenset({EventType.DELTA.encode(), EventType.REASONING.encode()})


@dataclass(slots=True)
class Recorder:
    """The emitter of one attempt. Every method appends one event and returns at once; raises `FencedError`.

    The character that PostgreSQL's text cannot have is left out of what is said, lest the answer could not be stored.
    """

    log: LogWriter
    text: list[str] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    calls: list[Usage] = field(default_factory=list)
    finish_reason: str = "stop"

    def begin(self, attempt: int, labels: dict[str, object]) -> None:
        """Open the log, or take back what an earlier attempt left half said."""
        if self.log.last == 0:
            self._add(EventType.QUEUED, labels)
        self._add(EventType.STARTED, {"attempt": attempt})
        half_said = self._first_said()
        if half_said is not None:
            self._add(EventType.RESTARTED, {"from_seq": half_said})

    def _first_said(self) -> int | None:
        first: int | None = None
        for event in self.log.events:
            if event.type == TAKEN_BACK:
                first = None
            elif first is None and event.type in SAID:
                first = event.seq
        return first

    def step(self, name: str) -> None:
        """See `Emitter`."""
        self._add(EventType.STEP, {"name": name})

    def delta(self, text: str) -> None:
        """See `Emitter`."""
        text = text.replace("\x00", "")
        self.text.append(text)
        self._add(EventType.DELTA, {"text": text})

    def reasoning(self, text: str) -> None:
        """See `Emitter`."""
        self._add(EventType.REASONING, {"text": text})

    def retract(self) -> None:
        """See `Emitter`. Readers forget all that was said, and hear it again as reasoning."""
        first = self._first_said()
        self.text.clear()
        self.citations.clear()
        if first is not None:
            said = "".join(_text_of(event) for event in self.log.events[first - 1 :])
            self._add(EventType.RESTARTED, {"from_seq": first})
            self.reasoning(said)

    def finish(self, reason: str) -> None:
        """See `Emitter`."""
        self.finish_reason = reason

    def cite(self, citation: Citation) -> None:
        """See `Emitter`."""
        self.citations.append(citation)
        self._add(EventType.CITED, citation)

    def tool_called(self, call_id: str, name: str, arguments: object) -> None:
        """See `Emitter`."""
        self._add(EventType.TOOL_CALLED, {"call_id": call_id, "name": name, "arguments": arguments})

    def tool_returned(self, call_id: str, *, result: object = None, error: str | None = None) -> None:
        """See `Emitter`."""
        outcome = {"result": result} if error is None else {"error": error}
        self._add(EventType.TOOL_RETURNED, {"call_id": call_id, **outcome})

    def usage(self, usage: Usage) -> None:
        """See `Emitter`."""
        self.calls.append(usage)
        self._add(
            EventType.USAGE,
            {
                "model": usage.model,
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cost": price(usage.cost_micros),
                "estimated": usage.estimated,
            },
        )

    def totals(self) -> Totals | None:
        """All model calls that the agent told of in this attempt; None when there was none."""
        if not self.calls:
            return None
        costs = [call.cost_micros for call in self.calls if call.cost_micros is not None]
        return Totals(
            self.calls[-1].model,
            sum(call.input_tokens for call in self.calls),
            sum(call.output_tokens for call in self.calls),
            sum(costs) if len(costs) == len(self.calls) else None,
            any(call.estimated for call in self.calls),
        )

    def _add(self, kind: EventType, data: object) -> None:
        self.log.append(kind.encode(), _encode(data))


def _text_of(event: Event) -> str:
    return str(msgspec.json.decode(event.data)["text"]) if event.type in _SPOKEN else ""
