"""Who is asking: the principal that every use case takes as `who`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

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
