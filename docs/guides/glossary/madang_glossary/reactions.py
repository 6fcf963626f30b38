"""What the glossary does when others tell something."""

from madang.features.accounts.public import AccountRegistered
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House
from madang_glossary.service import terms

MEANING = "The courtyard that every room of a Korean house opens onto."


async def welcome(house: House, tx: Tx, event: AccountRegistered) -> None:
    """Everybody begins with one word. `tx` also strikes the announcement off, so this happens once."""
    await terms.explain(tx, Principal(event.account_id), "madang", MEANING)


REACTIONS = (Reaction(AccountRegistered, welcome),)
