"""Waiting for an embedding model that is away: no attempt of anybody's, and asked for by one document at a time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from madang.features.providers.public import ModelTimeout, ModelUnreachable
from madang.kernel.errors import Problem
from madang.kernel.house import House

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0


@dataclass(slots=True)
class Breaker:
    """Of one process: while a document waits for the model, the others wait for that document."""

    _probing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask[T](self, ask: Callable[[], Awaitable[T]], on_away: Callable[[Problem], Awaitable[None]]) -> T:
        """What the model says, however long it is away; `on_away` is told so each time. Raises all else."""
        if not self._probing.locked():
            try:
                return await ask()
            except (ModelUnreachable, ModelTimeout) as away:
                await on_away(away)
        async with self._probing:
            wait = FIRST_WAIT_SECONDS
            while True:
                try:
                    return await ask()
                except (ModelUnreachable, ModelTimeout) as away:
                    await on_away(away)
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)


@asynccontextmanager
async def open_breaker(_house: House) -> AsyncGenerator[Breaker]:
    """The breaker of this process, for `house.resource`."""
    yield Breaker()
