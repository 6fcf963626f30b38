"""What runs do when others tell something."""

from madang.features.accounts.public import AccountDeleted
from madang.features.runs.service.desk import forget_account
from madang.features.runs.service.settling import correct_totals
from madang.features.usage.public import CallsCorrected
from madang.kernel.db import Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House


async def on_account_deleted(_house: House, tx: Tx, event: AccountDeleted) -> None:
    """Let go of the account's runs; a worker that still performs one finds its lease gone."""
    await forget_account(tx, event.account_id)


async def on_calls_corrected(_house: House, tx: Tx, event: CallsCorrected) -> None:
    """Tell what a run took as the ledger does, after a late word about one of its calls."""
    await correct_totals(tx, event.run_id)


CORRECT = Reaction(CallsCorrected, on_calls_corrected)
FORGET = Reaction(AccountDeleted, on_account_deleted)
