"""Letters of a house, written as its worker does."""

import msgspec
from sqlalchemy import text

from madang.features.accounts.contracts import WRITE, LetterWanted
from madang.features.accounts.service import recovery
from madang.kernel.house import House

TAKE = text("DELETE FROM supervisor.outbox WHERE name = :name RETURNING payload")


async def forget_letters(house: House) -> None:
    """No letter of another test waits any more."""
    async with house.db.transaction() as tx:
        await tx.execute(TAKE, {"name": WRITE.name})


async def deliver(house: House) -> int:
    """Write the letters that are wanted; how many there were."""
    async with house.db.transaction() as tx:
        found = (await tx.scalars(TAKE, {"name": WRITE.name})).all()
    for payload in found:
        await recovery.write(house, msgspec.convert(payload, LetterWanted))
    return len(found)
