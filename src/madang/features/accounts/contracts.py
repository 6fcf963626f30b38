"""What accounts gives and tells."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal
from uuid import UUID

from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.jobs import JobKind
from madang.kernel.module import Slot

if TYPE_CHECKING:
    from madang.kernel.house import House

type Registration = Literal["open", "invite", "closed"]
type Language = Literal["ko", "en"]
type Letter = Literal[
    "verification",
    "password_reset",
    "already_registered",
    "password_changed",
    "email_change",
    "address_taken",
    "email_changed",
    "totp_enabled",
    "totp_disabled",
    "recovery_codes_renewed",
    "passkey_added",
    "passkey_removed",
    "identity_linked",
    "identity_unlinked",
    "key_created",
    "sign_in_guessed",
    "test",
]
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
    deletion_at: datetime | None = None
    email_verified: bool = False


@dataclass(frozen=True, slots=True)
class LetterWanted:
    """A letter to write to an address, if it has an account that it is for; None leaves the language to the person.

    With `account_id` it is about that account, whose address is another one: not yet this, or no longer.
    """

    kind: Letter
    email: str
    language: Language | None
    account_id: UUID | None = None


WRITE = JobKind("accounts.write_letter", LetterWanted)


@dataclass(frozen=True, slots=True)
class Preferences:
    """How somebody likes Madang to be; None leaves the choice to the house."""

    language: Language | None = None
    theme: Theme = "system"
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """Where a sign-in comes from: the client's address, what it calls itself, and the cookie of a known browser.

    A shared address is that of a proxy which is not trusted, and tells nobody behind it from the others.
    """

    address: str
    user_agent: str
    browser: str = field(default="", repr=False)
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """A sign-in that stands; `last_seen_at` is when it last renewed its tokens."""

    id: UUID
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a person holds after signing in. The refresh token works once; the access token for `expires_in`.

    `browser` is the cookie by which their browser is known from now on; empty when the one it has is to stay.
    """

    account: Account
    access_token: str
    expires_in: timedelta
    refresh_token: str
    refresh_expires_in: timedelta
    browser: str = ""


@dataclass(frozen=True, slots=True)
class ProviderLabel:
    """A provider to sign in at: its name in paths, and what it is called on screens."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Setup:
    """What a visitor may do: make the first account, or register at all."""

    first_run: bool
    registration: Registration
    providers: tuple[ProviderLabel, ...] = ()
    verification_required: bool = False
    sends_mail: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody's account at an OpenID Connect provider, by which they sign in here."""

    id: UUID
    provider: str
    label: str
    email: str
    created_at: datetime
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in a scope that belongs to somebody for as long as a provider says so."""

    scope_id: UUID
    role: str


type ApplyGrants = Callable[[Tx, UUID, str, Sequence[Grant]], Awaitable[None]]
"""Takes an account, a source such as "oidc:school", and all that this source grants the account now: memberships that
came from this source before and are no longer granted end, those of other sources stay. Unknown scopes are passed over.
"""

GROUPS: Slot[ApplyGrants] = Slot("accounts.groups")
"""What is done with the grants of a sign-in at a provider; called in the transaction of the sign-in."""


type IsExpected = Callable[[Tx, UUID, str], Awaitable[bool]]
"""Whether an organisation (its id) expects somebody with that normal, verified address."""

EXPECTED: Slot[IsExpected] = Slot("accounts.expected")
"""Whom a provider that speaks for an organisation may bring in although it is closed to others."""

type Belongs = Callable[[Tx, UUID, UUID], Awaitable[bool]]
"""Whether, in an organisation (its id) or beneath it, an account (its id) is a member."""

BELONGS: Slot[Belongs] = Slot("accounts.belongs")
"""Whom a provider that speaks for an organisation may link to the account that they have already."""

type Welcome = Callable[[Tx, UUID, UUID, str], Awaitable[None]]
"""Takes an account, the organisation that its provider speaks for, and the address that the provider vouches for."""

WELCOME: Slot[Welcome] = Slot("accounts.welcome")
"""What an organisation does when somebody signed in at its provider; called in the transaction of the sign-in."""


@dataclass(frozen=True, slots=True)
class CodeBook:
    """Another feature's codes, with which people may register where registration is by invitation.

    `knows` takes a code and a normal e-mail address and says whether the code is one of its own; it raises a `Problem`
    for one that is but is no good for that address now. `redeem` is called in the transaction that made the account;
    in place of it `reserve` for an address that has to be proved and may have had an account before: it uses the code
    up in the same way, and gives nothing before the owner of the address has proved it (`PROVED`) or takes the code.
    """

    knows: "Callable[[House, Tx, str, str], Awaitable[bool]]"
    redeem: "Callable[[House, Tx, Account, str], Awaitable[None]]"
    reserve: "Callable[[House, Tx, str, str], Awaitable[None]]"


REGISTRATION_CODES: Slot[CodeBook] = Slot("accounts.registration_codes")
"""Codes beside the supervisors' own."""


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
class Passkey:
    """A device of somebody's that can sign in without a password."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """What somebody has beside the password; the codes are asked for at sign-in from `totp_enabled_at` on."""

    totp_enabled_at: datetime | None
    recovery_codes_left: int
    passkeys: list[Passkey]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret; `prefix` are its first characters, to tell it from others."""

    id: UUID
    name: str
    prefix: str
    permissions: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
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


type MayLeave = Callable[[Tx, UUID], Awaitable[None]]
"""Takes an account whose deletion is ordered, in that transaction (the account's own, a supervisor's or the house's);
raises `Conflict` when somebody would be left without what only this account can do.
"""

MAY_LEAVE: Slot[MayLeave] = Slot("accounts.may_leave")
"""Who is asked before an account's deletion begins, and again at its end."""


type Signed = Callable[[Tx, datetime], Awaitable[datetime | None]]
"""Until when something of a feature is good that the house's secret signed or hashed before that moment; None when
nothing of that kind is left. Asked in the house's own transaction.
"""

SIGNED: Slot[Signed] = Slot("accounts.signed")
"""Who is asked before a former secret is dropped."""


type Proved = Callable[[Tx, Account], Awaitable[None]]
"""Told, in the house's own transaction, that somebody has proved their address."""

PROVED: Slot[Proved] = Slot("accounts.proved")
"""Who does something for people only once their address is proved."""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of somebody's export. `path` has folders before it and is made of ids and names without slashes."""

    path: str
    content: AsyncIterator[bytes]


type Export = "Callable[[House, Principal], AsyncIterator[ExportedFile]]"
"""What a feature knows about an account, file after file; each is read to its end before the next is asked for.

Reads page by page, each in a transaction of its own as the account; nothing of other people's is inside.
"""

EXPORT: Slot[Export] = Slot("accounts.export")
"""What is put into the archive that somebody takes along."""
