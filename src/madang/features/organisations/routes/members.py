"""Members of a scope, and one's own memberships."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from madang.features.organisations.contracts import RUNNING, Kind, Member, Membership, Role, Status
from madang.features.organisations.routes.shared import Line, next_cursor
from madang.features.organisations.service import members, ownership
from madang.kernel.http import (
    HouseDep,
    Limit,
    Page,
    ReadTx,
    Reauthenticated,
    Strict,
    Who,
    WriteTx,
    require_reauthentication,
)
from madang.kernel.problems import problems

router = APIRouter(prefix="/scopes/{scope_id:uuid}", tags=["organisations"])
mine = APIRouter(prefix="/users/me/memberships", tags=["organisations"])


class MemberChange(Strict):
    """Another role, or suspended or active; what is left out stays."""

    role: Role | None = None
    status: Status | None = None


class Transfer(Strict):
    """Which member becomes the owner."""

    member_id: UUID


@router.get("/members", responses=problems(401, 403, 404))
async def list_members(
    tx: ReadTx,
    who: Who,
    scope_id: UUID,
    q: Line | None = None,
    role: Role | None = None,
    cursor: UUID | None = None,
    limit: Limit = 50,
) -> Page[Member]:
    """List members, in the order they joined; `q` searches names and e-mail addresses."""
    found = await members.listed(tx, who, scope_id, sought=q, role=role, after=cursor, limit=limit + 1)
    return Page(items=found[:limit], next_cursor=next_cursor([one.id for one in found], limit))


@router.put("/members/{member_id:uuid}", responses=problems(401, 403, 404, 409))
async def put_member(house: HouseDep, who: Who, scope_id: UUID, member_id: UUID, body: MemberChange) -> Member:
    """Give a member who ranks below oneself another role below one's own, or suspend or readmit them."""
    if body.role in RUNNING:
        await require_reauthentication(house, who)
    async with house.db.transaction(who) as tx:
        return await members.change(tx, who, scope_id, member_id, role=body.role, status=body.status)


@router.delete("/members/{member_id:uuid}", status_code=204, responses=problems(401, 403, 404, 409))
async def remove_member(tx: WriteTx, who: Who, scope_id: UUID, member_id: UUID) -> None:
    """Take a member who ranks below oneself out."""
    await members.remove(tx, who, scope_id, member_id)


@router.post("/leave", status_code=204, responses=problems(401, 403, 404, 409))
async def leave_scope(tx: WriteTx, who: Who, scope_id: UUID) -> None:
    """Give up one's own role here. The last owner of an organisation transfers it first."""
    await members.leave(tx, who, scope_id)


@router.post("/transfer", responses=problems(401, 403, 404, 409))
async def transfer_scope(house: HouseDep, who: Reauthenticated, scope_id: UUID, body: Transfer) -> Member:
    """Make a member the owner of the organisation; the owner before stays as an admin."""
    async with house.db.transaction(who) as tx:
        return await ownership.transfer(tx, who, scope_id, body.member_id)


class MembershipBody(BaseModel):
    """One's own role somewhere. `names` are those of the scopes on the path, from the organisation down."""

    id: UUID
    scope_id: UUID
    kind: Kind
    name: str
    path: list[UUID]
    names: list[str]
    role: Role
    status: Status
    scope_status: Status
    joined_at: datetime


class MembershipList(BaseModel):
    """All of one's memberships."""

    items: list[MembershipBody]


def shown_membership(one: Membership) -> MembershipBody:
    """The membership as the API shows it."""
    return MembershipBody(
        id=one.id,
        scope_id=one.scope_id,
        kind=one.kind,
        name=one.name,
        path=list(one.path),
        names=list(one.names),
        role=one.role,
        status=one.status,
        scope_status=one.scope_status,
        joined_at=one.joined_at,
    )


@mine.get("", responses=problems(401))
async def list_memberships(tx: ReadTx, who: Who) -> MembershipList:
    """List where the caller belongs, and as what, the oldest first."""
    return MembershipList(items=[shown_membership(one) for one in await members.mine(tx)])
