"""Rows of accounts, sign-ins and registration invites."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from madang.kernel.db import Row, created_at_column, id_column


class AccountRow(Row):
    """A person. A deleted account stays as an empty row, so that what points to it still points to something."""

    __tablename__ = "accounts"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str]
    is_supervisor: Mapped[bool]
    preferences: Mapped[dict[str, object]] = mapped_column(default=dict)
    disabled_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class LoginRow(Row):
    """One sign-in on one device: a family of refresh tokens, of which `generation` is the one that works."""

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
