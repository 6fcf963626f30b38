"""Making, changing and looking at budgets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import and_, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from madang.features.usage.access import budget_of, permit_subject
from madang.features.usage.contracts import (
    BudgetExhausted,
    BudgetExists,
    Period,
    Price,
    Spender,
    Standing,
    SubjectKind,
    Unit,
)
from madang.features.usage.service.ledger import note_exhausted
from madang.features.usage.service.meter import open_meter
from madang.features.usage.settings import load
from madang.features.usage.tables import BudgetRow, BudgetWindow
from madang.kernel import audit
from madang.kernel.audit import Target
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn

LEAST_INPUT = 64
"""Tokens that the shortest question takes with what is sent along."""

_STANDING = text("SELECT partner.budgets_of(:account, :place)")
_START = text(
    "SELECT partner.window_start(b, now()), partner.window_end(b, now()) FROM partner.budgets b WHERE id = :id"
)


async def list_budgets(tx: Tx, who: Principal, kind: SubjectKind, subject_id: UUID) -> list[Standing]:
    """The budgets of one subject as they stand. Raises as `access.permit_subject`."""
    await permit_subject(tx, who, kind, subject_id, "budgets.read")
    rows = await tx.scalars(select(BudgetRow).where(BudgetRow.subject_id == subject_id).order_by(BudgetRow.id))
    return [await standing(tx, row) for row in rows.all()]


async def all_budgets(tx: Tx) -> list[Standing]:
    """Every budget that the transaction may see, as it stands: the platform's first."""
    rows = await tx.scalars(select(BudgetRow).order_by(BudgetRow.subject_id, BudgetRow.id))
    return [await standing(tx, row) for row in rows.all()]


async def standing(tx: Tx, budget: BudgetRow) -> Standing:
    """A budget in its window of this moment."""
    starts_at, ends_at = (await tx.execute(_START, {"id": budget.id})).one()
    now_is = and_(BudgetWindow.budget_id == budget.id, BudgetWindow.starts_at == starts_at)
    window = await tx.scalar(select(BudgetWindow).where(now_is).execution_options(populate_existing=True))
    found: dict[str, Any] = {
        name: getattr(budget, name) for name in ("subject_kind", "subject_id", "unit", "period", "amount")
    }
    return Standing(
        budget_id=budget.id,
        path=tuple(budget.path),
        spent=window.spent if window else 0,
        reserved=window.reserved if window else 0,
        reached=window.reached if window else 0,
        starts_at=starts_at,
        ends_at=ends_at,
        **found,
    )


async def binding(tx: Tx, account_id: UUID, place: Sequence[UUID]) -> list[Standing]:
    """The budgets that bind what the account spends in a place, as the account itself may ask."""
    found = await tx.scalar(_STANDING, {"account": account_id, "place": list(place)})
    return msgspec.convert(found, list[Standing])


async def visible(tx: Tx, budget_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the budgets whose amounts the caller may see, by row-level security."""
    return frozenset((await tx.scalars(select(BudgetRow.id).where(BudgetRow.id.in_(budget_ids)))).all())


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget to be made: whose, in what, for which window, and how much."""

    kind: SubjectKind
    subject_id: UUID
    unit: Unit
    period: Period
    amount: int


async def create_budget(house: House, tx: Tx, who: Principal | None, limit: Limit) -> Standing:
    """A limit from now on; what was spent in this window before counts. A budget without windows counts from now.

    None as `who` is the operator. Raises as `access.permit_subject`, and `BudgetExists`.
    """
    path = await permit_subject(tx, who, limit.kind, limit.subject_id, "budgets.manage")
    zone = load().time_zone
    since = func.now() if limit.period == "total" else func.partner.period_start(limit.period, func.now(), zone)
    budget_id = new_id()
    row = {
        "id": budget_id,
        "subject_kind": limit.kind,
        "subject_id": limit.subject_id,
        "path": list(path),
        "unit": limit.unit,
        "amount": limit.amount,
        "period": limit.period,
        "time_zone": zone,
        "since": since,
    }
    made = await tx.execute(insert(BudgetRow).values(row).on_conflict_do_nothing().returning(BudgetRow.id))
    if made.first() is None:
        raise BudgetExists
    budget = (await tx.execute(select(BudgetRow).where(BudgetRow.id == budget_id))).scalar_one()
    await _record(tx, who, "usage.budget_created", budget)
    (await house.resource(open_meter)).forget()
    return await standing(tx, budget)


async def set_limit(house: House, tx: Tx, who: Principal | None, limit: Limit) -> Standing:
    """Make the budget, or change the one there is. Raises as `access.permit_subject`."""
    same = (BudgetRow.subject_id == limit.subject_id, BudgetRow.unit == limit.unit, BudgetRow.period == limit.period)
    there = await tx.scalar(select(BudgetRow.id).where(*same))
    if there is None:
        return await create_budget(house, tx, who, limit)
    return await change_budget(tx, who, there, limit.amount)


async def change_budget(tx: Tx, who: Principal | None, budget_id: UUID, amount: int) -> Standing:
    """Another limit, at once; what is not reached any more will be told anew. Raises as `access.budget_of`."""
    budget = await budget_of(tx, who, budget_id, "budgets.manage")
    before = budget.amount
    await tx.execute(update(BudgetRow).where(BudgetRow.id == budget_id).values(amount=amount))
    await tx.refresh(budget)
    await _record(tx, who, "usage.budget_changed", budget, before=before)
    return await standing(tx, budget)


async def delete_budget(tx: Tx, who: Principal | None, budget_id: UUID) -> None:
    """Lift a limit. Raises as `access.budget_of`."""
    budget = await budget_of(tx, who, budget_id, "budgets.manage")
    await tx.execute(delete(BudgetRow).where(BudgetRow.id == budget_id))
    await _record(tx, who, "usage.budget_deleted", budget)


async def _record(tx: Tx, who: Principal | None, action: str, budget: BudgetRow, **more: object) -> None:
    details = {"subject_kind": budget.subject_kind, "subject_id": str(budget.subject_id)}
    details |= {"unit": budget.unit, "window": budget.period}
    target = Target("budget", budget.id, tuple(budget.path))
    await audit.record(tx, who, action, target, limit=budget.amount, **details, **more)


async def require_budget(house: House, tx: Tx, spender: Spender, price_of: Callable[[], Price | None]) -> None:
    """Raise `BudgetExhausted` when even the shortest answer would be refused now, before anything is queued.

    `price_of` says what the model costs; it is asked only when a budget may bind the spender, and where it is known
    that none does this costs nothing. What answers in flight hold is no reason to refuse: the call waits for it. It
    promises nothing: the call itself reserves. All is asked with the caller's transaction.
    """
    meter = await house.resource(open_meter)
    if spender.account_id is None or meter.surely_free(spender):
        return
    standing_now = await binding(tx, spender.account_id, spender.scope_path)
    if not standing_now:
        return
    least = load().budget_least_answer_tokens
    price = price_of()
    money = price.nanos(LEAST_INPUT, least) if price else 0
    for budget in standing_now:
        needed = LEAST_INPUT + least if budget.unit == "tokens" else money
        if needed > budget.amount - budget.spent:
            spawn(note_exhausted(house, budget), "usage.exhausted")
            raise BudgetExhausted(budget)
