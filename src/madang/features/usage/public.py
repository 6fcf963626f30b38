"""The door of usage: who pays, what a call takes, and whether it may."""

import importlib
from typing import TYPE_CHECKING

from madang.features.usage.contracts import (
    FREE,
    HOUSE_SPENDS,
    BudgetExhausted,
    BudgetReached,
    Call,
    CallsCorrected,
    Metering,
    ModelUnpriced,
    Price,
    RunTotals,
    Spender,
    Totals,
    tool_call,
)
from madang.features.usage.queries import run_totals
from madang.features.usage.service.ledger import book_unwritten
from madang.features.usage.service.meter import booked, metered
from madang.features.usage.service.rates import limit_questions
from madang.features.usage.service.tallies import Tally, tallied
from madang.features.usage.settings import usage_months

if TYPE_CHECKING:
    from collections.abc import Callable

    from madang.kernel.db import Tx
    from madang.kernel.house import House

__all__ = [
    "FREE",
    "HOUSE_SPENDS",
    "BudgetExhausted",
    "BudgetReached",
    "Call",
    "CallsCorrected",
    "Metering",
    "ModelUnpriced",
    "Price",
    "RunTotals",
    "Spender",
    "Tally",
    "Totals",
    "book_unwritten",
    "booked",
    "limit_questions",
    "metered",
    "require_budget",
    "run_totals",
    "tallied",
    "tool_call",
    "usage_months",
]


async def require_budget(house: "House", tx: "Tx", spender: Spender, price_of: "Callable[[], Price | None]") -> None:
    """See `service.budgets`. It is imported by the first call: workers and schedulers never ask."""
    await importlib.import_module("madang.features.usage.service.budgets").require_budget(house, tx, spender, price_of)
