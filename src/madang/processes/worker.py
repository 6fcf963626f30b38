"""The worker: answers and other long work, on one asyncio loop beside Celery's consumer."""

import asyncio
import contextlib
import os
import socket
import threading
from typing import Any

import uvloop
from redis.exceptions import RedisError

from madang.adapters.celery_carrier import Carrier, celery_app
from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.agents.public import warm_up
from madang.features.operations.public import hand_in, report_alive, report_gone
from madang.kernel import log
from madang.kernel.db import Delivery
from madang.kernel.events import Reactions
from madang.kernel.house import House
from madang.kernel.jobs import by_name
from madang.kernel.mail import JOBS as MAIL_JOBS
from madang.kernel.settings import load
from madang.processes.dispatcher import Deliverer
from madang.processes.memory import settle

logger = log.get_logger(__name__)

BEAT_SECONDS = 2.0
END_SECONDS = 8.0


class Loop:
    """The asyncio loop of this worker, in a thread of its own; Celery's consumer keeps the main one."""

    def __init__(self) -> None:
        self._deliverer: Deliverer | None = None
        self._loop = uvloop.new_event_loop()
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)

    def start(self) -> None:
        """Start and wait until deliveries can be taken."""
        self._thread.start()
        self._ready.wait()

    def take(self, delivery: Delivery) -> None:
        """Hand a delivery over, from any thread."""
        if self._deliverer is not None:
            self._loop.call_soon_threadsafe(self._deliverer.take, delivery)

    def stop(self) -> None:
        """Cancel what runs, so that it gives its leases back, and end."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        """Live; when that fails, end the whole process, which would otherwise take deliveries and do nothing."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
        except Exception:
            logger.exception("worker_failed")
            os._exit(1)

    async def _live(self) -> None:
        settings, modules = load(), installed()
        carrier = Carrier(settings)

        def deliver(deliveries: list[Delivery]) -> None:
            """Events of this worker's own transactions need no broker; jobs go to whoever has a place."""
            for delivery in deliveries:
                if delivery.kind == "event" and self._deliverer is not None:
                    self._deliverer.take(delivery)
                else:
                    carrier.carry([delivery])

        async with open_house(settings, modules, "worker", deliver) as house:
            jobs = by_name([*MAIL_JOBS, *(job for module in modules for job in module.jobs())])
            reactions = Reactions([reaction for module in modules for reaction in module.reactions()])
            await warm_up(house)
            self._deliverer = Deliverer(house, jobs, reactions)
            beat = self._loop.create_task(_beat(house))
            settle()
            self._ready.set()
            await self._end.wait()
            beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beat
            self._deliverer.lanes.close()
            await _cancel_all(self._loop)
        carrier.close()


async def _beat(house: House) -> None:
    """Say that this worker is alive, for /health."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    try:
        while True:
            with contextlib.suppress(RedisError, OSError):
                await report_alive(house, name)
                await hand_in(house)
            await asyncio.sleep(BEAT_SECONDS)
    finally:
        with contextlib.suppress(RedisError, OSError):
            await report_gone(house, name)
            await hand_in(house)


async def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    this = asyncio.current_task()
    others = [task for task in asyncio.all_tasks(loop) if task is not this and _is_work(task)]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=END_SECONDS - 3)


def _is_work(task: asyncio.Task[Any]) -> bool:
    return task.get_name().startswith(("job:", "event:"))


def consume(loop: Loop) -> None:
    """Run Celery's consumer in this thread until SIGTERM or SIGINT."""
    app = celery_app(load(), loop.take)
    consumer = app.Worker(quiet=True, pool="solo", without_gossip=True, without_mingle=True, without_heartbeat=True)
    consumer.start()


def main() -> None:
    """`madang worker`."""
    settings = load()
    log.configure(settings.log_level, settings.log_style, "worker")
    loop = Loop()
    loop.start()
    try:
        consume(loop)
    finally:
        loop.stop()


if __name__ == "__main__":
    main()
