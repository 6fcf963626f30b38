"""An organisation always has an owner: handing it over, and what happens when an owner goes."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import case, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from madang.features.organisations.access import permit, prove_owner
from madang.features.organisations.contracts import Member, MemberJoined
from madang.features.organisations.service.joining import lock_all, member_of, shown_member, take_out
from madang.features.organisations.service.scopes import lock
from madang.features.organisations.tables import MembershipRow, ScopeRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx, act_as_house
from madang.kernel.errors import Conflict


async def transfer(tx: Tx, who: Principal, scope_id: UUID, member_id: UUID) -> Member:
    """Make a member the owner in the caller's place, who stays as an admin; a supervisor replaces all owners so.

    In the caller's transaction, which goes on in the house's name, since nobody else may make an owner. Raises
    `NotFound`, `Forbidden`, and `Conflict` when the member cannot own it now.
    """
    await lock(tx, scope_id)  # before asking whether the caller owns it: they may just be handing it over
    scope = await permit(tx, who, scope_id, "scope.transfer")
    await prove_owner(tx, scope)
    await act_as_house(tx)
    if scope.kind != "organisation":
        raise Conflict("owners_own_organisations", f"Only an organisation has owners; this is a {scope.kind}.")
    heir = await member_of(tx, scope.id, member_id)
    if heir.status == "suspended":
        raise Conflict("member_suspended", "This member is suspended. Readmit them first, or choose another one.")
    owners = MembershipRow.role == "owner"
    old = owners if who.is_supervisor else owners & (MembershipRow.account_id == who.account_id)
    await tx.execute(
        update(MembershipRow)
        .where(MembershipRow.scope_id == scope.id, or_(old, MembershipRow.id == heir.id))
        .values(role=case((MembershipRow.id == heir.id, "owner"), else_="admin"))
        .execution_options(synchronize_session=False)
    )
    await record(tx, who, "organisations.transferred", Target("account", heir.account_id, scope.path))
    await tx.announce(MemberJoined(scope.id, scope.path, heir.account_id, "owner"))
    return await shown_member(tx, scope.id, member_id)


async def keep_an_owner(tx: Tx, scope_id: UUID, leaving: UUID) -> None:
    """Raise `Conflict` when nobody else owns the organisation; the caller holds its lock."""
    others = MembershipRow.account_id != leaving
    query = select(exists().where(MembershipRow.scope_id == scope_id, MembershipRow.role == "owner", others))
    if not await tx.scalar(query):
        detail = "This is the last owner. Transfer the organisation to somebody first, or delete it."
        raise Conflict("last_owner", detail)


async def may_leave(tx: Tx, account_id: UUID) -> None:
    """Raise `Conflict` (last_owner) when an organisation would be left without an owner by the account's deletion."""
    if await _alone_in(tx, account_id):
        detail = "This account is the only owner of an organisation. Transfer that to somebody, or delete it first."
        raise Conflict("last_owner", detail)


async def _alone_in(tx: Tx, account_id: UUID) -> Sequence[UUID]:
    """The standing organisations of which only this account is an owner."""
    other = aliased(MembershipRow)
    others = exists().where(
        other.scope_id == MembershipRow.scope_id, other.role == "owner", other.account_id != account_id
    )
    owned = select(MembershipRow.scope_id).join(ScopeRow, ScopeRow.id == MembershipRow.scope_id)
    mine = (MembershipRow.account_id == account_id, MembershipRow.role == "owner", ScopeRow.deleted_at.is_(None))
    return (await tx.scalars(owned.where(*mine, ~others))).all()


async def let_go(tx: Tx, account_id: UUID) -> None:
    """Forget a deleted account, in the house's transaction.

    Should it be the last owner after all, the manager or admin who ranks highest and has been there longest follows; an
    organisation without one is deleted, and a supervisor may restore it and name an owner.
    """
    for scope_id in await _alone_in(tx, account_id):
        await lock(tx, scope_id)
        await _succeed(tx, scope_id, account_id)
    mine = select(MembershipRow).where(MembershipRow.account_id == account_id)
    await lock_all(tx, [row.scope_id for row in await tx.scalars(mine)])
    for row in (await tx.scalars(mine)).all():
        await take_out(tx, row)


async def _succeed(tx: Tx, scope_id: UUID, gone: UUID) -> None:
    heirs = select(MembershipRow).where(
        MembershipRow.scope_id == scope_id,
        MembershipRow.account_id != gone,
        MembershipRow.status == "active",
        MembershipRow.role.in_(("admin", "manager")),
    )
    heir = await tx.scalar(heirs.order_by(func.partner.rank(MembershipRow.role).desc(), MembershipRow.id).limit(1))
    if heir is None:
        await tx.execute(update(ScopeRow).where(ScopeRow.id == scope_id).values(deleted_at=now()))
        return
    heir.role = "owner"
    await tx.flush()
    await record(tx, None, "organisations.transferred", Target("account", heir.account_id, tuple(heir.path)))
