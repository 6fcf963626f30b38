"""Registration codes, for supervisors."""

from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from madang.features.accounts.access import permit_supervisor
from madang.features.accounts.contracts import Invite
from madang.features.accounts.routes.shared import Line, next_cursor
from madang.features.accounts.service import invites as codes
from madang.kernel.http import Limit, Page, ReadTx, Reauthenticated, Strict, Who, Whole, WriteTx
from madang.kernel.problems import problems

router = APIRouter(prefix="/auth/invites", tags=["auth"])


class InviteBody(Strict):
    """An invite to make."""

    note: Line = ""
    max_uses: Whole = Field(default=1, ge=1, le=10_000)
    expires_in_days: Whole = Field(default=7, ge=1, le=365)


class NewInvite(BaseModel):
    """An invite that was just made, with its code, which is shown only now."""

    id: UUID
    code: str
    note: str
    max_uses: int
    used_count: int
    expires_at: datetime
    created_at: datetime


@router.post("", status_code=201, responses=problems(401, 403))
async def create_invite(who: Reauthenticated, tx: WriteTx, body: InviteBody) -> NewInvite:
    """Make a registration code, for supervisors. The code is shown only in this answer."""
    permit_supervisor(who)
    lifetime = timedelta(days=body.expires_in_days)
    made, code = await codes.create(tx, who.account_id, note=body.note, max_uses=body.max_uses, lifetime=lifetime)
    return NewInvite(code=code, **asdict(made))


@router.get("", responses=problems(401, 403))
async def list_invites(tx: ReadTx, who: Who, cursor: UUID | None = None, limit: Limit = 50) -> Page[Invite]:
    """List registration codes, for supervisors, the newest first."""
    found = await codes.listed(tx, who, cursor, limit + 1)
    return Page(items=found[:limit], next_cursor=next_cursor([one.id for one in found], limit))


@router.delete("/{invite_id:uuid}", status_code=204, responses=problems(401, 403, 404))
async def withdraw_invite(tx: WriteTx, who: Who, invite_id: UUID) -> None:
    """End a registration code, for supervisors."""
    await codes.withdraw(tx, who, invite_id)
