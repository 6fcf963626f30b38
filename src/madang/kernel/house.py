"""What one process holds: its settings, its connections and what the installed modules offer."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from madang.kernel.cache import Cache
from madang.kernel.db import Database, Delivery
from madang.kernel.jobs import spawn
from madang.kernel.lock import Locks
from madang.kernel.module import Offers
from madang.kernel.settings import Settings
from madang.kernel.storage import Storage
from madang.kernel.streams import Streams


@dataclass(frozen=True, slots=True)
class House:
    """The parts that use cases are given. One a process, opened by `madang.adapters.opening`."""

    settings: Settings
    db: Database
    valkey: Redis
    storage: Storage
    cache: Cache
    locks: Locks
    streams: Streams
    offers: Offers
    deliver: Callable[[list[Delivery]], None]
    _stack: AsyncExitStack
    _resources: "dict[Callable[..., Any], asyncio.Task[Any]]" = field(default_factory=dict)

    def opened[T](self, open_it: "Callable[[House], AbstractAsyncContextManager[T]]") -> T | None:
        """What `resource` has opened by now, without waiting."""
        opening = self._resources.get(open_it)
        if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
            return None
        found: T = opening.result()
        return found

    async def resource[T](self, open_it: "Callable[[House], AbstractAsyncContextManager[T]]") -> T:
        """What `open_it` opens, once for the process and closed with it; the same object at every call."""
        opening = self._resources.get(open_it)
        if opening is None:
            opening = self._resources[open_it] = spawn(self._stack.enter_async_context(open_it(self)), "resource")
        try:
            found: T = await asyncio.shield(opening)
            return found
        except BaseException:
            failed = opening.done() and (opening.cancelled() or opening.exception() is not None)
            if failed and self._resources.get(open_it) is opening:
                del self._resources[open_it]
            raise

    def has_opened(self, open_it: "Callable[[House], AbstractAsyncContextManager[Any]]") -> bool:
        """Whether anybody has asked for this resource."""
        return open_it in self._resources
