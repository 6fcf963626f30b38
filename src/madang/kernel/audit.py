"""The audit log: who did what to what, from where. Rows are only ever added; the application may not change them."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Uuid, insert
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from madang.kernel.auth import Principal
from madang.kernel.db import Row, Tx, created_at_column, id_column
from madang.kernel.log import request_id

LONGEST_AGENT = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from: the client's address and what it calls itself."""

    address: str = ""
    user_agent: str = ""


ORIGIN: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039  # it is frozen
"""The origin of the request that is being served; empty outside of one."""


class AuditRow(Row):
    """One deed. `scope_path` are the scopes it happened in, from the organisation down, empty for the platform's."""

    __tablename__ = "audit"
    __table_args__ = ({"schema": "supervisor"},)

    id: Mapped[UUID] = id_column()
    created_at: Mapped[datetime] = created_at_column()
    actor_id: Mapped[UUID | None]
    action: Mapped[str]
    target_kind: Mapped[str]
    target_id: Mapped[UUID | None]
    scope_path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    address: Mapped[str]
    user_agent: Mapped[str]
    request_id: Mapped[str | None]
    details: Mapped[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Target:
    """What a deed was done to: a kind such as "account", its id, and the scopes it is in."""

    kind: str
    id: UUID | None = None
    scope_path: tuple[UUID, ...] = ()


async def record(tx: Tx, who: Principal | None, action: str, target: Target, **details: object) -> None:
    """Note with this transaction that `who` (None is the house) did `action`, `feature.past_tense`, to `target`.

    `details` must be JSON-compatible and hold nothing secret.
    """
    origin = ORIGIN.get()
    row: dict[str, object] = {
        "actor_id": who.account_id if who else None,
        "action": action,
        "target_kind": target.kind,
        "target_id": target.id,
        "scope_path": list(target.scope_path),
        "address": origin.address,
        "user_agent": origin.user_agent[:LONGEST_AGENT],
        "request_id": request_id(),
        "details": msgspec.to_builtins(details),
    }
    await tx.execute(insert(AuditRow).values(row))
