"""What organisations does by the clock."""

from datetime import timedelta

from madang.features.organisations.service.scopes import purge
from madang.kernel.house import House
from madang.kernel.jobs import Schedule


async def remove_for_good(house: House) -> None:
    """Remove what was deleted and whose days to be restored have passed."""
    await purge(house)


SCHEDULES = (Schedule("organisations.remove_for_good", timedelta(hours=1), remove_for_good),)
