"""`/usage`, `/budgets`, and one's own of both under `/users/me`."""

import re
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, Field

from madang.features.organisations.public import chain_of
from madang.features.usage.contracts import CURRENCY, MOST_AMOUNT, NOBODY, Period, Standing, SubjectKind, Totals, Unit
from madang.features.usage.queries import GroupBy
from madang.features.usage.service import budgets as service
from madang.features.usage.service.spending import LONGEST_DAYS, Group, spending, this_month
from madang.kernel.errors import Invalid
from madang.kernel.http import NUMBER, HouseDep, Page, ReadTx, Strict, Who, WriteTx
from madang.kernel.problems import problems

usage = APIRouter(prefix="/usage", tags=["usage"])
budgets = APIRouter(prefix="/budgets", tags=["usage"])
mine = APIRouter(prefix="/users/me", tags=["usage"])
ROUTERS = (usage, budgets, mine)

SCALE = 1_000_000_000
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
Amount = Annotated[int, Field(ge=0, le=MOST_AMOUNT), NUMBER]
By = Annotated[GroupBy, Query(description="What to add up by.")]


def _written_out(value: object) -> object:
    if isinstance(value, str) and not DAY.fullmatch(value):
        msg = "Input should be a day such as 2026-03-01"
        raise ValueError(msg)
    return value


Day = Annotated[date | None, BeforeValidator(_written_out)]
First = Annotated[
    Day, Query(alias="from", description="The first day, in the server's time zone; the month's first if unset.")
]
Last = Annotated[Day, Query(alias="to", description="The last day, which counts; today if unset.")]
Days = Annotated[
    int | None, Query(ge=1, le=LONGEST_DAYS, description="So many days up to the last, if `from` is unset.")
]


class Sums(BaseModel):
    """What calls took together. `cost` is in billionths of the currency; `cached_tokens` are part of the input's."""

    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: int


class UsageGroup(Sums):
    """A group. `key` is a day, a name or an id, empty for what has none; `label` is what people call it."""

    key: str
    label: str


class Usage(BaseModel):
    """The dearest groups first, a thousand at most, days in their order; `total` counts everything.

    All is of `first_day` to `last_day`, both included, by the server's clock.
    """

    items: list[UsageGroup]
    total: Sums
    first_day: date
    last_day: date
    currency: str = CURRENCY
    scale: int = Field(default=SCALE, description="Divide `cost` by this for whole units of the currency.")


class Budget(BaseModel):
    """A limit and where it stands in its window. Amounts are tokens, or billionths of the currency.

    `reached` is the highest of 50, 80 and 100 percent that was reached in this window. `renews_at` is null when it
    never does.
    """

    id: UUID
    subject_kind: SubjectKind
    subject_id: UUID | None
    unit: Unit
    limit: int
    window: Period
    spent: int
    reserved: int
    used_percent: float
    reached: int
    starts_at: datetime
    renews_at: datetime | None


class BindingBudget(Budget):
    """A budget as those see it whom it binds: the amounts are null unless it is theirs to see."""

    limit: int | None  # type: ignore[assignment]  # wider than for those who may read the budget
    spent: int | None  # type: ignore[assignment]  # the same
    reserved: int | None  # type: ignore[assignment]  # the same


class NewBudget(Strict):
    """A limit to set. A platform has no `subject_id`, all others need one."""

    subject_kind: SubjectKind
    subject_id: UUID | None = None
    unit: Unit
    limit: Amount
    window: Period


class BudgetChange(Strict):
    """Another limit."""

    limit: Amount


@usage.get("/", responses=problems(401, 403, 404))
async def get_usage(
    tx: ReadTx,
    who: Who,
    scope_id: UUID | None = None,
    account_id: UUID | None = None,
    group_by: By = "day",
    first: First = None,
    last: Last = None,
    days: Days = None,
) -> Usage:
    """What was spent: in a scope that you manage, or everywhere for supervisors."""
    period = _period(first, last, days)
    return _usage(period, *await spending(tx, who, group_by, period, scope_id=scope_id, account_id=account_id))


@mine.get("/usage", responses=problems(401))
async def get_own_usage(
    tx: ReadTx, who: Who, group_by: By = "day", first: First = None, last: Last = None, days: Days = None
) -> Usage:
    """What you spent yourself."""
    period = _period(first, last, days)
    return _usage(period, *await spending(tx, who, group_by, period, scope_id=None, account_id=who.account_id))


@mine.get("/budgets", responses=problems(401, 403, 404))
async def get_own_budgets(tx: ReadTx, who: Who, scope_id: UUID | None = None) -> Page[BindingBudget]:
    """The budgets that bind what you spend: your own, and those of the scope that it is charged to."""
    found = await service.binding(tx, who.account_id, await chain_of(tx, who.account_id, scope_id))
    seen = await service.visible(tx, [one.budget_id for one in found])
    return Page(items=[_binding(one, one.budget_id in seen) for one in found if one.subject_kind != "platform"])


@budgets.get("/", responses=problems(401, 403, 404))
async def list_budgets(tx: ReadTx, who: Who, subject_kind: SubjectKind, subject_id: UUID | None = None) -> Page[Budget]:
    """The budgets of the platform, a scope or an account."""
    found = await service.list_budgets(tx, who, subject_kind, _subject(subject_kind, subject_id))
    return Page(items=[_budget(one) for one in found])


@budgets.post("/", status_code=201, responses=problems(401, 403, 404, 409))
async def create_budget(body: NewBudget, house: HouseDep, tx: WriteTx, who: Who) -> Budget:
    """Set a limit. What was spent in its window before counts."""
    subject_id = _subject(body.subject_kind, body.subject_id)
    limit = service.Limit(body.subject_kind, subject_id, body.unit, body.window, body.limit)
    return _budget(await service.create_budget(house, tx, who, limit))


@budgets.put("/{budget_id:uuid}", responses=problems(401, 403, 404))
async def change_budget(budget_id: UUID, body: BudgetChange, tx: WriteTx, who: Who) -> Budget:
    """Raise or lower a limit; it holds from the next call on."""
    return _budget(await service.change_budget(tx, who, budget_id, body.limit))


@budgets.delete("/{budget_id:uuid}", status_code=204, responses=problems(401, 403, 404))
async def delete_budget(budget_id: UUID, tx: WriteTx, who: Who) -> None:
    """Lift a limit."""
    await service.delete_budget(tx, who, budget_id)


def _period(first: date | None, last: date | None, days: int | None) -> tuple[date, date]:
    until = last or this_month()[1]
    if first is None and days is not None:
        return until - min(timedelta(days=days - 1), until - date.min), until
    return first or until.replace(day=1), until


def _subject(kind: SubjectKind, subject_id: UUID | None) -> UUID:
    if kind == "platform":
        if subject_id not in {None, NOBODY}:
            raise Invalid("subject_unwanted", "The platform's budget is nobody's own: leave `subject_id` out.")
        return NOBODY
    if subject_id is None or subject_id == NOBODY:
        raise Invalid("subject_missing", "Say whose budget it is: give `subject_id`.")
    return subject_id


def _sums(sums: Totals) -> dict[str, int]:
    return {name: getattr(sums, name) for name in Sums.model_fields}


def _usage(period: tuple[date, date], total: Totals, groups: list[Group]) -> Usage:
    items = [UsageGroup(key=key, label=label, **_sums(sums)) for key, label, sums in groups]
    return Usage(items=items, total=Sums(**_sums(total)), first_day=period[0], last_day=period[1])


def _budget(one: Standing) -> Budget:
    used = one.spent + one.reserved
    return Budget(
        id=one.budget_id,
        subject_kind=one.subject_kind,
        subject_id=None if one.subject_id == NOBODY else one.subject_id,
        unit=one.unit,
        limit=one.amount,
        window=one.period,
        spent=one.spent,
        reserved=one.reserved,
        used_percent=round(100 * used / one.amount, 1) if one.amount else 100.0,
        reached=one.reached,
        starts_at=one.starts_at,
        renews_at=one.ends_at,
    )


def _binding(one: Standing, is_visible: bool) -> BindingBudget:  # noqa: FBT001  # a question with two answers
    hidden: dict[str, None] = {} if is_visible else dict.fromkeys(("limit", "spent", "reserved"))
    return BindingBudget.model_validate({**_budget(one).model_dump(), **hidden})
