"""The ledger's statements: reserve, extend, book, and what to do with reservations that nobody renews.

All run as the house itself: whose budgets bind a call is not for the caller to see. The functions are those of the
migration `0022_reservations`, which decide and lock; see the decisions on reserving in PostgreSQL and in steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, Select, delete, func, select, text, update
from sqlalchemy.exc import DataError, IntegrityError

from madang.features.usage.contracts import (
    MOST_TOKENS,
    NOBODY,
    BudgetExhausted,
    BudgetReached,
    Call,
    CallsCorrected,
    Kind,
    ModelUnpriced,
    Outcome,
    Spender,
    Standing,
)
from madang.features.usage.settings import load
from madang.features.usage.tables import BUDGETS, RESERVATIONS, BudgetWindow
from madang.kernel import log
from madang.kernel.db import Tx, in_seconds
from madang.kernel.house import House

logger = log.get_logger(__name__)

EXPIRED_BATCH = 200
UNBOOKABLE = (DataError, IntegrityError, ValueError)
"""What says that something among what was to be booked never can be."""

_RESERVE = text("""
    SELECT partner.reserve_usage(:id, :account, :place, :run, :agent, :kind, :model, :input, :most, :least,
                                 :input_price, :output_price, :flat, :seconds)
""")
_OPEN = text("SELECT supervisor.open_months('partner', 'usage')")
_DROP = text("SELECT supervisor.drop_months('partner', 'usage', :keep)")
_BOOK = text("SELECT * FROM partner.book_calls(CAST(:calls AS jsonb), :zone)")
_EXTEND = text("SELECT id, granted FROM partner.extend_reservations(CAST(:calls AS jsonb), :seconds)")


@dataclass(frozen=True, slots=True)
class Booking:
    """A call that ended, as the ledger takes it. With `reservation_id` it counts only as long as that is there."""

    id: UUID
    created_at: datetime
    account_id: UUID
    scope_path: tuple[UUID, ...]
    run_id: UUID | None
    agent: str
    kind: Kind
    model: str
    outcome: Outcome
    is_priced: bool
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: int
    latency_ms: int
    reservation_id: UUID | None = None

    @property
    def counts_for_run(self) -> bool:
        """Whether a run's totals contain it: see `RunTotals`."""
        took = self.input_tokens + self.output_tokens + self.cost
        return self.kind != "embedding" and (self.outcome == "ok" or took > 0)


class _Answer(msgspec.Struct):
    granted: int | None = None
    affords: int = 0
    refused: Standing | None = None
    held: bool = False
    unpriced: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What was reserved: `output_tokens` for the first step, and `most`, which the call must be limited to."""

    output_tokens: int
    most: int


@dataclass(frozen=True, slots=True)
class Extension:
    """`more` output tokens that a call would like to hold. Prices as in `Price`, 0 where only tokens are limited."""

    id: UUID
    more: int
    input_price: int
    output_price: int
    flat: int


async def reserve(house: House, reservation_id: UUID, spender: Spender, call: Call) -> Grant | None:
    """Hold what the call's first step may cost in every budget that binds it.

    None when no budget binds it: then nothing is held. Raises `BudgetExhausted` and `ModelUnpriced`.
    """
    settings = load()
    most = settings.budget_answer_tokens if call.max_output is None else min(call.max_output, MOST_TOKENS)
    first = min(most, max(settings.budget_step_tokens, settings.budget_least_answer_tokens))
    values = {
        "id": reservation_id,
        "account": spender.account_id or NOBODY,
        "place": list(spender.scope_path),
        "run": spender.run_id,
        "agent": spender.agent or "",
        "kind": call.kind,
        "model": call.model,
        "input": min(call.input_tokens, MOST_TOKENS),
        "most": first,
        "least": min(first, settings.budget_least_answer_tokens),
        "input_price": call.price.input if call.price else None,
        "output_price": call.price.output if call.price else None,
        "flat": call.flat,
        "seconds": settings.reservation_seconds,
    }
    async with house.db.transaction() as tx:
        answer = msgspec.convert(await tx.scalar(_RESERVE, values), _Answer)
        if answer.refused is not None and answer.refused.reached < 100 and not answer.held:
            await _exhausted(tx, answer.refused)
    if answer.unpriced:
        raise ModelUnpriced(call.model)
    if answer.refused is not None:
        raise BudgetExhausted(answer.refused, is_held=answer.held)
    return None if answer.granted is None else Grant(answer.granted, min(most, answer.affords))


async def extend(house: House, wanted: Sequence[Extension]) -> dict[UUID, int]:
    """Hold more for calls that go on: how many output tokens were added for each, 0 or nothing where none fit now."""
    values = {"calls": msgspec.json.encode(wanted).decode(), "seconds": load().reservation_seconds}
    async with house.db.transaction() as tx:
        return {row.id: row.granted for row in await tx.execute(_EXTEND, values)}


async def _exhausted(tx: Tx, budget: Standing) -> None:
    """A refusal is the end of a budget, even if a little is left that affords nothing."""
    if budget.reserved:
        return
    marked = await tx.execute(
        update(BudgetWindow)
        .where(
            BudgetWindow.budget_id == budget.budget_id,
            BudgetWindow.starts_at == budget.starts_at,
            BudgetWindow.reached < 100,
        )
        .values(reached=100)
        .returning(BudgetWindow.budget_id)
    )
    if marked.first() is not None:
        await tx.announce(reached(budget, 100))


async def note_exhausted(house: House, budget: Standing) -> None:
    """Remember and announce that a question was refused for want of this budget, unless that was done."""
    if budget.reached < 100:
        async with house.db.transaction() as tx:
            await _exhausted(tx, budget)


async def book(house: House, bookings: Sequence[Booking]) -> None:
    """Write calls down, charge them to their budgets and let go of what was held for them; repeating it is harmless."""
    async with house.db.transaction() as tx:
        await _book(tx, bookings)


async def book_unwritten(tx: Tx, calls: Sequence[object]) -> None:
    """Book calls as `Tally.unwritten` gave them, with the caller's transaction; those that are booked add nothing."""
    await _book(tx, msgspec.convert(calls, list[Booking]))


async def _book(tx: Tx, bookings: Sequence[Booking]) -> None:
    values = {"calls": msgspec.json.encode(bookings).decode(), "zone": load().time_zone}
    for row in (await tx.execute(_BOOK, values)).mappings():
        found: dict[str, Any] = {**row}
        if (run_id := found.pop("corrected_run")) is not None:
            await tx.announce(CallsCorrected(run_id))
        else:
            await tx.announce(reached(msgspec.convert(found, Standing), found["reached"]))


def reached(budget: Standing, percent: int) -> BudgetReached:
    """The news about a budget."""
    return BudgetReached(
        budget_id=budget.budget_id,
        subject_kind=budget.subject_kind,
        subject_id=budget.subject_id,
        path=budget.path,
        unit=budget.unit,
        period=budget.period,
        amount=budget.amount,
        spent=budget.spent,
        starts_at=budget.starts_at,
        ends_at=budget.ends_at,
        percent=percent,
    )


async def renew(house: House, ids: Sequence[UUID]) -> None:
    """Keep reservations of calls that are still being made; those that are just being booked are passed over."""
    mine = select(RESERVATIONS.c.id).where(RESERVATIONS.c.id.in_(ids)).with_for_update(skip_locked=True)
    async with house.db.transaction() as tx:
        await tx.execute(
            update(RESERVATIONS)
            .where(RESERVATIONS.c.id.in_(mine))
            .values(expires_at=in_seconds(load().reservation_seconds))
        )


async def book_expired(house: House) -> int:
    """Book what the dead had reserved as spent; how many reservations that were.

    An expiry is believed only after PostgreSQL has answered for as long as a reservation stands, in which the living
    renew theirs. One that cannot be booked is set aside with its error and keeps back no other.
    """
    done = 0
    size = EXPIRED_BATCH
    while True:
        try:
            booked = await _book_oldest(house, size)
        except UNBOOKABLE as error:
            if size == 1:
                await _set_aside(house, str(error).splitlines()[0])
            size = max(size // 2, 1)
        else:
            done += booked
            if booked < size:
                return done
            size = min(2 * size, EXPIRED_BATCH)


def expiry_trusted() -> ColumnElement[bool]:
    """Whether who lives has had the time to renew, as SQL; asked once a statement."""
    return select(func.partner.expiry_trusted(load().reservation_seconds)).scalar_subquery()


def _expired(limit: int) -> Select[Any]:
    return (
        select(RESERVATIONS)
        .where(RESERVATIONS.c.expires_at < func.now(), RESERVATIONS.c.error.is_(None), expiry_trusted())
        .order_by(RESERVATIONS.c.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


async def _book_oldest(house: House, size: int) -> int:
    async with house.db.transaction() as tx:
        lost = [_lost(row) for row in await tx.execute(_expired(size))]
        if lost:
            await _book(tx, lost)
    return len(lost)


async def _set_aside(house: House, error: str) -> None:
    async with house.db.transaction() as tx:
        row = (await tx.execute(_expired(1))).first()
        if row is not None:
            logger.error("reservation_not_bookable", reservation_id=str(row.id), model=row.model, error=error)
            await tx.execute(update(RESERVATIONS).where(RESERVATIONS.c.id == row.id).values(error=error))


def _lost(row: Row[Any]) -> Booking:
    """The booking of what nobody came back for, under the reservation's id, by which a late word finds it."""
    return Booking(
        id=row.id,
        created_at=row.created_at,
        account_id=row.account_id,
        scope_path=tuple(row.scope_path),
        run_id=row.run_id,
        agent=row.agent,
        kind=row.kind,
        model=row.model,
        outcome="lost",
        is_priced=True,
        input_tokens=row.input_tokens,
        cached_tokens=0,
        output_tokens=row.output_tokens,
        cost=row.cost,
        latency_ms=0,
        reservation_id=row.id,
    )


async def forget_subject(tx: Tx, subject_id: UUID) -> None:
    """Delete the budgets of an account or a scope that is gone; what was spent stays written."""
    await tx.execute(delete(BUDGETS).where(BUDGETS.c.subject_id == subject_id))


async def turn_months(tx: Tx, keep: int) -> None:
    """Make room for the coming months, and drop the single calls of all but the last `keep`."""
    await tx.execute(_OPEN)
    await tx.execute(_DROP, {"keep": keep})
