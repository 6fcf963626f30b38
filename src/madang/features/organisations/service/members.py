"""Who is what where: looking, changing, suspending, removing and leaving."""

from uuid import UUID

import msgspec
from sqlalchemy import delete, select, update

from madang.features.organisations import queries
from madang.features.organisations.access import not_found, permit
from madang.features.organisations.contracts import RANK, Member, MemberJoined, Membership, Role, Scope, Status
from madang.features.organisations.service.joining import member_of, shown_member, take_out
from madang.features.organisations.service.ownership import keep_an_owner
from madang.features.organisations.service.scopes import lock
from madang.features.organisations.tables import MembershipRow, RedemptionRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, Forbidden, Invalid, NotFound

SUPERVISOR_RANK = 6


async def listed(
    tx: Tx, who: Principal, scope_id: UUID, *, sought: str | None, role: Role | None, after: UUID | None, limit: int
) -> list[Member]:
    """Members of a scope itself in the order they joined; raises `NotFound` and `Forbidden`."""
    scope = await permit(tx, who, scope_id, "members.read")
    found = await queries.members(tx, scope.id, sought=sought, role=role, after=after, limit=limit)
    return msgspec.convert(found, list[Member])


async def mine(tx: Tx) -> list[Membership]:
    """The caller's memberships, the oldest first."""
    return msgspec.convert(await queries.my_memberships(tx), list[Membership])


def rank(who: Principal, scope: Scope) -> int:
    """The caller's rank in a scope; supervisors rank above owners."""
    if who.is_supervisor:
        return SUPERVISOR_RANK
    return RANK[scope.my_role] if scope.my_role else 0


def permit_grant(who: Principal, scope: Scope, role: Role) -> None:
    """Whether the caller may give `role` in the scope: only what ranks below oneself; raises `Forbidden`, `Invalid`."""
    if RANK[role] >= rank(who, scope):
        raise Forbidden("rank_too_high", f"You can give only roles below your own. Ask somebody above to give {role}.")
    if role == "owner" and scope.kind != "organisation":
        raise Invalid(
            "owners_own_organisations", f"Only an organisation has owners. Choose admin for this {scope.kind}."
        )


async def change(
    tx: Tx, who: Principal, scope_id: UUID, member_id: UUID, *, role: Role | None, status: Status | None
) -> Member:
    """Give a member another role, or suspend or readmit them.

    Raises `NotFound`, `Forbidden` (scope_permission, rank_too_high) and `Conflict` (last_owner, owner_not_suspended).
    """
    await lock(tx, scope_id)
    scope = await permit(tx, who, scope_id, "members.manage")
    row = await _below(tx, who, scope, member_id)
    before = {"role": row.role, "status": row.status}
    wanted = msgspec.convert({"role": role or row.role, "status": status or row.status}, _Standing)
    permit_grant(who, scope, wanted.role)
    if wanted.role == "owner" and wanted.status == "suspended":
        detail = "An owner cannot be suspended. Give them another role first."
        raise Conflict("owner_not_suspended", detail)
    if row.role == "owner" and wanted.role != "owner":
        await keep_an_owner(tx, scope.id, row.account_id)
    await _write(tx, row.id, wanted.role, wanted.status)
    target = Target("account", row.account_id, scope.path)
    after = {"role": wanted.role, "status": wanted.status}
    await record(tx, who, "organisations.member_changed", target, before=before, after=after)
    if wanted.role != before["role"]:
        await tx.announce(MemberJoined(scope.id, scope.path, row.account_id, wanted.role))
    return await shown_member(tx, scope.id, member_id)


class _Standing(msgspec.Struct):
    role: Role
    status: Status


async def remove(tx: Tx, who: Principal, scope_id: UUID, member_id: UUID) -> None:
    """Take somebody out of a scope; the codes that brought them do not bring them back.

    Raises `NotFound`, `Forbidden` and `Conflict` (last_owner).
    """
    await lock(tx, scope_id)
    scope = await permit(tx, who, scope_id, "members.manage")
    row = await _below(tx, who, scope, member_id)
    if row.role == "owner":
        await keep_an_owner(tx, scope.id, row.account_id)
    await take_out(tx, row)
    details = {"role": row.role}
    await record(tx, who, "organisations.member_removed", Target("account", row.account_id, scope.path), **details)


async def leave(tx: Tx, who: Principal, scope_id: UUID) -> None:
    """Give up one's own role in a scope; raises `NotFound`, and `Conflict` for the last owner."""
    own = MembershipRow.account_id == who.account_id
    await lock(tx, scope_id)
    row = await tx.scalar(select(MembershipRow).where(MembershipRow.scope_id == scope_id, own))
    if row is None:
        raise not_found()
    if row.status == "suspended":
        raise Forbidden("membership_suspended", "You are suspended here. Ask those who run it.")
    if row.role == "owner":
        await keep_an_owner(tx, scope_id, who.account_id)
    await take_out(tx, row)
    used = (RedemptionRow.account_id == who.account_id, RedemptionRow.scope_id == scope_id)
    await tx.execute(delete(RedemptionRow).where(*used))
    await record(
        tx, who, "organisations.member_left", Target("account", who.account_id, tuple(row.path)), role=row.role
    )


async def _below(tx: Tx, who: Principal, scope: Scope, member_id: UUID) -> MembershipRow:
    """A member of the scope, whose members are locked, who ranks below the caller; raises as `change` does."""
    row = await member_of(tx, scope.id, member_id)
    theirs = max(RANK[msgspec.convert(row.role, Role)], await queries.rank_of(tx, row.account_id, scope.path))
    if theirs >= rank(who, scope):
        detail = "This person's role is not below yours, here or further up. Ask somebody above."
        raise Forbidden("rank_too_high", detail)
    return row


async def _write(tx: Tx, member_id: UUID, role: Role, status: Status) -> None:
    statement = update(MembershipRow).where(MembershipRow.id == member_id).values(role=role, status=status)
    written = await tx.execute(statement.returning(MembershipRow.id), execution_options={"synchronize_session": False})
    if written.first() is None:
        raise NotFound("member_not_found", "There is no such member; they may have left.")
