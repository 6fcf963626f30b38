"""What accounts does by the clock."""

from datetime import timedelta

from madang.features.accounts.contracts import WRITE
from madang.features.accounts.service.leaving import finish_due
from madang.features.accounts.service.recovery import write
from madang.features.accounts.service.signing_in import forget_ended
from madang.kernel.db import LONG_SECONDS, set_statement_timeout
from madang.kernel.house import House
from madang.kernel.jobs import Job, Schedule


async def tidy(house: House) -> None:
    """Let go of sign-ins that ended long ago."""
    async with house.db.transaction() as tx:
        await set_statement_timeout(tx, LONG_SECONDS)
        await forget_ended(tx)


async def finish_leaving(house: House) -> None:
    """Delete for good the accounts whose days of grace have passed."""
    await finish_due(house)


SCHEDULES = (
    Schedule("accounts.tidy", timedelta(hours=6), tidy),
    Schedule("accounts.leave", timedelta(minutes=10), finish_leaving),
)

JOBS = (Job(WRITE, write, max_attempts=12),)
