"""A worker of its own process for the tests: it takes on all that is due, some of which kills it."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass

from madang.adapters.opening import open_house
from madang.kernel.db import Delivery
from madang.kernel.events import Reactions
from madang.kernel.house import House
from madang.kernel.jobs import Job, JobKind, by_name
from madang.kernel.outbox import sweep
from madang.kernel.settings import Settings
from madang.processes.dispatcher import Deliverer


@dataclass(frozen=True)
class Sip:
    number: int


POISON = JobKind("test.poison", Sip)
DRUDGERY = JobKind("test.drudgery", Sip)
POISON_ATTEMPTS = 2
BREATHS = 20


async def swallow(_house: House, _sip: Sip) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def drudge(_house: House, _sip: Sip) -> None:
    for _ in range(BREATHS):
        await asyncio.sleep(0.01)


JOBS = (Job(POISON, swallow, max_attempts=POISON_ATTEMPTS), Job(DRUDGERY, drudge, max_attempts=POISON_ATTEMPTS))


async def live(settings: Settings) -> None:
    """Take on what is due, and end when all of it is done."""
    found: list[Delivery] = []
    async with open_house(settings, [], "victim", found.extend) as house:
        worker = Deliverer(house, by_name(JOBS), Reactions([]))
        await sweep(house)
        for delivery in sorted(found, key=lambda one: one.name):
            worker.take(delivery)
        while working := {task for task in asyncio.all_tasks() if task.get_name().startswith("job:")}:
            await asyncio.wait(working)


if __name__ == "__main__":
    asyncio.run(live(Settings(**json.load(sys.stdin))))
