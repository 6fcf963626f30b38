"""Codes and e-mail invitations that give a role in a scope."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from madang.features.accounts.public import Account, Counter, account_of, attempt, is_same, normal_email, place
from madang.features.organisations import queries, settings
from madang.features.organisations.access import permit
from madang.features.organisations.contracts import RANK, Invite, Kind, Offer, Role, Scope
from madang.features.organisations.service import codes, links
from madang.features.organisations.service.invitation import invitation
from madang.features.organisations.service.joining import Place, enrol, lock_all
from madang.features.organisations.service.members import permit_grant
from madang.features.organisations.service.scopes import lock
from madang.features.organisations.tables import InviteRow, MembershipRow, RedemptionRow, ScopeRow
from madang.kernel import mail
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, Forbidden, NotFound
from madang.kernel.house import House


@dataclass(frozen=True, slots=True)
class Wish:
    """An invite to make. With `email` only the account with that address may use it."""

    role: Role
    lifetime: timedelta
    max_uses: int = 1
    email: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """An invite with its code, which is known only now, and where it leads."""

    invite: Invite
    code: str
    scope: Scope


def _digest(house: House, code: str) -> bytes:
    """How a code that the house made is known from now on."""
    return _digests(house, code)[0]


def _digests(house: House, code: str) -> list[bytes]:
    """How a typed code may be known, under the house's present secret and its former ones; none when it is no code."""
    return [found for secret in house.settings.secrets if (found := codes.digest(secret, code)) is not None]


async def good_until(tx: Tx, before: datetime) -> datetime | None:
    """Until when the last code is good that was hashed with the house's secret before that moment, None without one."""
    standing = (InviteRow.revoked_at.is_(None), InviteRow.used_count < InviteRow.max_uses)
    return await tx.scalar(select(func.max(InviteRow.expires_at)).where(InviteRow.created_at <= before, *standing))


async def create(house: House, tx: Tx, who: Principal, scope_id: UUID, wish: Wish) -> Made:
    """A new code for a role below the caller's own; raises `NotFound`, `Forbidden` and `Invalid`.

    Nobody changes what the caller is, here or above, before the transaction ends: whoever is put out leaves no code.
    """
    scope = await _alone(tx, who, scope_id)
    permit_grant(who, scope, wish.role)
    return await _make(house, tx, who, scope, wish)


async def _alone(tx: Tx, who: Principal, scope_id: UUID) -> Scope:
    """The scope, when the caller may make codes there, and nobody changes that before the transaction ends."""
    await lock_all(tx, (await permit(tx, who, scope_id, "invites.manage")).path)
    return await permit(tx, who, scope_id, "invites.manage")


async def _make(house: House, tx: Tx, who: Principal, scope: Scope, wish: Wish) -> Made:
    code = codes.make()
    row = InviteRow(
        scope_id=scope.id,
        path=list(scope.path),
        code_hash=_digest(house, code),
        role=wish.role,
        email=normal_email(wish.email) if wish.email else None,
        note=wish.note.strip(),
        max_uses=1 if wish.email else wish.max_uses,
        expires_at=now() + wish.lifetime,
        created_by=who.account_id,
    )
    await _send(house, tx, row, scope, code)
    tx.add(row)
    await tx.flush()
    await tx.refresh(row)
    await record(tx, who, "organisations.invite_created", _target(row), role=row.role, max_uses=row.max_uses)
    return Made(shown(row), code, scope)


async def listed(
    tx: Tx, who: Principal, scope_id: UUID, *, pending: bool, after: UUID | None, limit: int
) -> list[Invite]:
    """Invites of a scope, the newest first; raises `NotFound` and `Forbidden`."""
    scope = await permit(tx, who, scope_id, "invites.manage")
    return [shown(row) for row in await queries.invites(tx, scope.id, pending=pending, after=after, limit=limit)]


async def withdraw(tx: Tx, who: Principal, scope_id: UUID, invite_id: UUID) -> None:
    """End a code; raises `NotFound` and `Forbidden`."""
    scope = await permit(tx, who, scope_id, "invites.manage")
    row = await _own(tx, who, scope, invite_id)
    row.revoked_at = row.revoked_at or now()
    await tx.flush()
    await record(tx, who, "organisations.invite_withdrawn", _target(row))


async def renew(house: House, tx: Tx, who: Principal, scope_id: UUID, invite_id: UUID, lifetime: timedelta) -> Made:
    """The same invitation as a new one of the caller's, to be sent again; the old code is no good any more.

    It ends with the caller's role and not with that of who made the one before. Raises `NotFound`, `Forbidden`, and
    `Conflict` when it was used or withdrawn.
    """
    scope = await _alone(tx, who, scope_id)
    row = await _own(tx, who, scope, invite_id)
    if row.revoked_at is not None or row.used_count >= row.max_uses:
        raise Conflict("invite_over", "This invite was used or withdrawn. Make a new one.")
    row.revoked_at = now()
    await tx.flush()
    left = row.max_uses - row.used_count
    wish = Wish(msgspec.convert(row.role, Role), lifetime, left, row.email, row.note)
    await record(tx, who, "organisations.invite_renewed", _target(row))
    return await _make(house, tx, who, scope, wish)


async def _send(house: House, tx: Tx, row: InviteRow, scope: Scope, code: str) -> None:
    """Mail the code to whom it is for, where mail is set up; otherwise whoever made it hands it over."""
    if row.email is not None and mail.is_set_up(house.settings):
        link = links.join_url(house.settings.base_url, code)
        await mail.post(tx, invitation(row.email, scope.name, link, row.expires_at))
        row.sent_at = now()


async def _own(tx: Tx, who: Principal, scope: Scope, invite_id: UUID) -> InviteRow:
    """An invite of the scope that the caller could have made, locked; raises `NotFound` and `Forbidden`."""
    query = select(InviteRow).where(InviteRow.scope_id == scope.id, InviteRow.id == invite_id)
    row = await tx.scalar(query)
    if row is None:
        raise NotFound("invite_not_found", "There is no such invite.")
    permit_grant(who, scope, msgspec.convert(row.role, Role))
    await tx.refresh(row, with_for_update=True)
    return row


async def peek(house: House, code: str, address: str) -> Offer:
    """What a code leads to, for whoever holds it; raises as `redeem` does, and `TooMany`."""

    async def look(tx: Tx) -> Offer:
        row, scope = await find(house, tx, code)
        await permit_use(tx, row)
        role, kind = msgspec.convert(row.role, Role), msgspec.convert(scope.kind, Kind)
        return Offer(scope.id, kind, scope.name, role, row.expires_at, is_for_one=row.email is not None)

    return await _try(house, address, look)


async def take(house: House, who: Principal, code: str, address: str) -> UUID:
    """Redeem a code for the caller, in the house's name: only the code lets them in. Returns the scope's id.

    Raises as `redeem`, and `TooMany`.
    """

    async def use(tx: Tx) -> UUID:
        account = await account_of(tx, who.account_id)
        if account is None:
            raise unknown()
        return await redeem(house, tx, account, code)

    return await _try(house, address, use)


async def _try[T](house: House, address: str, work: Callable[[Tx], Awaitable[T]]) -> T:
    """Do something with a code in the house's transaction, slowing down addresses that give unknown ones.

    Whoever holds a code that is over is not guessing, nor is a whole class that joins from one address.
    """
    async with attempt(house, guesses(address)):
        try:
            async with house.db.transaction() as tx:
                return await work(tx)
        except (Conflict, Forbidden) as held:
            problem = held
    raise problem


def guesses(address: str) -> list[Counter]:
    """What wrong codes from an address count against."""
    return [Counter(f"invites {place(address)}", settings.load().invite_attempts)]


async def knows(house: House, tx: Tx, code: str, email: str) -> bool:
    """Whether there is such a code; raises as `redeem` does when somebody with that address could not use it now."""
    try:
        row, _ = await find(house, tx, code)
    except NotFound:
        return False
    permit_address(row, email)
    await permit_use(tx, row)
    return True


async def redeem(house: House, tx: Tx, account: Account, code: str) -> UUID:
    """Give the account the code's role, once; somebody who ranks as high keeps that. Returns the scope's id.

    The invite's row is locked, so that of many who come together only as many pass as it allows. Raises `NotFound` for
    an unknown code, `Conflict` (invite_revoked, invite_expired, invite_used_up, scope_suspended) and `Forbidden`
    (invite_for_another, membership_suspended, membership_ended).
    """
    row, scope = await find(house, tx, code)
    await lock(tx, scope.id)
    await tx.refresh(row, with_for_update=True)
    permit_address(row, account.email)
    query = select(MembershipRow).where(MembershipRow.scope_id == scope.id, MembershipRow.account_id == account.id)
    member = await tx.scalar(query)
    if member is not None and member.status == "suspended":
        raise Forbidden("membership_suspended", "You are suspended here. Ask those who run it.")
    redemption = await tx.get(RedemptionRow, (row.id, account.id))
    if redemption is not None and not redemption.is_reserved:
        if member is None:
            detail = "You were removed from here, and this code does not bring you back. Ask for a new one."
            raise Forbidden("membership_ended", detail)
        return scope.id
    await permit_use(tx, row, is_reserved=redemption is not None)
    role = msgspec.convert(row.role, Role)
    if member is None or RANK[msgspec.convert(member.role, Role)] < RANK[role]:
        _use(tx, row, account.id, redemption)
        await enrol(tx, account.id, scope, Place(role, "invite"), member)
    return scope.id


def _use(tx: Tx, row: InviteRow, account_id: UUID, reserved: RedemptionRow | None) -> None:
    if reserved is not None:
        reserved.is_reserved = False
        return
    row.used_count += 1
    tx.add(RedemptionRow(invite_id=row.id, scope_id=row.scope_id, account_id=account_id))


async def find(house: House, tx: Tx, code: str) -> tuple[InviteRow, ScopeRow]:
    """The invite of a code and its scope; raises `NotFound` when there is none, or the scope was deleted."""
    digests = _digests(house, code)
    query = select(InviteRow, ScopeRow).join(ScopeRow, ScopeRow.id == InviteRow.scope_id)
    found = (await tx.execute(query.where(InviteRow.code_hash.in_(digests)))).one_or_none()
    if found is None or await tx.scalar(select(func.partner.state_of(found[0].path))) == "deleted":
        raise unknown()
    return found[0], found[1]


def unknown() -> NotFound:
    """The answer to every code that is not one."""
    return NotFound("invite_unknown", "There is no such invite. Look at the code again, or ask for a new one.")


def permit_address(row: InviteRow, email: str) -> None:
    """Let only whom a code is for use it; raises `Forbidden` (invite_for_another)."""
    if row.email is not None and not is_same(row.email, email):
        detail = "This invite is for another e-mail address. Use the account with the address it was sent to."
        raise Forbidden("invite_for_another", detail)


async def permit_use(tx: Tx, row: InviteRow, *, is_reserved: bool = False) -> None:
    """Tell the holder of a code why it is no good any more; raises `Conflict`. A use may be reserved for them."""
    if row.revoked_at is not None:
        raise Conflict("invite_revoked", "This invite was withdrawn. Ask for a new one.")
    if row.expires_at <= now():
        raise Conflict("invite_expired", "This invite has expired. Ask for a new one.")
    if row.used_count >= row.max_uses and not is_reserved:
        raise Conflict("invite_used_up", "This invite was used up. Ask for a new one.")
    if await tx.scalar(select(func.partner.state_of(row.path))) == "suspended":
        raise Conflict("scope_suspended", "This place is suspended; nobody can join it now. Ask those who run it.")


def shown(row: InviteRow) -> Invite:
    """The row without what is secret."""
    return Invite(
        id=row.id,
        scope_id=row.scope_id,
        role=msgspec.convert(row.role, Role),
        email=row.email,
        note=row.note,
        max_uses=row.max_uses,
        used_count=row.used_count,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        sent_at=row.sent_at,
        created_at=row.created_at,
    )


def _target(row: InviteRow) -> Target:
    return Target("invite", row.id, tuple(row.path))
