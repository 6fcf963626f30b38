"""Rows of scopes, memberships and invites."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Computed, ForeignKey, LargeBinary, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from madang.kernel.db import Row, created_at_column, id_column


class ScopeRow(Row):
    """An organisation, a partner or a class. `path` leads from the organisation down to the scope itself."""

    __tablename__ = "scopes"
    __table_args__ = ({"schema": "partner"},)

    id: Mapped[UUID] = id_column()
    kind: Mapped[str]
    parent_id: Mapped[UUID | None]
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    parent_path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), Computed("path[1 : cardinality(path) - 1]"))
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    suspended_by_supervisor: Mapped[bool] = mapped_column(default=False)
    created_by: Mapped[UUID | None]
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class MembershipRow(Row):
    """What somebody is in a scope. `source` says where the role comes from, such as "invite" or "oidc:school"."""

    __tablename__ = "memberships"
    __table_args__ = ({"schema": "partner"},)

    id: Mapped[UUID] = id_column()
    scope_id: Mapped[UUID]
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    account_id: Mapped[UUID]
    role: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    source: Mapped[str]
    created_at: Mapped[datetime] = created_at_column()


class InviteRow(Row):
    """A code that gives a role in a scope, known here only by its hash; with `email` for one person alone."""

    __tablename__ = "invites"
    __table_args__ = ({"schema": "partner"},)

    id: Mapped[UUID] = id_column()
    scope_id: Mapped[UUID]
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    role: Mapped[str]
    email: Mapped[str | None]
    note: Mapped[str]
    max_uses: Mapped[int]
    used_count: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = created_at_column()


class RedemptionRow(Row):
    """Who used which code, so that one person uses it up only once.

    `is_reserved` while it is used up for somebody who has an account and has not taken it yet.
    """

    __tablename__ = "redemptions"
    __table_args__ = ({"schema": "partner"},)

    invite_id: Mapped[UUID] = mapped_column(ForeignKey("partner.invites.id", ondelete="CASCADE"), primary_key=True)
    scope_id: Mapped[UUID]
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    is_reserved: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = created_at_column()


class ScimTokenRow(Row):
    """What lets another system tell an organisation about its people; only its hash is kept."""

    __tablename__ = "scim_tokens"
    __table_args__ = ({"schema": "partner"},)

    id: Mapped[UUID] = id_column()
    scope_id: Mapped[UUID]
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class ScimUserRow(Row):
    """Somebody whom another system names; `account_id` once they are known here by that address.

    `told` is what else it says of them, and `suspended` are the memberships that it put to rest.
    """

    __tablename__ = "scim_users"
    __table_args__ = ({"schema": "partner"},)

    id: Mapped[UUID] = id_column()
    scope_id: Mapped[UUID]
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    account_id: Mapped[UUID | None]
    user_name: Mapped[str]
    email: Mapped[str | None]
    external_id: Mapped[str | None]
    active: Mapped[bool]
    told: Mapped[dict[str, object]]
    suspended: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), default=list)
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime]


class ScimGroupRow(Row):
    """A group of another system, and the role that its members have in a scope, if it gives any."""

    __tablename__ = "scim_groups"
    __table_args__ = ({"schema": "partner"},)

    id: Mapped[UUID] = id_column()
    scope_id: Mapped[UUID]
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    display_name: Mapped[str]
    external_id: Mapped[str | None]
    role: Mapped[str | None]
    role_scope_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime]


class ScimMemberRow(Row):
    """Who is in which group."""

    __tablename__ = "scim_members"
    __table_args__ = ({"schema": "partner"},)

    group_id: Mapped[UUID] = mapped_column(ForeignKey("partner.scim_groups.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("partner.scim_users.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
