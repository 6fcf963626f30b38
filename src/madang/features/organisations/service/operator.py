"""What whoever runs the server does with organisations from the command line, in the house's transactions."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update

from madang.features.accounts.public import account_by_email
from madang.features.organisations import queries
from madang.features.organisations.contracts import Member, Place, ScopeSuspended, Status
from madang.features.organisations.service.scopes import found_for
from madang.features.organisations.tables import MembershipRow, ScopeRow
from madang.kernel.audit import Target, record
from madang.kernel.db import Tx
from madang.kernel.errors import Invalid, NotFound

_COUNT = (
    select(func.count())
    .where(MembershipRow.scope_id == ScopeRow.id)
    .correlate(ScopeRow)
    .scalar_subquery()
    .label("member_count")
)


async def places(tx: Tx, within: UUID | None) -> list[Place]:
    """Every organisation, or one with all that lies beneath it; the tree in order, what was deleted left out."""
    found = select(ScopeRow, func.partner.state_of(ScopeRow.path).label("state"), _COUNT)
    found = found.where(ScopeRow.path.contains([within]) if within else ScopeRow.parent_id.is_(None))
    rows = (await tx.execute(found.order_by(ScopeRow.path))).all()
    return [_place(row.ScopeRow, row.state, row.member_count) for row in rows if row.state != "deleted"]


async def found(tx: Tx, name: str, owner_email: str) -> Place:
    """Make an organisation for the account with that address; raises `Invalid` when there is none."""
    if not name.strip():
        raise Invalid("name_missing", "Give the organisation a name.")
    owner = await account_by_email(tx, owner_email)
    if owner is None:
        raise Invalid("account_unknown", f"There is no account with the e-mail address {owner_email}.")
    row = await tx.get_one(ScopeRow, await found_for(tx, None, name, owner.id))
    return _place(row, "active", 1)


async def set_status(tx: Tx, wanted: str, status: Status) -> Place:
    """Suspend or resume a scope, as a supervisor would; raises `NotFound` and `Invalid`."""
    row = await _one(tx, wanted)
    values = {"status": status, "suspended_by_supervisor": status == "suspended"}
    await tx.execute(update(ScopeRow).where(ScopeRow.id == row.id).values(values))
    path = tuple(row.path)
    deed = "organisations.suspended" if status == "suspended" else "organisations.resumed"
    await record(tx, None, deed, Target(row.kind, row.id, path))
    if status == "suspended":
        await tx.announce(ScopeSuspended(row.id, path))
    count = await tx.scalar(select(func.count()).where(MembershipRow.scope_id == row.id))
    return _place(row, status, count or 0)


async def members(tx: Tx, wanted: str, after: UUID | None, limit: int) -> Sequence[Member]:
    """Members of a scope in the order they joined; raises `NotFound` and `Invalid`."""
    row = await _one(tx, wanted)
    found = await queries.members(tx, row.id, sought=None, role=None, after=after, limit=limit)
    return msgspec.convert(found, list[Member])


async def place_id(tx: Tx, wanted: str) -> UUID:
    """The id of a scope that was named; raises `NotFound` and `Invalid`."""
    return (await _one(tx, wanted)).id


async def _one(tx: Tx, wanted: str) -> ScopeRow:
    """A scope by its id, or an organisation by its name."""
    standing = select(ScopeRow).where(ScopeRow.deleted_at.is_(None)).limit(2)
    try:
        query = standing.where(ScopeRow.id == UUID(wanted))
    except ValueError:
        query = standing.where(ScopeRow.parent_id.is_(None), ScopeRow.name == wanted)
    rows = (await tx.scalars(query)).all()
    if not rows:
        raise NotFound("scope_not_found", f"There is no organisation called {wanted}, and no scope with that id.")
    if len(rows) > 1:
        raise Invalid("scope_ambiguous", f"Several organisations are called {wanted}. Give the id of the one you mean.")
    return rows[0]


def _place(row: ScopeRow, state: str, member_count: int) -> Place:
    return msgspec.convert(
        {
            "id": row.id,
            "kind": row.kind,
            "name": row.name,
            "depth": len(row.path) - 1,
            "status": "active" if state == "active" else "suspended",
            "member_count": member_count,
        },
        Place,
    )
