"""Load and permit in one step."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select

from madang.features.organisations import queries
from madang.features.organisations.contracts import (
    DELETION,
    EVERYTHING,
    FROM_ABOVE,
    PERMISSIONS,
    RANK,
    WHILE_SUSPENDED,
    Permission,
    Role,
    Scope,
)
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Forbidden, NotFound


@dataclass(frozen=True, slots=True)
class Roles:
    """The highest role that holds in a scope, and the highest that is held further up."""

    here: Role | None
    above: Role | None


async def permit(tx: Tx, who: Principal, scope_id: UUID, permission: Permission) -> Scope:
    """The scope, when `who` may do that in it.

    Raises `NotFound` for outsiders, for who is suspended there and for deleted scopes, and `Forbidden` for members
    whose role does not allow it (scope_permission) or as long as the scope is suspended (scope_suspended).
    """
    found = await load(tx, who, scope_id)
    if found.deleted_at is not None:
        raise not_found()
    return allow(found, permission)


async def load(tx: Tx, who: Principal, scope_id: UUID) -> Scope:
    """The scope as `who` sees it, one that was deleted and can still be restored too; raises `NotFound`."""
    row = await queries.standing(tx, who, scope_id)
    if row is None:
        raise not_found()
    seen = shown(row, is_supervisor=who.is_supervisor)
    if seen is None:
        raise not_found()
    return seen


async def prove_owner(tx: Tx, scope: Scope) -> None:
    """That PostgreSQL knows the caller for the scope's owner or a supervisor, too; raises `Forbidden` otherwise.

    For what then goes on in the house's name, where row-level security is no second wall.
    """
    owned = func.partner.my_roots("owner").op("&&")(list(scope.path))
    if not await tx.scalar(select(or_(func.supervisor.is_supervisor(), owned))):
        raise Forbidden("scope_permission", "Only the owner may do this here.")


def allow(scope: Scope, permission: Permission) -> Scope:
    """The scope again; raises `Forbidden` when `permission` is not among what the caller may do in it."""
    if permission in scope.permissions:
        return scope
    if scope.status == "suspended":
        detail = f"“{scope.name}” is suspended. Ask those who run it, or the person who runs this server."
        raise Forbidden("scope_suspended", detail)
    detail = f"Your role in “{scope.name}” does not allow this. Ask somebody who manages it."
    raise Forbidden("scope_permission", detail)


def permit_restoring(who: Principal, parent: Scope) -> None:
    """Let only those see what was deleted beneath a scope who could restore it; raises `Forbidden`."""
    may_above = parent.my_role is not None and PERMISSIONS[parent.my_role] >= DELETION
    if not who.is_supervisor and (parent.status == "suspended" or not may_above):
        allow(replace(parent, permissions=frozenset()), "scope.delete")


def not_found() -> NotFound:
    """The answer about every scope that is not there for the caller."""
    return NotFound("scope_not_found", "There is no such organisation, partner or class.")


def shown(row: Any, *, is_supervisor: bool) -> Scope | None:  # noqa: ANN401  # a row of queries.STANDING
    """A row of `queries.STANDING` as the account sees it; None when it sees nothing."""
    roles = roles_of(row.roles, len(row.path))
    if row.state_above == "deleted" or (roles.here is None and not is_supervisor):
        return None
    held = EVERYTHING if is_supervisor else permissions(roles, row.kind, row.state, row.state_above)
    return Scope(
        id=row.id,
        kind=row.kind,
        parent_id=row.parent_id,
        path=tuple(row.path),
        name=row.name,
        status="active" if row.state == "active" else "suspended",
        my_role=roles.here,
        permissions=held & DELETION if row.deleted_at else held,
        created_at=row.created_at,
        deleted_at=row.deleted_at,
    )


def roles_of(held: list[tuple[int, Role, str]], depth: int) -> Roles:
    """What counts of (depth, role, status): none as soon as one is suspended, else the highest."""
    if any(status == "suspended" for _, _, status in held):
        return Roles(None, None)
    ranked = sorted(held, key=lambda one: RANK[one[1]])
    above: list[Role] = [role for at, role, _ in ranked if at < depth]
    return Roles(ranked[-1][1] if ranked else None, above[-1] if above else None)


def permissions(roles: Roles, kind: str, state: str, state_above: str) -> frozenset[Permission]:
    """What somebody with these roles may do in a scope of that kind, in its state and that of the scopes above it."""
    if roles.here is None:
        return frozenset()
    from_above: frozenset[Permission] = frozenset()
    if roles.above is not None and state_above == "active":
        from_above = PERMISSIONS[roles.above] & FROM_ABOVE
    if kind == "organisation" and roles.here == "owner" and state != "suspended":
        from_above = DELETION
    own = WHILE_SUSPENDED if state == "suspended" else PERMISSIONS
    return (own[roles.here] - FROM_ABOVE) | from_above


async def chain_of(tx: Tx, account_id: UUID, wanted: UUID | None) -> tuple[UUID, ...]:
    """The scopes, from the organisation down, that what the account spends is charged to.

    Without a wish that is its only membership, and nothing when it has none or several. Raises `NotFound` when the
    account has no role in the wanted scope and `Forbidden` (scope_suspended) when that is suspended.
    """
    if wanted is not None:
        found = await permit(tx, Principal(account_id), wanted, "scope.read")
        if found.status == "suspended":
            detail = f"“{found.name}” is suspended; nothing can be charged to it. Choose another one."
            raise Forbidden("scope_suspended", detail)
        return found.path
    paths = (await tx.scalars(queries.LIVE_PATHS, {"account_id": account_id})).all()
    return tuple(paths[0]) if len(paths) == 1 else ()
