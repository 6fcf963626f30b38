"""What a run is to others: its events, its states and the facts it announces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from madang.features.agents.public import Citation
from madang.features.providers.public import Message
from madang.kernel.errors import NotFound
from madang.kernel.jobs import JobKind

VERSION = 1
"""Of the event vocabulary; a type's payload only ever gains members within a version."""


class EventType(StrEnum):
    """The one vocabulary of every transport. See the design's section on runs for the payloads."""

    QUEUED = "run.queued"
    STARTED = "run.started"
    STEP = "step.started"
    DELTA = "message.delta"
    REASONING = "reasoning.delta"
    RESTARTED = "message.restarted"
    TOOL_CALLED = "tool.called"
    TOOL_RETURNED = "tool.returned"
    CITED = "source.cited"
    COMPONENT = "component"
    INPUT_REQUESTED = "input.requested"
    USAGE = "usage"
    FINISHED = "run.finished"
    FAILED = "run.failed"
    CANCELLED = "run.cancelled"


TERMINAL = frozenset({EventType.FINISHED.encode(), EventType.FAILED.encode(), EventType.CANCELLED.encode()})
"""The types that end a run's log."""

SAID = frozenset({EventType.DELTA.encode(), EventType.REASONING.encode(), EventType.CITED.encode()})
"""The types that `message.restarted` takes back."""

TAKEN_BACK = EventType.RESTARTED.encode()

type Status = Literal["queued", "running", "finished", "failed", "cancelled"]
ENDED: tuple[Status, ...] = ("finished", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class RunOrder:
    """The job of performing a run; a suspect may be what ended several workers."""

    run_id: UUID
    is_suspect: bool = False


PERFORM = JobKind("runs.perform", RunOrder)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A turn to be answered. `labels` are ids that readers find in `run.queued` and that come back in `RunEnded`.

    `scope_path` are the scopes, from the organisation down, that every attempt is charged to.
    """

    messages: Sequence[Message]
    agent: str | None = None
    model: str | None = None
    document_ids: Sequence[UUID] = ()
    language: str | None = None
    labels: Mapping[str, str] | None = None
    scope_path: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """Tokens and cost of all model calls of a run, those of attempts that were cut off with them, as they are booked.

    The cost is None when any price is not known.
    """

    model: str
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended and what it said until then. `finish_reason` is its answer's when it finished."""

    run_id: UUID
    status: Status
    text: str
    citations: tuple[Citation, ...]
    usage: Totals | None
    error: dict[str, str] | None
    finished_at: datetime | None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run finished, failed or was cancelled; `labels` are those of its request."""

    name: ClassVar[str] = "runs.ended"

    run_id: UUID
    account_id: UUID
    status: Status
    labels: dict[str, str]


class RunNotFound(NotFound):
    """There is no such run for this account."""

    def __init__(self) -> None:
        super().__init__("run_not_found", "There is no such run. It may belong to another account.")
