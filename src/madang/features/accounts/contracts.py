"""What accounts gives and tells."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal
from uuid import UUID

type Registration = Literal["open", "invite", "closed"]
type Language = Literal["ko", "en"]
type Theme = Literal["light", "dark", "system"]


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account, without anything secret."""

    id: UUID
    email: str
    name: str
    is_supervisor: bool
    is_disabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Preferences:
    """How somebody likes Madang to be; None leaves the choice to the house."""

    language: Language | None = None
    theme: Theme = "system"
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """Where a sign-in comes from: the client's address and what it calls itself."""

    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a person holds after signing in. The refresh token works once; the access token for `expires_in`."""

    account: Account
    access_token: str
    expires_in: timedelta
    refresh_token: str
    refresh_expires_in: timedelta


@dataclass(frozen=True, slots=True)
class Setup:
    """What a visitor may do: make the first account, or register at all."""

    first_run: bool
    registration: Registration


@dataclass(frozen=True, slots=True)
class Invite:
    """A registration code's row; the code itself is known only to whom it was given."""

    id: UUID
    note: str
    max_uses: int
    used_count: int
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountRegistered:
    """Somebody has an account now."""

    name: ClassVar[str] = "accounts.registered"
    account_id: UUID


@dataclass(frozen=True, slots=True)
class AccountDeleted:
    """An account was deleted: whoever keeps something of it lets go of it now."""

    name: ClassVar[str] = "accounts.deleted"
    account_id: UUID
