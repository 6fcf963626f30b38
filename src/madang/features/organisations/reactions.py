"""What organisations does when others tell something."""

from madang.features.accounts.public import AccountDeleted
from madang.features.organisations.service.ownership import let_go
from madang.kernel.db import Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House


async def on_account_deleted(_house: House, tx: Tx, event: AccountDeleted) -> None:
    """Let go of the account's memberships."""
    await let_go(tx, event.account_id)


REACTIONS = (Reaction(AccountDeleted, on_account_deleted),)
