"""What organisations does when others tell something."""

from madang.features.accounts.public import AccountDeleted
from madang.features.organisations.contracts import MemberJoined, MemberLeft
from madang.features.organisations.service.ownership import let_go
from madang.features.organisations.service.scim import settling
from madang.kernel.db import Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House


async def on_account_deleted(_house: House, tx: Tx, event: AccountDeleted) -> None:
    """Let go of the account's memberships."""
    await let_go(tx, event.account_id)
    await settling.forget(tx, event.account_id)


async def on_member_joined(_house: House, tx: Tx, event: MemberJoined) -> None:
    """Look whether the organisation's other system names the newcomer."""
    await settling.on_joined(tx, event.account_id, event.scope_path[0])


async def on_member_left(_house: House, tx: Tx, event: MemberLeft) -> None:
    """Bring nobody back who left by themselves."""
    if len(event.scope_path) == 1:
        await settling.on_left(tx, event.account_id, event.scope_id)


REACTIONS = (
    Reaction(AccountDeleted, on_account_deleted),
    Reaction(MemberJoined, on_member_joined),
    Reaction(MemberLeft, on_member_left),
)
