"""What usage does beside requests, and by the clock."""

from datetime import timedelta

from madang.features.usage.contracts import FORGET_SUBJECT, ForgetSubject
from madang.features.usage.service import ledger
from madang.features.usage.settings import load
from madang.kernel import log
from madang.kernel.db import LONG_SECONDS, set_statement_timeout
from madang.kernel.house import House
from madang.kernel.jobs import Job, Schedule

logger = log.get_logger(__name__)


async def settle(house: House) -> None:
    """Book what workers that died had reserved."""
    booked = await ledger.book_expired(house)
    if booked:
        logger.warning("reservations_expired", calls=booked)


async def turn_months(house: House) -> None:
    """Make room for the coming months, and let go of calls older than the retention."""
    async with house.db.transaction() as tx:
        await set_statement_timeout(tx, LONG_SECONDS)
        await ledger.turn_months(tx, load().usage_retention_months)


async def forget_subject(house: House, gone: ForgetSubject) -> None:
    """Delete the budgets of who is gone; short, since it holds up all booking."""
    async with house.db.transaction() as tx:
        await ledger.forget_subject(tx, gone.subject_id)


JOBS = (Job(FORGET_SUBJECT, forget_subject, max_attempts=20),)

SCHEDULES = (
    Schedule("usage.settle", timedelta(seconds=10), settle),
    Schedule("usage.months", timedelta(hours=12), turn_months),
)
