"""`/runs`."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, Field

from madang.features.runs.access import own_run
from madang.features.runs.contracts import ENDED, Status
from madang.features.runs.service import desk
from madang.features.runs.service.readers import permit_reader
from madang.features.runs.service.reading import open_events
from madang.features.runs.service.sse import HEADERS, event_stream
from madang.features.runs.tables import Run
from madang.kernel.http import HouseDep, ReadTx, Who
from madang.kernel.problems import problems

router = APIRouter(prefix="/runs", tags=["runs"])

EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The run's events, each with its number as `id`; ends after the run's last event.",
        "content": {"text/event-stream": {}},
    }
}
LARGEST_SEQ = 2**53
NOTHING_SEEN = BeforeValidator(lambda given: given or 0)
"""After the bounds; clients that have seen nothing yet may say so by an empty value."""


class Cost(BaseModel):
    """Money in millionths of the currency."""

    micros: int
    currency: str


class UsageBody(BaseModel):
    """What model calls took. `cost` is null when a price is not known."""

    input_tokens: int
    output_tokens: int
    cost: Cost | None
    estimated: bool


class ErrorBody(BaseModel):
    """Why a run failed."""

    code: str
    message: str
    upstream: str | None = Field(
        default=None, description="What the model's server said about it, without its key; told to supervisors only."
    )


class RunBody(BaseModel):
    """One agent turn."""

    id: UUID
    status: Status
    attempt: int
    agent: str | None
    model: str | None
    usage: UsageBody | None
    error: ErrorBody | None
    finish_reason: str | None = Field(
        description="How the answer of a finished run ended: `stop`; `length`, at the model's limit; `budget`, at what "
        "a budget affords; `content_filter`; or a reason of the model's server's own."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class CancelBody(BaseModel):
    """The state after a stop; `receipt` says what was used up to it, null while the worker has not ended it yet."""

    status: Status
    receipt: UsageBody | None


@router.get("/{run_id:uuid}", responses=problems(401, 404))
async def get_run(run_id: UUID, tx: ReadTx, who: Who) -> RunBody:
    """A run."""
    return _body(await own_run(tx, who, run_id), shows_upstream=who.is_supervisor)


@router.get(
    "/{run_id:uuid}/events", response_class=StreamingResponse, responses={**EVENT_STREAM, **problems(401, 404, 429)}
)
async def get_events(
    run_id: UUID,
    house: HouseDep,
    tx: ReadTx,
    who: Who,
    after: Annotated[
        int, Query(ge=0, le=LARGEST_SEQ, description="The number of the last event seen."), NOTHING_SEEN
    ] = 0,
    last_event_id: Annotated[
        int, Header(ge=0, le=LARGEST_SEQ, description="The same, as browsers say it."), NOTHING_SEEN
    ] = 0,
) -> StreamingResponse:
    """The run's events above `Last-Event-ID` and `after`, each once and in order, live or not."""
    await permit_reader(house, who)
    opening = await open_events(tx, who, run_id)
    cursor = max(last_event_id, after)
    return StreamingResponse(
        event_stream(house, who, opening, cursor),
        media_type="text/event-stream",
        headers={**HEADERS, "X-Run-ID": str(run_id)},
    )


@router.post("/{run_id:uuid}/cancel", responses=problems(401, 404))
async def cancel_run(run_id: UUID, house: HouseDep, who: Who) -> CancelBody:
    """Stop a run, wherever it runs; the model's connection is closed at once. Stopping an ended run changes nothing."""
    run = await desk.cancel(house, who, run_id)
    receipt = desk.receipt(desk.usage_of(run.usage)) if run.status in ENDED else None
    return CancelBody.model_validate({"status": run.status, "receipt": receipt})


def _body(run: Run, *, shows_upstream: bool) -> RunBody:
    totals = desk.usage_of(run.usage)
    return RunBody.model_validate(
        {
            "id": run.id,
            "status": run.status,
            "attempt": run.attempt,
            "agent": run.agent,
            "model": totals.model if totals else run.model,
            "usage": desk.receipt(totals) if totals else None,
            "error": run.error if shows_upstream else desk.public_error(run.error),
            "finish_reason": run.finish_reason,
            "created_at": run.created_at,
            "started_at": run.started_at,
            "finished_at": run.finished_at,
        }
    )
