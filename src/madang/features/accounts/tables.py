"""Rows of accounts, sign-ins and registration invites."""

from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, LargeBinary, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from madang.kernel.db import Row, created_at_column, id_column


class AccountRow(Row):
    """A person. A deleted account stays as an empty row, so that what points to it still points to something.

    From the moment somebody (`deletion_by`, None for the operator) orders its deletion until `deletion_at` it can only
    be restored; from `deleted_at` on it is empty.
    """

    __tablename__ = "accounts"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str]
    is_supervisor: Mapped[bool]
    preferences: Mapped[dict[str, object]] = mapped_column(default=dict)
    email_verified_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    deletion_at: Mapped[datetime | None]
    deletion_by: Mapped[UUID | None]
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class LoginRow(Row):
    """One sign-in on one device: a family of refresh tokens, of which `generation` is the one that works.

    At `confirmed_at` its owner last proved themselves again. Its browser, if it is one, has tries of its own at the
    account's password while it `is_trusted`.
    """

    __tablename__ = "logins"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID] = mapped_column(ForeignKey("user.accounts.id", ondelete="CASCADE"))
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    generation: Mapped[int] = mapped_column(default=1)
    rotated_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    address: Mapped[str]
    user_agent: Mapped[str]
    is_trusted: Mapped[bool] = mapped_column(default=True)
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class RegistrationInviteRow(Row):
    """A code that lets people register; only its hash is kept."""

    __tablename__ = "registration_invites"
    __table_args__ = ({"schema": "supervisor"},)

    id: Mapped[UUID] = id_column()
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str]
    max_uses: Mapped[int]
    used_count: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("user.accounts.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = created_at_column()


class IdentityRow(Row):
    """An account at an OpenID Connect provider; `subject` is what the provider calls its owner for ever.

    `is_confirmed` when its owner linked it themselves, while signed in.
    """

    __tablename__ = "identities"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID] = mapped_column(ForeignKey("user.accounts.id", ondelete="CASCADE"))
    provider: Mapped[str]
    issuer: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str]
    made_supervisor: Mapped[bool] = mapped_column(default=False)
    is_confirmed: Mapped[bool] = mapped_column(default=False)
    last_used_at: Mapped[datetime]
    created_at: Mapped[datetime] = created_at_column()


class AuthenticatorRow(Row):
    """Somebody's app of one-time codes; it is asked for at sign-in from `enabled_at` on.

    `last_step` is the time step of the code that was used last; only later ones work.
    """

    __tablename__ = "authenticators"
    __table_args__ = ({"schema": "user"},)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("user.accounts.id", ondelete="CASCADE"), primary_key=True)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    last_step: Mapped[int] = mapped_column(default=0)
    enabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class RecoveryCodeRow(Row):
    """A code that stands in once for a second factor; only its hash is kept."""

    __tablename__ = "recovery_codes"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID] = mapped_column(ForeignKey("user.accounts.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class PasskeyRow(Row):
    """A public key of somebody's device (WebAuthn); it works only under the name `rp_id` that it was made for."""

    __tablename__ = "passkeys"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID] = mapped_column(ForeignKey("user.accounts.id", ondelete="CASCADE"))
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    rp_id: Mapped[str]
    sign_count: Mapped[int]
    transports: Mapped[list[object]]
    name: Mapped[str]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class ApiKeyRow(Row):
    """A program's way in as somebody, limited to `permissions`; only its hash and its first characters are kept."""

    __tablename__ = "api_keys"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID] = mapped_column(ForeignKey("user.accounts.id", ondelete="CASCADE"))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    prefix: Mapped[str]
    name: Mapped[str]
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


def of_one_account() -> list[Table]:
    """The tables here whose rows are an account's own and go with it: every one that has an `account_id`."""
    ours = [mapper for mapper in Row.registry.mappers if mapper.class_.__module__ == __name__]
    return [cast("Table", mapper.local_table) for mapper in ours if "account_id" in mapper.columns]
