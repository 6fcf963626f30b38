"""What usage does when others tell something."""

from madang.features.accounts.public import AccountDeleted
from madang.features.organisations.public import ScopeDeleted
from madang.features.usage.contracts import FORGET_SUBJECT, BudgetReached, ForgetSubject
from madang.features.usage.service import alerts
from madang.kernel.db import Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House


async def on_account_deleted(_house: House, tx: Tx, event: AccountDeleted) -> None:
    """Let go of the account's budgets. Its calls stay written under an id that says nothing any more.

    In a transaction of its own: deleting a budget keeps everybody else from booking, and this one goes on for long.
    """
    await tx.enqueue(FORGET_SUBJECT, ForgetSubject(event.account_id))


async def on_scope_deleted(_house: House, tx: Tx, event: ScopeDeleted) -> None:
    """Let go of the scope's budgets, in a transaction of its own as well."""
    await tx.enqueue(FORGET_SUBJECT, ForgetSubject(event.scope_id))


async def on_budget_reached(house: House, tx: Tx, event: BudgetReached) -> None:
    """Write to those who can change the budget."""
    await alerts.write(house, tx, event)


REACTIONS = (
    Reaction(AccountDeleted, on_account_deleted),
    Reaction(ScopeDeleted, on_scope_deleted),
    Reaction(BudgetReached, on_budget_reached),
)
