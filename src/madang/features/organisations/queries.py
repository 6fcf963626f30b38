"""Long reads: scopes as somebody sees them, members, invites."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, any_, bindparam, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import JSONB

from madang.features.organisations.contracts import Role, Status
from madang.features.organisations.tables import InviteRow, MembershipRow, ScopeRow
from madang.kernel.auth import Principal
from madang.kernel.db import Tx

type Standing = Any
"""A select of scopes and how they stand; its columns are read by name."""

_account = bindparam("account_id", type_=Uuid())
_on_the_way = (MembershipRow.account_id == _account, MembershipRow.scope_id == any_(ScopeRow.path))
_roles = (
    select(
        func.coalesce(
            func.jsonb_agg(
                func.jsonb_build_array(func.cardinality(MembershipRow.path), MembershipRow.role, MembershipRow.status)
            ),
            literal_column("'[]'", JSONB),
        )
    )
    .where(*_on_the_way)
    .correlate(ScopeRow)
    .scalar_subquery()
)
STANDING: Standing = select(
    ScopeRow.id,
    ScopeRow.kind,
    ScopeRow.parent_id,
    ScopeRow.path,
    ScopeRow.name,
    ScopeRow.created_at,
    ScopeRow.deleted_at,
    ScopeRow.suspended_by_supervisor,
    func.partner.state_of(ScopeRow.path).label("state"),
    func.partner.state_of(ScopeRow.parent_path).label("state_above"),
    _roles.label("roles"),
)
"""Scopes, how they stand, and the roles of the account `account_id` on the way down to each: all that a check needs."""

ONE_STANDING = STANDING.where(ScopeRow.id == bindparam("scope_id", type_=Uuid()))

LIVE_PATHS = text(
    """
    SELECT m.path FROM partner.memberships m
    WHERE m.account_id = :account_id AND m.status = 'active' AND partner.state_of(m.path) = 'active'
        AND NOT EXISTS (SELECT FROM partner.memberships b
            WHERE b.account_id = :account_id AND b.status = 'suspended' AND b.scope_id = ANY (m.path))
    LIMIT 2
    """
)
MEMBERS = text("SELECT partner.members_of(:scope_id, :sought, :of_role, :after, :at_most)")
MY_MEMBERSHIPS = text("SELECT partner.my_memberships()")
RANK_OF = text("SELECT partner.rank_of(:account_id, :path)")


async def standing(tx: Tx, who: Principal, scope_id: UUID) -> Any:  # noqa: ANN401  # a row of STANDING
    """The row of `STANDING` of one scope, None when there is none."""
    return (await tx.execute(ONE_STANDING, {"scope_id": scope_id, "account_id": who.account_id})).one_or_none()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of many scopes: with `sought` in the name, and later than `after`, at most `limit` of them.

    Those that stand, or with `deleted_since` those that were deleted later than that.
    """

    limit: int
    after: UUID | None = None
    sought: str | None = None
    deleted_since: datetime | None = None


async def organisations(tx: Tx, who: Principal, wanted: Wanted) -> Sequence[Any]:
    """Rows of `STANDING` of organisations: those the caller is a member of, all for a supervisor; the oldest first.

    Of the deleted ones only those that they owned.
    """
    query = STANDING.where(ScopeRow.parent_id.is_(None))
    if not who.is_supervisor:
        mine = select(MembershipRow.scope_id).where(_mine("active"))
        owned = mine.where(MembershipRow.role == "owner")
        query = query.where(ScopeRow.id.in_(owned if wanted.deleted_since else mine))
    return await _page(tx, who, query, wanted)


async def children(tx: Tx, who: Principal, parent_id: UUID, wanted: Wanted) -> Sequence[Any]:
    """Rows of `STANDING` of what lies directly beneath a scope, the oldest first."""
    query = STANDING.where(ScopeRow.parent_id == parent_id)
    if not who.is_supervisor:
        query = query.where(ScopeRow.id.not_in(select(MembershipRow.scope_id).where(_mine("suspended"))))
    return await _page(tx, who, query, wanted)


def _mine(status: Status) -> ColumnElement[bool]:
    return and_(MembershipRow.account_id == _account, MembershipRow.status == status)


async def _page(tx: Tx, who: Principal, query: Standing, wanted: Wanted) -> Sequence[Any]:
    since = wanted.deleted_since
    query = query.where(ScopeRow.deleted_at > since if since else ScopeRow.deleted_at.is_(None))
    if wanted.after is not None:
        query = query.where(ScopeRow.id > wanted.after)
    if wanted.sought:
        query = query.where(ScopeRow.name.icontains(wanted.sought, autoescape=True))
    return (await tx.execute(query.order_by(ScopeRow.id).limit(wanted.limit), {"account_id": who.account_id})).all()


async def member_counts(tx: Tx, scope_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many members the scopes have, as far as the caller may read them."""
    counted = select(MembershipRow.scope_id, func.count()).where(MembershipRow.scope_id.in_(scope_ids))
    return {row[0]: row[1] for row in await tx.execute(counted.group_by(MembershipRow.scope_id))}


async def members(
    tx: Tx, scope_id: UUID, *, sought: str | None, role: Role | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Members of a scope in the order they joined, with `sought` in name or e-mail address."""
    values = {"scope_id": scope_id, "sought": sought or None, "of_role": role, "after": after, "at_most": limit}
    return list(await tx.scalar(MEMBERS, values))


async def my_memberships(tx: Tx) -> list[dict[str, Any]]:
    """The caller's memberships, with the names of the scopes above each."""
    return list(await tx.scalar(MY_MEMBERSHIPS))


async def rank_of(tx: Tx, account_id: UUID, path: Sequence[UUID]) -> int:
    """The highest rank that somebody has on the way down `path`, 0 for none or if the caller manages nothing there."""
    return int(await tx.scalar(RANK_OF, {"account_id": account_id, "path": list(path)}) or 0)


async def invites(tx: Tx, scope_id: UUID, *, pending: bool, after: UUID | None, limit: int) -> Sequence[InviteRow]:
    """Invites of a scope, the newest first; `pending` leaves out what is used up, revoked or expired."""
    wanted = select(InviteRow).where(InviteRow.scope_id == scope_id).order_by(InviteRow.id.desc()).limit(limit)
    if after is not None:
        wanted = wanted.where(InviteRow.id < after)
    if pending:
        wanted = wanted.where(
            InviteRow.revoked_at.is_(None),
            InviteRow.expires_at > func.now(),
            InviteRow.used_count < InviteRow.max_uses,
        )
    return (await tx.scalars(wanted)).all()


async def scope_names(tx: Tx, scope_ids: Sequence[UUID]) -> dict[UUID, str]:
    """What those of the scopes are called that the caller may see."""
    rows = await tx.execute(select(ScopeRow.id, ScopeRow.name).where(ScopeRow.id.in_(scope_ids)))
    return {row.id: row.name for row in rows}


async def stewards(tx: Tx, path: Sequence[UUID]) -> Sequence[UUID]:
    """The accounts that may change budgets in the scope at the end of `path`: owners and admins there or above."""
    holding = select(MembershipRow.account_id).where(MembershipRow.scope_id.in_(path), MembershipRow.status == "active")
    return (await tx.scalars(holding.where(MembershipRow.role.in_(("owner", "admin"))).distinct())).all()
