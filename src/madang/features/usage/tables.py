"""Rows of usage. The functions of PostgreSQL in the migration write most of them."""

from datetime import date, datetime
from typing import cast
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Computed, Date, DateTime, SmallInteger, Table, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from madang.kernel.db import Row, created_at_column, id_column


class UsageRow(Row):
    """One call of a model or a tool, which `model` names, for ever as it was. `cost` is in billionths of a dollar."""

    __tablename__ = "usage"
    __table_args__ = ({"schema": "partner"},)

    id: Mapped[UUID] = id_column()
    created_at: Mapped[datetime] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    scope_path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    run_id: Mapped[UUID | None]
    agent: Mapped[str]
    kind: Mapped[str]
    model: Mapped[str]
    outcome: Mapped[str]
    is_priced: Mapped[bool]
    input_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cost: Mapped[int]
    latency_ms: Mapped[int]


class UsageDay(Row):
    """The calls of a day by the clocks of `time_zone`, of one account in one place with one agent and model, summed."""

    __tablename__ = "usage_days"
    __table_args__ = ({"schema": "partner"},)

    day: Mapped[date] = mapped_column(Date(), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    scope_path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), primary_key=True)
    agent: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    time_zone: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int]
    input_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cost: Mapped[int]
    latency_ms: Mapped[int]


class BudgetRow(Row):
    """A limit for one subject in one kind of window. `path` leads to the subject when that is a scope."""

    __tablename__ = "budgets"
    __table_args__ = ({"schema": "partner"},)

    id: Mapped[UUID] = id_column()
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    scope_id: Mapped[UUID | None] = mapped_column(Computed("CASE subject_kind WHEN 'scope' THEN subject_id END"))
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    unit: Mapped[str]
    amount: Mapped[int]
    period: Mapped[str]
    time_zone: Mapped[str]
    since: Mapped[datetime]
    created_at: Mapped[datetime] = created_at_column()


class BudgetWindow(Row):
    """What of a budget is spent and reserved between two moments; `reached` is 0, 50, 80 or 100 percent."""

    __tablename__ = "budget_windows"
    __table_args__ = ({"schema": "partner"},)

    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime | None]
    spent: Mapped[int] = mapped_column(server_default="0")
    reserved: Mapped[int] = mapped_column(server_default="0")
    reached: Mapped[int] = mapped_column(SmallInteger(), server_default="0")


class Reservation(Row):
    """What a call that is being made may cost until its next step, and in which windows so much is held for it.

    `error` says why it cannot be booked, once it has expired and that was tried.
    """

    __tablename__ = "reservations"
    __table_args__ = ({"schema": "partner"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID]
    scope_path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    run_id: Mapped[UUID | None]
    agent: Mapped[str]
    kind: Mapped[str]
    model: Mapped[str]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cost: Mapped[int]
    budget_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    window_starts: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)))
    amounts: Mapped[list[int]] = mapped_column(ARRAY(BigInteger()))
    created_at: Mapped[datetime] = created_at_column()
    expires_at: Mapped[datetime]
    error: Mapped[str | None]


BUDGETS = cast("Table", BudgetRow.__table__)
RESERVATIONS = cast("Table", Reservation.__table__)
