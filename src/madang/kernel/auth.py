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
    """A signed-in account. `login_id` names the sign-in it came by, None for an account acted for by a job."""

    account_id: UUID
    is_supervisor: bool = False
    login_id: UUID | None = None


type Authenticate = Callable[["House", str], Awaitable[Principal]]
"""Takes a bearer token to its principal; raises `Unauthorized` when it is not good."""

AUTHENTICATOR: Slot[Authenticate] = Slot("authenticator")
