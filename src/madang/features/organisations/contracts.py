"""What organisations gives and tells: scopes, roles, and what each role may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal
from uuid import UUID

from madang.kernel.module import Slot

if TYPE_CHECKING:
    from madang.kernel.house import House

type LimitDirectory = Callable[["House", UUID, int], Awaitable[list[tuple[bytes, bytes]]]]
"""Counts a request of a directory's token, of so many a minute, and returns headers that say what is left.

Raises `TooMany` when it is one too many.
"""

DIRECTORY_LIMITER: Slot[LimitDirectory] = Slot("organisations.directory_limiter")

type Kind = Literal["organisation", "partner", "class"]
type Role = Literal["owner", "admin", "manager", "instructor", "student"]
type Status = Literal["active", "suspended"]
type Permission = Literal[
    "scope.read",
    "scope.change",
    "scope.suspend",
    "scope.delete",
    "scope.transfer",
    "children.create",
    "members.read",
    "members.manage",
    "invites.manage",
    "budgets.read",
    "budgets.manage",
    "usage.read",
    "audit.read",
    "provisioning.manage",
]

RANK: dict[Role, int] = {"student": 1, "instructor": 2, "manager": 3, "admin": 4, "owner": 5}
"""One grants, changes, suspends and removes only what ranks below oneself. SQL knows it as `partner.rank`."""

RUNNING: frozenset[Role] = frozenset({"owner", "admin"})
"""Roles that are given only by who proved themselves a short while ago."""

STUDENT: frozenset[Permission] = frozenset({"scope.read"})
INSTRUCTOR: frozenset[Permission] = frozenset({"scope.read", "members.read"})
_MANAGING: frozenset[Permission] = frozenset(
    {
        "scope.change",
        "scope.suspend",
        "children.create",
        "members.manage",
        "invites.manage",
        "budgets.read",
        "usage.read",
        "audit.read",
    }
)
MANAGER: frozenset[Permission] = INSTRUCTOR | _MANAGING
DELETION: frozenset[Permission] = frozenset({"scope.delete"})
_RUNNING: frozenset[Permission] = frozenset({"budgets.manage", "provisioning.manage"})
ADMIN: frozenset[Permission] = MANAGER | DELETION | _RUNNING
_TRANSFER: frozenset[Permission] = frozenset({"scope.transfer"})
OWNER: frozenset[Permission] = ADMIN | _TRANSFER

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    "student": STUDENT,
    "instructor": INSTRUCTOR,
    "manager": MANAGER,
    "admin": ADMIN,
    "owner": OWNER,
}
"""What a role may do in its scope and everywhere beneath it."""

FROM_ABOVE: frozenset[Permission] = frozenset({"scope.suspend", "scope.delete"})
"""What is done to a scope by those above it: the role must be held further up. Nobody stands above an organisation but
supervisors; its owner may delete it all the same."""

WHILE_SUSPENDED: dict[Role, frozenset[Permission]] = {
    "student": STUDENT,
    "instructor": STUDENT,
    "manager": STUDENT,
    "admin": STUDENT,
    "owner": frozenset({"scope.read", "members.read", "budgets.read", "usage.read", "audit.read"}),
}
"""What is left in a suspended scope: to see that it is there, and to its owner all reading."""

EVERYTHING: frozenset[Permission] = OWNER
"""Supervisors may everything."""

CHILDREN: dict[Kind, frozenset[Kind]] = {
    "organisation": frozenset({"partner", "class"}),
    "partner": frozenset({"class"}),
    "class": frozenset(),
}
"""What may lie directly beneath what."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A place in the tree as one person sees it.

    `path` are the scopes from the organisation down to this one. `my_role` is the highest that holds here, None for a
    supervisor without one. `status` is "suspended" too when a scope above is. When it was deleted, all that is left to
    do is to take that back.
    """

    id: UUID
    kind: Kind
    parent_id: UUID | None
    path: tuple[UUID, ...]
    name: str
    status: Status
    my_role: Role | None
    permissions: frozenset[Permission]
    created_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A scope as the operator lists it; `depth` is 0 for an organisation."""

    id: UUID
    kind: Kind
    name: str
    depth: int
    status: Status
    member_count: int


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a scope, as those see them who may read its members."""

    id: UUID
    account_id: UUID
    email: str
    name: str
    role: Role
    status: Status
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """One's own role somewhere. `names` are those of the scopes on the path, from the organisation down."""

    id: UUID
    scope_id: UUID
    kind: Kind
    name: str
    path: tuple[UUID, ...]
    names: tuple[str, ...]
    role: Role
    status: Status
    scope_status: Status
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Invite:
    """A code's row; the code itself is known only to those it was given to."""

    id: UUID
    scope_id: UUID
    role: Role
    email: str | None
    note: str
    max_uses: int
    used_count: int
    expires_at: datetime
    revoked_at: datetime | None
    sent_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """What a visitor with a code is told before they take it: where it leads, and as what."""

    scope_id: UUID
    kind: Kind
    name: str
    role: Role
    expires_at: datetime
    is_for_one: bool


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """Somebody has a role in a scope now, or another one."""

    name: ClassVar[str] = "organisations.member_joined"
    scope_id: UUID
    scope_path: tuple[UUID, ...]
    account_id: UUID
    role: Role


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """Somebody left a scope or was removed from it."""

    name: ClassVar[str] = "organisations.member_left"
    scope_id: UUID
    scope_path: tuple[UUID, ...]
    account_id: UUID


@dataclass(frozen=True, slots=True)
class ScopeSuspended:
    """Nothing works in the scope and beneath it any more, until it is resumed."""

    name: ClassVar[str] = "organisations.scope_suspended"
    scope_id: UUID
    scope_path: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class ScopeDeleted:
    """A scope is gone for good: whoever keeps something of it lets go of it now. Told for each scope of a subtree."""

    name: ClassVar[str] = "organisations.scope_deleted"
    scope_id: UUID
    scope_path: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class ScimToken:
    """What lets another system manage people here; the token itself is known only to it."""

    id: UUID
    name: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ScimGroup:
    """A group that another system named, and the role that its members have in a scope, if it gives any."""

    id: UUID
    display_name: str
    member_count: int
    scope_id: UUID | None
    role: Role | None
