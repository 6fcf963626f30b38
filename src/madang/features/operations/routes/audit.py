"""`/audit`: who did what."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, StringConstraints

from madang.features.operations.contracts import AuditFilter
from madang.features.operations.service import audit
from madang.kernel.http import HouseDep, Limit, Moment, Page, Who, decode_cursor
from madang.kernel.problems import problems

router = APIRouter(prefix="/audit", tags=["audit"])

type Words = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]

MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The deeds that fit, the newest first.",
        "content": {"text/csv": {"schema": {"type": "string"}}, "application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


class DeedBody(BaseModel):
    """Who did what to what, from where, in which scopes. Without an actor it was the house or a visitor."""

    id: UUID
    created_at: datetime
    actor_id: UUID | None
    actor_name: str | None
    action: str
    target_kind: str
    target_id: UUID | None
    scope_path: list[UUID]
    address: str
    user_agent: str
    request_id: str | None
    details: dict[str, Any]


def _wanted(
    scope_id: Annotated[UUID | None, Query(description="Only what happened in this scope and beneath it.")] = None,
    actor_id: UUID | None = None,
    action: Annotated[Words, Query(description="The beginning of an action, such as `accounts.`.")] = "",
    target_id: UUID | None = None,
    address: Annotated[Words, Query(description="The beginning of an address.")] = "",
    q: Annotated[Words, Query(description="Words in names, e-mail addresses, actions and details.")] = "",
    since: Annotated[Moment | None, Query(alias="from", description="From this moment on.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Before this moment.")] = None,
) -> AuditFilter:
    return AuditFilter(scope_id, actor_id, action, target_id, address, q.strip(), since, until)


Wanted = Annotated[AuditFilter, Depends(_wanted)]


@router.get("/", responses=problems(400, 401, 403, 404))
async def list_deeds(
    house: HouseDep, who: Who, wanted: Wanted, cursor: str | None = None, limit: Limit = 50
) -> Page[DeedBody]:
    """The audit log, the newest deed first: of the whole house for supervisors, of a scope for who manages it."""
    found = await audit.read(house, who, wanted, decode_cursor(cursor), limit + 1)
    items = [DeedBody.model_validate(deed, from_attributes=True) for deed in found[:limit]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(found) > limit else None)


@router.get("/export", response_class=StreamingResponse, responses={**FILE, **problems(401, 403, 404)})
async def export_deeds(
    house: HouseDep,
    who: Who,
    wanted: Wanted,
    format: Literal["csv", "jsonl"] = "csv",  # noqa: A002  # its name in the address
) -> StreamingResponse:
    """The same as a file, to its end. That it was taken is itself noted in the log."""
    pieces = await audit.begin_export(house, who, wanted, format)
    headers = {"Content-Disposition": f'attachment; filename="audit.{format}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type=MEDIA[format], headers=headers)
