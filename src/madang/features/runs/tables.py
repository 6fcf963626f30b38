"""Rows of runs."""

from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Integer, LargeBinary, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from madang.kernel.db import Row, created_at_column, id_column


class Run(Row):
    """One agent turn. While it runs, `lease_owner` writes it as attempt `attempt`; `log` is its packed event log.

    `unbooked` are its calls that were not in the ledger yet when it ended; `unbooked_error` says why they cannot be.
    """

    __tablename__ = "runs"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID]
    agent: Mapped[str | None]
    model: Mapped[str | None]
    status: Mapped[str]
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    lease_owner: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    request: Mapped[dict[str, object]]
    labels: Mapped[dict[str, object]]
    text: Mapped[str | None]
    citations: Mapped[list[object] | None]
    usage: Mapped[dict[str, object] | None]
    unbooked: Mapped[list[object] | None] = mapped_column(JSONB(none_as_null=True))
    unbooked_error: Mapped[str | None]
    error: Mapped[dict[str, object] | None]
    finish_reason: Mapped[str | None]
    log: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = created_at_column()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


RUNS = cast("Table", Run.__table__)
"""The same as a plain table, for the statements that every answer pays for."""
