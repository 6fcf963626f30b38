"""What chat does when others tell something."""

from madang.features.accounts.public import AccountDeleted
from madang.features.chat.service.answers import take_answer
from madang.features.chat.service.sessions import forget_account
from madang.features.runs.public import RunEnded
from madang.kernel.db import Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House


async def on_run_ended(_house: House, tx: Tx, event: RunEnded) -> None:
    """Store the answer as a message."""
    await take_answer(tx, event)


async def on_account_deleted(_house: House, tx: Tx, event: AccountDeleted) -> None:
    """Let go of the account's conversations."""
    await forget_account(tx, event.account_id)


REACTIONS = (Reaction(RunEnded, on_run_ended, at_last=True), Reaction(AccountDeleted, on_account_deleted))
