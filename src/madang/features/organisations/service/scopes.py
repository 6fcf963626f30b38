"""The tree: founding, naming, suspending, deleting and restoring what is in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update

from madang.features.accounts.public import account_by_email, act_for_others
from madang.features.organisations import queries, settings
from madang.features.organisations.access import allow, load, not_found, permit, permit_restoring, shown
from madang.features.organisations.contracts import (
    CHILDREN,
    Kind,
    MemberJoined,
    Scope,
    ScopeDeleted,
    ScopeSuspended,
)
from madang.features.organisations.tables import MembershipRow, ScopeRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx, act_as_house
from madang.kernel.errors import Conflict, Forbidden, Invalid
from madang.kernel.house import House
from madang.kernel.ids import new_id

MOST_AT_ONCE = 100
"""How many deleted trees one round of the clock removes for good."""

LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:scope_id, 0))")
"""The lock that the database's own check of an organisation's owners takes too."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A scope in a list or alone, with how many members it has, None when the caller may not know."""

    scope: Scope
    member_count: int | None


def target(scope: Scope) -> Target:
    """The scope as the audit log names it."""
    return Target(scope.kind, scope.id, scope.path)


async def lock(tx: Tx, scope_id: UUID) -> None:
    """Let one transaction at a time decide about the members of a scope."""
    await tx.execute(LOCK, {"scope_id": str(scope_id)})


def _grace() -> timedelta:
    return timedelta(days=settings.load().scope_grace_days)


def removal_at(scope: Scope) -> datetime | None:
    """Until when a deleted scope can be restored; None for one that stands."""
    return scope.deleted_at and scope.deleted_at + _grace()


async def listed(tx: Tx, who: Principal, wanted: queries.Wanted) -> list[Listed]:
    """The organisations that the caller belongs to, all for a supervisor, the oldest first."""
    return await _counted(tx, who, await queries.organisations(tx, who, wanted))


async def children(tx: Tx, who: Principal, scope_id: UUID, wanted: queries.Wanted) -> list[Listed]:
    """What lies directly beneath a scope, the oldest first.

    Raises `NotFound`, and `Forbidden` when what was deleted is wanted by somebody who could not restore it.
    """
    parent = await permit(tx, who, scope_id, "scope.read")
    if wanted.deleted_since is not None:
        permit_restoring(who, parent)
    return await _counted(tx, who, await queries.children(tx, who, parent.id, wanted))


def restorable_since() -> datetime:
    """What was deleted later than this can still be restored."""
    return now() - _grace()


async def one(tx: Tx, who: Principal, scope_id: UUID) -> Listed:
    """One scope; raises `NotFound`."""
    found = await permit(tx, who, scope_id, "scope.read")
    return (await with_counts(tx, [found]))[0]


async def _counted(tx: Tx, who: Principal, rows: Sequence[Any]) -> list[Listed]:
    seen = [shown(row, is_supervisor=who.is_supervisor) for row in rows]
    return await with_counts(tx, [scope for scope in seen if scope is not None])


async def with_counts(tx: Tx, scopes: list[Scope]) -> list[Listed]:
    """The scopes with the numbers of their members where the caller may read those."""
    countable = [scope.id for scope in scopes if "members.read" in scope.permissions]
    counts = await queries.member_counts(tx, countable) if countable else {}
    return [Listed(scope, counts.get(scope.id, 0) if scope.id in countable else None) for scope in scopes]


async def found(house: House, who: Principal, name: str, owner_email: str | None) -> Listed:
    """Make an organisation; the caller owns it, or the account that a supervisor names.

    Raises `Forbidden` when only supervisors found organisations, and `Invalid` for an unknown owner.
    """
    if not who.is_supervisor and (settings.load().organisations != "open" or owner_email):
        detail = "Only a supervisor may do this. Ask the person who runs this server."
        raise Forbidden("supervisor_only", detail)
    async with house.db.transaction(who) as tx:
        await act_for_others(tx, who)
        await act_as_house(tx)
        owner_id = await _owner(tx, who, owner_email)
        made = await found_for(tx, who, name, owner_id)
        return (await with_counts(tx, [await load(tx, who, made)]))[0]


async def _owner(tx: Tx, who: Principal, email: str | None) -> UUID:
    if not email:
        return who.account_id
    account = await account_by_email(tx, email)
    if account is None:
        raise Invalid(
            "account_unknown", "There is no account with this e-mail address. Ask the person to register first."
        )
    return account.id


async def found_for(tx: Tx, who: Principal | None, name: str, owner_id: UUID) -> UUID:
    """An organisation with its first owner, in the house's transaction: nobody belongs to it yet. Returns its id."""
    id_ = new_id()
    row = ScopeRow(id=id_, kind="organisation", path=[id_], name=name.strip(), created_by=who and who.account_id)
    tx.add(row)
    await tx.flush()
    tx.add(MembershipRow(scope_id=id_, path=[id_], account_id=owner_id, role="owner", source="founder"))
    await tx.flush()
    await record(tx, who, "organisations.created", Target("organisation", id_, (id_,)), name=row.name)
    await tx.announce(MemberJoined(id_, (id_,), owner_id, "owner"))
    return id_


async def create_child(tx: Tx, who: Principal, parent_id: UUID, kind: Kind, name: str) -> Listed:
    """Make a partner or a class beneath a scope; raises `NotFound`, `Forbidden` and `Invalid`."""
    parent = await permit(tx, who, parent_id, "children.create")
    if kind not in CHILDREN[parent.kind]:
        raise Invalid("scope_misplaced", f"A {kind} cannot lie beneath a {parent.kind}. Choose another kind or place.")
    id_ = new_id()
    row = ScopeRow(
        id=id_,
        kind=kind,
        parent_id=parent.id,
        path=[*parent.path, id_],
        name=name.strip(),
        created_by=who.account_id,
    )
    tx.add(row)
    await tx.flush()
    made = await load(tx, who, id_)
    await record(tx, who, "organisations.created", target(made), name=made.name)
    return Listed(made, 0 if "members.read" in made.permissions else None)


async def rename(tx: Tx, who: Principal, scope_id: UUID, name: str) -> Listed:
    """Give a scope another name; raises `NotFound` and `Forbidden`."""
    scope = await permit(tx, who, scope_id, "scope.change")
    await _change(tx, scope, name=name.strip())
    await record(tx, who, "organisations.renamed", target(scope), before=scope.name, after=name.strip())
    return (await with_counts(tx, [replace(scope, name=name.strip())]))[0]


async def suspend(tx: Tx, who: Principal, scope_id: UUID) -> Listed:
    """Halt a scope and all that lies beneath; raises `NotFound` and `Forbidden`. Twice is no harm.

    A supervisor's suspension is only a supervisor's to take back.
    """
    scope = await permit(tx, who, scope_id, "scope.suspend")
    by_supervisor = {"suspended_by_supervisor": True} if who.is_supervisor else {}
    await _change(tx, scope, status="suspended", **by_supervisor)
    await record(tx, who, "organisations.suspended", target(scope))
    await tx.announce(ScopeSuspended(scope.id, scope.path))
    return await one(tx, who, scope_id)


async def resume(tx: Tx, who: Principal, scope_id: UUID) -> Listed:
    """Let a suspended scope go on; raises `NotFound` and `Forbidden`."""
    scope = await permit(tx, who, scope_id, "scope.suspend")
    row = await queries.standing(tx, who, scope_id)
    if row.suspended_by_supervisor and not who.is_supervisor:
        raise Forbidden("suspended_by_supervisor", "A supervisor suspended this. Ask the person who runs this server.")
    await _change(tx, scope, status="active", suspended_by_supervisor=False)
    await record(tx, who, "organisations.resumed", target(scope))
    return await one(tx, who, scope_id)


async def remove(tx: Tx, who: Principal, scope_id: UUID) -> None:
    """Delete a scope with all that lies beneath; it can be restored until its days have passed.

    Raises `NotFound` and `Forbidden`.
    """
    scope = await permit(tx, who, scope_id, "scope.delete")
    await _change(tx, scope, deleted_at=now())
    await record(tx, who, "organisations.deleted", target(scope), name=scope.name)


async def restore(tx: Tx, who: Principal, scope_id: UUID) -> Listed:
    """Take a deletion back; raises `NotFound`, `Forbidden`, and `Conflict` when nothing was deleted."""
    scope = allow(await load(tx, who, scope_id), "scope.delete")
    if scope.deleted_at is None:
        raise Conflict("scope_not_deleted", "This was not deleted; there is nothing to restore.")
    await _change(tx, scope, deleted_at=None)
    await record(tx, who, "organisations.restored", target(scope))
    return await one(tx, who, scope_id)


async def _change(tx: Tx, scope: Scope, **values: object) -> None:
    """Write to the scope's row; `NotFound` when row-level security does not let the caller."""
    changed = await tx.execute(
        update(ScopeRow).where(ScopeRow.id == scope.id).values(values).returning(ScopeRow.id),
        execution_options={"synchronize_session": False},
    )
    if changed.first() is None:
        raise not_found()


async def purge(house: House) -> int:
    """Remove for good what was deleted longer ago than the grace, the deepest first; returns how many scopes went."""
    limit = restorable_since()
    due = select(ScopeRow.id).where(ScopeRow.deleted_at <= limit).order_by(ScopeRow.deleted_at).limit(MOST_AT_ONCE)
    removed = 0
    async with house.db.transaction() as tx:
        ids = (await tx.scalars(due)).all()
    for scope_id in ids:
        async with house.db.transaction() as tx:
            removed += await _remove_for_good(tx, scope_id, limit)
    return removed


async def _remove_for_good(tx: Tx, scope_id: UUID, limit: object) -> int:
    still = select(ScopeRow.id).where(ScopeRow.id == scope_id, ScopeRow.deleted_at <= limit).with_for_update()
    if await tx.scalar(still) is None:
        return 0
    within = select(ScopeRow.id, ScopeRow.kind, ScopeRow.path).where(ScopeRow.path.contains([scope_id]))
    tree = (await tx.execute(within.order_by(func.cardinality(ScopeRow.path).desc()))).all()
    await tx.execute(delete(ScopeRow).where(ScopeRow.id == scope_id))
    for row in tree:
        await tx.announce(ScopeDeleted(row.id, tuple(row.path)))
        await record(tx, None, "organisations.removed_for_good", Target(row.kind, row.id, tuple(row.path)))
    return len(tree)
