"""Who is asking: the principal that every use case takes as `who`."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from madang.kernel.errors import Forbidden
from madang.kernel.module import Slot

if TYPE_CHECKING:
    from madang.kernel.house import House


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in account, or one that an API key or a job acts for.

    `login_id` names the sign-in it came by and `key_id` the API key; both are None for a job. `allowed` are the
    permissions that an API key is limited to, None when there is no such limit.
    """

    account_id: UUID
    is_supervisor: bool = False
    login_id: UUID | None = None
    key_id: UUID | None = None
    allowed: frozenset[str] | None = None


type Authenticate = Callable[["House", str], Awaitable[Principal]]
"""Takes a bearer token to its principal; raises `Unauthorized` when it is not good."""

AUTHENTICATOR: Slot[Authenticate] = Slot("authenticator")

type Limit = Callable[["House", Principal, str], Awaitable[list[tuple[bytes, bytes]]]]
"""Counts a request under a policy, the route's `x-rate-limit` or "requests", and returns headers that say what is left.

Raises `TooMany` when it is one too many.
"""

LIMITER: Slot[Limit] = Slot("limiter")

type FindEnded = Callable[["House", Collection[Principal]], Awaitable[set[Principal]]]
"""Finds those whose sign-in, key or account has ended since they were let in."""

STANDING: Slot[FindEnded] = Slot("standing")

type Confirmed = Callable[["House", Principal], Awaitable[None]]
"""Raises `Forbidden` unless the person proved themselves in this sign-in a short while ago."""

REAUTHENTICATION: Slot[Confirmed] = Slot("reauthentication")
"""Asked by every route that writes a credential or hands over power; see `kernel.http.Reauthenticated`."""

SUPERVISING = "supervisor"
"""The permission with which a supervisor's key has the supervisor's powers; without it the key is a plain user's."""

BEYOND_KEYS = frozenset({"auth", "users"})
"""Tags of routes that no API key reaches, whatever it is granted: signing in, passwords, keys, people's accounts."""


def permission(tag: str, *, is_reading: bool) -> str:
    """What a key needs for the routes of a tag, such as `chat:read` or `chat:write`."""
    return f"{tag}:{'read' if is_reading else 'write'}"


def permit_key(who: Principal, wanted: str | None) -> None:
    """Let a key do only what it is allowed; raises `Forbidden` (key_not_allowed). Whoever signed in passes always.

    `wanted` is None for what no key may do.
    """
    if who.allowed is None:
        return
    if wanted is None or is_beyond_keys(wanted):
        raise Forbidden("key_not_allowed", "No API key can do this. Sign in.")
    if wanted not in who.allowed:
        detail = f"This API key may not do this; it would need the permission {wanted}. Make a key that has it."
        raise Forbidden("key_not_allowed", detail)


def is_beyond_keys(wanted: str) -> bool:
    """Whether no key can have the permission."""
    return wanted.partition(":")[0] in BEYOND_KEYS
