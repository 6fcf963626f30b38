"""What usage is to others: who pays, what a call costs, and what a budget says."""

from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import ClassVar, Literal, Protocol
from uuid import UUID

from madang.kernel.clock import now
from madang.kernel.errors import Conflict, NotFound, TooMany
from madang.kernel.jobs import JobKind

type Kind = Literal["chat", "embedding", "tool"]
type Outcome = Literal["ok", "failed", "cut_off", "cancelled", "lost"]
type SubjectKind = Literal["platform", "scope", "account"]
type Unit = Literal["money", "tokens"]
type Period = Literal["day", "week", "month", "total"]

CURRENCY = "USD"
NOBODY = UUID(int=0)
"""Stands for the house itself among accounts and for the platform among the subjects of budgets."""

MOST_AMOUNT = 9_000_000_000_000_000
"""The largest limit of a budget: nine million dollars in billionths, still exact in JSON for JavaScript."""

MOST_TOKENS = 1_000_000_000
"""No call takes as many; what tells of more is mistaken, and is reserved and booked as if it told of so many."""

HELD_SECONDS = 5
NEVER_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class ForgetSubject:
    """Delete the budgets of an account or a scope that is gone."""

    subject_id: UUID


FORGET_SUBJECT = JobKind("usage.forget_subject", ForgetSubject)


@dataclass(frozen=True, slots=True)
class Spender:
    """Who pays for a call: an account (None is the house) and the scopes, from the organisation down, it is charged to.

    `run_id` and `agent` say what the call was for.
    """

    account_id: UUID | None = None
    scope_path: tuple[UUID, ...] = ()
    run_id: UUID | None = None
    agent: str | None = None


HOUSE_SPENDS = Spender()
"""For calls that are nobody's, such as warming up and measuring."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in millionths of a dollar: 1_250_000 is $1.25.

    `cached` is for input read from a cache; None charges it as other input.
    """

    input: int
    output: int = 0
    cached: int | None = None

    def nanos(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        """Billionths of a dollar, rounded up once a call; exact for prices in whole thousandths of a dollar.

        `cached_tokens` are part of `input_tokens`.
        """
        cached = min(cached_tokens, input_tokens)
        cheaper = self.input if self.cached is None else self.cached
        return -(-((input_tokens - cached) * self.input + cached * cheaper + output_tokens * self.output) // 1000)


FREE = Price(0)


@dataclass(frozen=True, slots=True)
class Call:
    """A call before it is made. `price` is None when nobody knows it; `input_tokens` are an upper estimate.

    `max_output` is the most that the answer may take, None when the caller does not mind. `flat` is what the call
    costs at most besides its tokens, in billionths of a dollar.
    """

    kind: Kind
    model: str
    price: Price | None
    input_tokens: int
    max_output: int | None = None
    flat: int = 0


def tool_call(name: str, cost: int = 0) -> Call:
    """A call of a tool, such as `web.search`. `cost` is the most it may cost, in billionths of a dollar."""
    return Call("tool", name, FREE, 0, 0, cost)


class Allowance(Protocol):
    """What a call has reserved; it grows while the call goes on."""

    async def covers(self, output_tokens: int) -> bool:
        """Whether so many output tokens, about as many as were received, are paid for."""
        ...


@dataclass(slots=True)
class Metering:
    """A call while it is made. `max_output` is what it must be limited to, None for no limit.

    Where a budget binds, `allowance` grows with the answer: ask `affords` as it comes, and end it when that says no.

    Say `sent` when the request has left, so that a call stopped before its first token still costs its input, and
    tell with `took` what it used as soon as that is known. `flat` is what it costs besides its tokens unless it fails
    before it is sent; lower it when it turns out to cost less.
    """

    max_output: int | None
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    sent: bool = False
    flat: int = 0
    allowance: Allowance | None = None
    known: bool = field(default=False, init=False)
    was_cut_off: bool = field(default=False, init=False)

    async def affords(self, output_tokens: int) -> bool:
        """Whether the answer may go on after so many tokens; waits only at the end of what is reserved."""
        if self.allowance is None or await self.allowance.covers(output_tokens):
            return True
        self.was_cut_off = True
        return False

    def took(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> None:
        """What the call used, until now or in all."""
        self.input_tokens, self.output_tokens, self.cached_tokens = input_tokens, output_tokens, cached_tokens
        self.known = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A budget and where it stands in its window. Amounts are tokens or billionths of a dollar.

    `reached` is the highest of 50, 80 and 100 (percent) that was reached in this window, else 0. `ends_at` is None for
    a budget that never renews.
    """

    budget_id: UUID
    subject_kind: SubjectKind
    subject_id: UUID
    path: tuple[UUID, ...]
    unit: Unit
    period: Period
    amount: int
    spent: int
    reserved: int = 0
    reached: int = 0
    starts_at: datetime
    ends_at: datetime | None

    @property
    def left(self) -> int:
        """What is neither spent nor reserved; negative when a call took more than was foreseen."""
        return self.amount - self.spent - self.reserved


@dataclass(frozen=True, slots=True)
class BudgetReached:
    """A budget reached 50, 80 or 100 percent for the first time in its window; told once for each."""

    name: ClassVar[str] = "usage.budget_reached"
    budget_id: UUID
    subject_kind: SubjectKind
    subject_id: UUID
    path: tuple[UUID, ...]
    unit: Unit
    period: Period
    amount: int
    spent: int
    starts_at: datetime
    ends_at: datetime | None
    percent: int


@dataclass(frozen=True, slots=True)
class CallsCorrected:
    """Calls for a run were booked as lost at all that they held, and their true word came late: its totals changed."""

    name: ClassVar[str] = "usage.calls_corrected"
    run_id: UUID


@dataclass(frozen=True, slots=True)
class Totals:
    """What calls took together; the cost is in billionths of a dollar."""

    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """What the calls for one run took together; the cost is in billionths of a dollar, as far as prices are known.

    Calls that failed before they took anything are left out, and so are embeddings, whose tokens are not those of the
    answer. `model` is that of the last answer; `is_estimated` says that not all calls came to their end.
    """

    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: int
    model: str
    is_priced: bool
    is_estimated: bool


_WHOSE = {"platform": "this server", "scope": "your organisation", "account": "your account"}
_OFTEN = {"day": "daily ", "week": "weekly ", "month": "monthly ", "total": ""}


def _whose(budget: "Standing") -> str:
    is_beneath = budget.subject_kind == "scope" and budget.path[:1] != (budget.subject_id,)
    return "your partner or class" if is_beneath else _WHOSE[budget.subject_kind]


class BudgetExhausted(TooMany):
    """A budget that binds the call has too little left for it. The extras say which and when it renews.

    `is_held` says that there would be enough without the answers that are being written.
    """

    def __init__(self, budget: Standing, *, is_held: bool = False) -> None:
        name = f"{_OFTEN[budget.period]}budget of {_whose(budget)}"
        has_some = budget.spent < budget.amount
        held = budget.reserved > 0 and has_some
        state = "has too little left for an answer" if has_some and not held else "is used up"
        if held:
            wait, when = HELD_SECONDS, "Answers that are being written hold the rest; try again in a moment."
        elif budget.ends_at is None:
            wait, when = NEVER_SECONDS, "It does not renew; ask whoever manages it to raise it."
        else:
            wait = max(1, ceil((budget.ends_at - now()).total_seconds()))
            when = f"It renews at {budget.ends_at:%Y-%m-%d %H:%M} UTC; ask whoever manages it if you need more."
        super().__init__(
            "budget_exhausted",
            f"The {name} {state}. {when}",
            headers={"Retry-After": str(wait)},
            budget_id=str(budget.budget_id),
            subject_kind=budget.subject_kind,
            unit=budget.unit,
            window=budget.period,
            renews_at=budget.ends_at.isoformat() if budget.ends_at else None,
        )
        self.budget = budget
        self.is_held = is_held


class ModelUnpriced(Conflict):
    """A budget in money binds the call, and nobody knows what the model costs."""

    def __init__(self, model: str) -> None:
        super().__init__(
            "model_unpriced",
            f"A budget in money binds you and the price of {model} is not known here. Choose another model, or ask the "
            "operator to give it a price in MADANG_MODEL_PRICES.",
            model=model,
        )


class BudgetNotFound(NotFound):
    """There is no such budget for this account."""

    def __init__(self) -> None:
        super().__init__("budget_not_found", "There is no such budget. Somebody may have deleted it.")


class BudgetExists(Conflict):
    """The subject has a budget of this unit and window already."""

    def __init__(self) -> None:
        super().__init__("budget_exists", "There is a budget in this unit and window already. Change that one.")
