"""Admission: an api process takes on what its database connections can serve, and refuses the rest at once.

A request's transaction needs a slot before it needs a connection, so nobody waits in the pool. Requests that write have
fewer slots than there are connections: whatever is asked, reading goes on. Who finds no slot waits in a line that is
bounded in number and in time; the time is foreseen from how fast slots came free, so that who would wait too long is
told so at once, and when to come again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from madang.kernel.db import Tx
from madang.kernel.errors import Unavailable

if TYPE_CHECKING:
    from madang.kernel.auth import Principal
    from madang.kernel.house import House

BESIDE = 1
"""Connections that are left to what a process does beside its requests."""

FIRST_GUESS_SECONDS = 0.01
"""How often a slot comes free, before that was seen."""

SMOOTHING = 0.05


@dataclass(slots=True, eq=False)
class _Waiter:
    is_writing: bool
    turn: asyncio.Future[None]


@dataclass(slots=True)
class Admission:
    """The slots of one process: `slots` in all, of which requests that write take `write_slots` at most."""

    slots: int
    write_slots: int
    longest_line: int
    longest_wait: float
    _taken: int = field(default=0, init=False)
    _writing: int = field(default=0, init=False)
    _line: deque[_Waiter] = field(default_factory=deque[_Waiter], init=False)
    _interval: float = field(default=FIRST_GUESS_SECONDS, init=False)
    _freed_at: float = field(default=0.0, init=False)

    @asynccontextmanager
    async def slot(self, *, is_writing: bool) -> AsyncGenerator[None]:
        """Have a slot while the block runs. Raises `Unavailable` (server_busy)."""
        if self._line or not self._has_room(is_writing=is_writing):
            await self._wait(is_writing=is_writing)
        else:
            self._take(is_writing=is_writing)
        try:
            yield
        finally:
            self._release(is_writing=is_writing)

    def _has_room(self, *, is_writing: bool) -> bool:
        return self._taken < self.slots and not (is_writing and self._writing >= self.write_slots)

    def _take(self, *, is_writing: bool) -> None:
        self._taken += 1
        self._writing += is_writing

    async def _wait(self, *, is_writing: bool) -> None:
        foreseen = (len(self._line) + 1) * self._interval
        if len(self._line) >= self.longest_line or foreseen > self.longest_wait:
            raise _busy(foreseen)
        loop = asyncio.get_running_loop()
        waiter = _Waiter(is_writing, loop.create_future())
        if not self._line:
            self._freed_at = loop.time()
        self._line.append(waiter)
        self._admit()
        try:
            async with asyncio.timeout(self.longest_wait):
                await waiter.turn
        except BaseException as error:
            if waiter.turn.done() and not waiter.turn.cancelled():
                self._release(is_writing=is_writing)
            else:
                self._line.remove(waiter)
                self._admit()
            if isinstance(error, TimeoutError):
                raise _busy(len(self._line) * self._interval) from None
            raise

    def _release(self, *, is_writing: bool) -> None:
        self._taken -= 1
        self._writing -= is_writing
        if self._line:
            now = asyncio.get_running_loop().time()
            self._interval += SMOOTHING * (now - self._freed_at - self._interval)
            self._freed_at = now
            self._admit()

    def _admit(self) -> None:
        """Give free slots to the first in line that may have them; who reads passes writers that must wait."""
        while self._taken < self.slots:
            first = next((one for one in self._line if self._has_room(is_writing=one.is_writing)), None)
            if first is None:
                return
            self._line.remove(first)
            self._take(is_writing=first.is_writing)
            first.turn.set_result(None)


def _busy(seconds: float) -> Unavailable:
    wait = max(1, ceil(seconds))
    return Unavailable(
        "server_busy",
        f"Too many requests came at once. Try again in {wait} s.",
        headers={"Retry-After": str(wait)},
    )


@asynccontextmanager
async def open_admission(house: "House") -> AsyncGenerator[Admission]:
    """The admission of this process, for `house.resource`."""
    settings = house.settings
    slots = max(settings.database_pool - BESIDE, 1)
    yield Admission(slots, max(slots * 3 // 4, 1), settings.admission_queue, settings.admission_wait_seconds)


@asynccontextmanager
async def admitted_transaction(house: "House", who: "Principal", *, is_writing: bool = True) -> AsyncGenerator[Tx]:
    """`house.db.transaction(who)` of a request, once it has a slot. Raises `Unavailable` (server_busy)."""
    admission = await house.resource(open_admission)
    async with admission.slot(is_writing=is_writing), house.db.transaction(who) as tx:
        yield tx
