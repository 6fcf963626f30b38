"""A clock for promises about time: it stands still while the machine lets this process do nothing."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from madang.kernel.jobs import spawn

TICK_SECONDS = 0.01


class Clock:
    """Seconds since it was made, less those in which nothing could run."""

    def __init__(self) -> None:
        self._began = self._ticked = time.monotonic()
        self._stalled = 0.0

    def seconds(self) -> float:
        """What has passed for this process."""
        at = time.monotonic()
        return at - self._began - self._stalled - max(0.0, at - self._ticked - 2 * TICK_SECONDS)

    async def run(self) -> None:
        """Look at the time again and again; whatever is missed in between was a stall."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            at = time.monotonic()
            self._stalled += max(0.0, at - self._ticked - 2 * TICK_SECONDS)
            self._ticked = at


@asynccontextmanager
async def ticking() -> AsyncGenerator[Clock]:
    """A clock that runs during the block."""
    clock = Clock()
    task = spawn(clock.run(), "clock")
    try:
        yield clock
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
