"""What usage does by the clock."""

from datetime import timedelta

from madang.features.usage.service import ledger
from madang.features.usage.settings import load
from madang.kernel import log
from madang.kernel.house import House
from madang.kernel.jobs import Schedule

logger = log.get_logger(__name__)


async def settle(house: House) -> None:
    """Book what workers that died had reserved."""
    booked = await ledger.book_expired(house)
    if booked:
        logger.warning("reservations_expired", calls=booked)


async def turn_months(house: House) -> None:
    """Make room for the coming months, and let go of calls older than the retention."""
    async with house.db.transaction() as tx:
        await ledger.turn_months(tx, load().usage_retention_months)


SCHEDULES = (
    Schedule("usage.settle", timedelta(seconds=10), settle),
    Schedule("usage.months", timedelta(hours=12), turn_months),
)
