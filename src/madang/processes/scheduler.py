"""The scheduler: what the clock asks for, by one leader at a time."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from redis.exceptions import RedisError
from sqlalchemy import text

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.kernel import log
from madang.kernel.house import House
from madang.kernel.jobs import Schedule
from madang.kernel.outbox import sweep
from madang.kernel.settings import load
from madang.processes.memory import settle

logger = log.get_logger(__name__)

LEADER = "scheduler"
LEAD_SECONDS = 6.0
LOOK_SECONDS = 1.0

_BEAT = text("SELECT supervisor.beat()")


async def beat(house: House) -> None:
    """Write that PostgreSQL answers, by its own clock; see `madang.kernel.heartbeat`."""
    async with house.db.transaction() as tx:
        await tx.execute(_BEAT)


async def _sweep(house: House) -> None:
    await sweep(house)


SWEEP = Schedule("kernel.sweep", timedelta(seconds=1), _sweep)
BEAT = Schedule("kernel.beat", timedelta(seconds=1), beat)


def _guarded(house: House, schedule: Schedule) -> Callable[[], Awaitable[None]]:
    """The schedule's work; an error is logged and the next time comes all the same."""

    async def run() -> None:
        try:
            await schedule.handler(house)
        except Exception as error:  # noqa: BLE001  # the clock goes on whatever a handler raises
            logger.warning("schedule_failed", schedule=schedule.name, error=str(error).splitlines()[:1])

    return run


async def lead(house: House, schedules: list[Schedule]) -> None:
    """Hold the lead and do the work for as long as it can be held."""
    clock = AsyncIOScheduler(
        timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    for schedule in schedules:
        clock.add_job(_guarded(house, schedule), "interval", seconds=schedule.every.total_seconds(), id=schedule.name)
    clock.start()
    try:
        await _hold(house)
    finally:
        clock.shutdown(wait=False)


async def _hold(house: House) -> None:
    while True:
        if not await house.locks.extend(LEADER, LEAD_SECONDS):
            return
        await asyncio.sleep(LOOK_SECONDS)


async def serve() -> None:
    """Stand by, lead when nobody does, and stand by again when the lead is lost; until cancelled."""
    modules = installed()
    schedules = [BEAT, SWEEP, *(schedule for module in modules for schedule in module.schedules())]
    async with open_house(load(), modules, "scheduler") as house:
        settle()
        try:
            while True:
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    if await house.locks.acquire(LEADER, LEAD_SECONDS):
                        logger.info("leading")
                        await lead(house, schedules)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                await house.locks.release(LEADER)


async def _until_told() -> None:
    """Serve until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    work = loop.create_task(serve())
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


def main() -> None:
    """`madang scheduler`."""
    settings = load()
    log.configure(settings.log_level, settings.log_style, "scheduler")
    asyncio.run(_until_told())


if __name__ == "__main__":
    main()
