"""What accounts does by the clock."""

from datetime import timedelta

from madang.features.accounts.service.signing_in import forget_ended
from madang.kernel.house import House
from madang.kernel.jobs import Schedule


async def tidy(house: House) -> None:
    """Let go of sign-ins that ended long ago."""
    async with house.db.transaction() as tx:
        await forget_ended(tx)


SCHEDULES = (Schedule("accounts.tidy", timedelta(hours=6), tidy),)
