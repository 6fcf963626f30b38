"""Invites: made by those who manage, used by whoever holds the code."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from madang.features.organisations.contracts import RUNNING, Invite, Kind, Role
from madang.features.organisations.routes.members import MembershipBody, shown_membership
from madang.features.organisations.routes.shared import Line, address_of, next_cursor
from madang.features.organisations.service import invites, links, members
from madang.kernel.http import HouseDep, Limit, Page, ReadTx, Strict, Who, Whole, WriteTx, require_reauthentication
from madang.kernel.problems import problems

router = APIRouter(prefix="/scopes/{scope_id:uuid}/invites", tags=["organisations"])
visitors = APIRouter(prefix="/invites", tags=["organisations"])

Code = Annotated[str, Path(min_length=1, max_length=64, description="The code, however it was typed.")]


class NewInvite(Strict):
    """An invite to make. With `email` it is for that person alone, and once."""

    role: Literal["admin", "manager", "instructor", "student"]
    expires_in_days: Whole = Field(default=14, ge=1, le=365)
    max_uses: Whole = Field(default=1, ge=1, le=10_000)
    email: str | None = Field(default=None, max_length=320)
    note: Line = ""


class Renewal(Strict):
    """How long the new code is good."""

    expires_in_days: Whole = Field(default=14, ge=1, le=365)


class MadeInvite(BaseModel):
    """An invite that was just made, with what is shown only now: the code, the link, and the link as a picture.

    `is_sent` when it is on its way by mail; otherwise it is the caller's to hand over.
    """

    invite: Invite
    code: str
    url: str
    qr_svg: str
    is_sent: bool


class InviteOffer(BaseModel):
    """Where a code leads, and as what. `is_for_one` when only one e-mail address may use it."""

    scope_id: UUID
    kind: Kind
    name: str
    role: Role
    expires_at: datetime
    is_for_one: bool


@router.get("", responses=problems(401, 403, 404))
async def list_invites(
    tx: ReadTx,
    who: Who,
    scope_id: UUID,
    pending: bool = False,  # noqa: FBT001, FBT002  # a query parameter
    cursor: UUID | None = None,
    limit: Limit = 50,
) -> Page[Invite]:
    """List invites, the newest first; `pending` leaves out those that were used up, withdrawn or have expired."""
    found = await invites.listed(tx, who, scope_id, pending=pending, after=cursor, limit=limit + 1)
    return Page(items=found[:limit], next_cursor=next_cursor([one.id for one in found], limit))


@router.post("", status_code=201, responses=problems(401, 403, 404))
async def create_invite(house: HouseDep, request: Request, who: Who, scope_id: UUID, body: NewInvite) -> MadeInvite:
    """Make a code for a role below one's own, for anybody or for one address. It is shown only in this answer."""
    lifetime = timedelta(days=body.expires_in_days)
    wish = invites.Wish(body.role, lifetime, body.max_uses, body.email, body.note)
    if body.role in RUNNING:
        await require_reauthentication(house, who)
    async with house.db.transaction(who) as tx:
        made = await invites.create(house, tx, who, scope_id, wish)
    return _made(house, request, made)


@router.post("/{invite_id:uuid}/resend", responses=problems(401, 403, 404, 409))
async def resend_invite(
    house: HouseDep, request: Request, tx: WriteTx, who: Who, scope_id: UUID, invite_id: UUID, body: Renewal
) -> MadeInvite:
    """Give an invite a new code and new time, to be sent again. The old code is no good any more."""
    lifetime = timedelta(days=body.expires_in_days)
    made = await invites.renew(house, tx, who, scope_id, invite_id, lifetime)
    return _made(house, request, made)


@router.delete("/{invite_id:uuid}", status_code=204, responses=problems(401, 403, 404))
async def withdraw_invite(tx: WriteTx, who: Who, scope_id: UUID, invite_id: UUID) -> None:
    """End an invite."""
    await invites.withdraw(tx, who, scope_id, invite_id)


@visitors.get("/{code}", responses=problems(404, 409, 429))
async def get_invite(house: HouseDep, request: Request, code: Code) -> InviteOffer:
    """Tell a visitor who holds a code where it leads, before they sign in or register with it."""
    offer = await invites.peek(house, code, address_of(request))
    return InviteOffer(
        scope_id=offer.scope_id,
        kind=offer.kind,
        name=offer.name,
        role=offer.role,
        expires_at=offer.expires_at,
        is_for_one=offer.is_for_one,
    )


@visitors.post("/{code}/redeem", responses=problems(401, 403, 404, 409, 429))
async def redeem_invite(house: HouseDep, request: Request, who: Who, code: Code) -> MembershipBody:
    """Take a code: the caller gets its role, or keeps a higher one. Doing so twice uses it once."""
    scope_id = await invites.take(house, who, code, address_of(request))
    async with house.db.transaction(who) as tx:
        return next(shown_membership(one) for one in await members.mine(tx) if one.scope_id == scope_id)


def _made(house: HouseDep, request: Request, made: invites.Made) -> MadeInvite:
    is_sent = made.invite.sent_at is not None
    url = links.join_url(house.settings.public_url or str(request.base_url), made.code)
    return MadeInvite(invite=made.invite, code=made.code, url=url, qr_svg=links.qr_svg(url), is_sent=is_sent)
