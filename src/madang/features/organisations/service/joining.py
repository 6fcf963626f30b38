"""Becoming a member, and ceasing to be one: what every way in and out has in common."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import delete, exists, select

from madang.features.accounts.public import Grant
from madang.features.organisations import queries
from madang.features.organisations.contracts import RANK, Member, MemberJoined, MemberLeft, Role
from madang.features.organisations.service.scopes import lock
from madang.features.organisations.tables import MembershipRow, ScopeRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Place:
    """A role, and where it comes from, such as "invite" or "oidc:school"."""

    role: Role
    source: str


async def enrol(tx: Tx, account_id: UUID, scope: ScopeRow, place: Place, member: MembershipRow | None) -> None:
    """Make somebody a member, or give a member another role, in the house's transaction that permitted it."""
    if member is None:
        row = MembershipRow(scope_id=scope.id, path=scope.path, account_id=account_id)
        row.role, row.source = place.role, place.source
        tx.add(row)
    else:
        member.role, member.source = place.role, place.source
    await tx.flush()
    target = Target("account", account_id, tuple(scope.path))
    details = {"role": place.role, "source": place.source}
    await record(tx, Principal(account_id), "organisations.member_joined", target, **details)
    await tx.announce(MemberJoined(scope.id, tuple(scope.path), account_id, place.role))


async def apply_grants(tx: Tx, account_id: UUID, source: str, grants: Sequence[Grant]) -> None:
    """Let a source such as "oidc:school" decide about its own memberships of an account, in the house's transaction.

    A role it grants is taken over when nobody gave a higher one; a role it gave and no longer grants ends. Owners,
    suspended members and unknown scopes are passed over.
    """
    wanted = {grant.scope_id: msgspec.convert(grant.role, Role) for grant in grants if grant.role in RANK}
    own = MembershipRow.account_id == account_id
    theirs = await tx.scalars(select(MembershipRow.scope_id).where(own, MembershipRow.source == source))
    await lock_all(tx, {*wanted, *theirs})
    scopes = {row.id: row for row in await tx.scalars(select(ScopeRow).where(ScopeRow.id.in_(wanted)))}
    held = {row.scope_id: row for row in await tx.scalars(select(MembershipRow).where(own))}
    for scope_id, role in wanted.items():
        member, scope = held.get(scope_id), scopes.get(scope_id)
        if scope is not None and role != "owner" and _may_take_over(member, source, role):
            await enrol(tx, account_id, scope, Place(role, source), member)
    for row in held.values():
        if row.source == source and row.scope_id not in wanted and row.status == "active" and row.role != "owner":
            await take_out(tx, row)
            target = Target("account", account_id, tuple(row.path))
            await record(tx, None, "organisations.member_removed", target, role=row.role, source=source)


def _may_take_over(member: MembershipRow | None, source: str, role: Role) -> bool:
    if member is None:
        return True
    if member.status == "suspended" or member.role == "owner":
        return False
    is_own = member.source == source and member.role != role
    return is_own or RANK[msgspec.convert(member.role, Role)] < RANK[role]


async def lock_all(tx: Tx, scope_ids: Collection[UUID]) -> None:
    """As `scopes.lock` for each, in one order, before the members of several scopes are decided about."""
    for scope_id in sorted(scope_ids):
        await lock(tx, scope_id)


async def take_out(tx: Tx, row: MembershipRow) -> None:
    """End a membership; whoever calls has permitted it."""
    await tx.execute(
        delete(MembershipRow).where(MembershipRow.id == row.id), execution_options={"synchronize_session": False}
    )
    await tx.announce(MemberLeft(row.scope_id, tuple(row.path), row.account_id))


async def belongs(tx: Tx, organisation_id: UUID, account_id: UUID) -> bool:
    """Whether an account is a member of an organisation or of anything beneath it, in the house's transaction."""
    here = (MembershipRow.account_id == account_id, MembershipRow.path.contains([organisation_id]))
    return bool(await tx.scalar(select(exists().where(*here))))


async def member_of(tx: Tx, scope_id: UUID, member_id: UUID) -> MembershipRow:
    """A member of the scope itself; raises `NotFound`."""
    query = select(MembershipRow).where(MembershipRow.scope_id == scope_id, MembershipRow.id == member_id)
    row = await tx.scalar(query.execution_options(populate_existing=True))
    if row is None:
        raise NotFound("member_not_found", "There is no such member; they may have left.")
    return row


async def shown_member(tx: Tx, scope_id: UUID, member_id: UUID) -> Member:
    """A member as those see them who may read members."""
    page = await queries.members(tx, scope_id, sought=None, role=None, after=UUID(int=member_id.int - 1), limit=1)
    return msgspec.convert(page[0], Member)
