"""The ledger's three statements: reserve, book, and what to do with reservations that nobody renews.

All run as the house itself: whose budgets bind a call is not for the caller to see. The functions are those of the
migration `0013_usage`, which decides and locks; see the decision on reserving in PostgreSQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy import Row, delete, func, select, text, update

from madang.features.usage.contracts import (
    MOST_TOKENS,
    NOBODY,
    BudgetExhausted,
    BudgetReached,
    Call,
    Kind,
    ModelUnpriced,
    Outcome,
    Spender,
    Standing,
)
from madang.features.usage.settings import load
from madang.features.usage.tables import BUDGETS, RESERVATIONS, BudgetWindow
from madang.kernel.db import Tx, in_seconds
from madang.kernel.house import House
from madang.kernel.ids import new_id

EXPIRED_BATCH = 200

_RESERVE = text("""
    SELECT partner.reserve_usage(:id, :account, :place, :run, :agent, :kind, :model, :input, :most, :least,
                                 :input_price, :output_price, :flat, :seconds)
""")
_OPEN = text("SELECT supervisor.open_months('partner', 'usage')")
_DROP = text("SELECT supervisor.drop_months('partner', 'usage', :keep)")
_BOOK = text("SELECT * FROM partner.book_usage(CAST(:calls AS jsonb), :zone)")


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
    refused: Standing | None = None
    unpriced: bool = False


async def reserve(house: House, reservation_id: UUID, spender: Spender, call: Call) -> int | None:
    """Hold what the call may cost in every budget that binds it; how many output tokens it may take.

    None when no budget binds it: then nothing is held. Raises `BudgetExhausted` and `ModelUnpriced`.
    """
    settings = load()
    most = settings.budget_answer_tokens if call.max_output is None else min(call.max_output, MOST_TOKENS)
    values = {
        "id": reservation_id,
        "account": spender.account_id or NOBODY,
        "place": list(spender.scope_path),
        "run": spender.run_id,
        "agent": spender.agent or "",
        "kind": call.kind,
        "model": call.model,
        "input": min(call.input_tokens, MOST_TOKENS),
        "most": most,
        "least": min(most, settings.budget_least_answer_tokens),
        "input_price": call.price.input if call.price else None,
        "output_price": call.price.output if call.price else None,
        "flat": call.flat,
        "seconds": settings.reservation_seconds,
    }
    async with house.db.transaction() as tx:
        answer = msgspec.convert(await tx.scalar(_RESERVE, values), _Answer)
        if answer.refused is not None and answer.refused.reached < 100:
            await _exhausted(tx, answer.refused)
    if answer.unpriced:
        raise ModelUnpriced(call.model)
    if answer.refused is not None:
        raise BudgetExhausted(answer.refused)
    return answer.granted


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
        found = cast("dict[str, Any]", {**row, "path": tuple(row["path"])})
        await tx.announce(reached(Standing(**found), found["reached"]))


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
    """Book what the dead had reserved as spent; how many reservations that were."""
    done = 0
    while True:
        async with house.db.transaction() as tx:
            rows = await tx.execute(
                select(RESERVATIONS)
                .where(RESERVATIONS.c.expires_at < func.now())
                .order_by(RESERVATIONS.c.expires_at)
                .limit(EXPIRED_BATCH)
                .with_for_update(skip_locked=True)
            )
            lost = [_lost(row) for row in rows]
            if lost:
                await _book(tx, lost)
        done += len(lost)
        if len(lost) < EXPIRED_BATCH:
            return done


def _lost(row: Row[Any]) -> Booking:
    return Booking(
        id=new_id(),
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
