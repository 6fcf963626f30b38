"""Rows of chat."""

from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.orm import Mapped

from madang.kernel.db import Row, created_at_column, id_column


class ChatSession(Row):
    """A conversation. `active_run_id` is the answer being written, if any."""

    __tablename__ = "sessions"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID]
    title: Mapped[str]
    model: Mapped[str | None]
    agent: Mapped[str | None]
    active_run_id: Mapped[UUID | None]
    scope_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = created_at_column()


class ChatMessage(Row):
    """A question or an answer. An answer's row is made with its question and filled when its run has ended."""

    __tablename__ = "messages"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID]
    session_id: Mapped[UUID]
    role: Mapped[str]
    status: Mapped[str]
    text: Mapped[str]
    reply_to: Mapped[UUID | None]
    run_id: Mapped[UUID | None]
    citations: Mapped[list[object]]
    error: Mapped[dict[str, object] | None]
    finish_reason: Mapped[str | None]
    usage: Mapped[dict[str, object] | None]
    request: Mapped[dict[str, object] | None]
    idempotency_key: Mapped[str | None]
    superseded_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


SESSIONS = cast("Table", ChatSession.__table__)
MESSAGES = cast("Table", ChatMessage.__table__)
"""The same as plain tables, for the statements that every question pays for."""
