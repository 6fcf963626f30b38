"""What health says, what the audit log tells, and what fails."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

type ServiceState = Literal["healthy", "unavailable"]


class Services(BaseModel):
    """Each part that answers need."""

    database: ServiceState
    valkey: ServiceState
    worker: ServiceState
    models: ServiceState


class Health(BaseModel):
    """The whole: "healthy" when every service is. Strangers are told no more than that."""

    status: Literal["healthy", "degraded"]
    version: str | None = None
    environment: str | None = None
    services: Services | None = None


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which deeds to read; None and "" mean any.

    `action` and `address` are beginnings, `text` is looked for in everything a deed says and in its actor's name and
    e-mail address. From `since` on, before `until`.
    """

    scope_id: UUID | None = None
    actor_id: UUID | None = None
    action: str = ""
    target_id: UUID | None = None
    address: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """Who did what to what, from where, in which scopes. Without an actor it was the house or a visitor."""

    id: UUID
    created_at: datetime
    actor_id: UUID | None
    actor_name: str | None
    action: str
    target_kind: str
    target_id: UUID | None
    scope_path: list[UUID]
    address: str
    user_agent: str
    request_id: str | None
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class Failing:
    """An event or a job that failed: how often, why the last time, and when it is tried next or was set aside."""

    id: UUID
    kind: Literal["event", "job"]
    name: str
    attempts: int
    last_error: str | None
    created_at: datetime
    due_at: datetime
    dead_at: datetime | None
    request_id: str | None
