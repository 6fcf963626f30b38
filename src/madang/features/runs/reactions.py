"""What runs do when others tell something."""

from madang.features.accounts.public import AccountDeleted
from madang.features.runs.service.desk import forget_account
from madang.kernel.db import Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House


async def on_account_deleted(_house: House, tx: Tx, event: AccountDeleted) -> None:
    """Let go of the account's runs; a worker that still performs one finds its lease gone."""
    await forget_account(tx, event.account_id)


FORGET = Reaction(AccountDeleted, on_account_deleted)
