"""What one process holds: its settings, its connections and what the installed modules offer."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as ValkeyConnectionError
from redis.exceptions import TimeoutError as ValkeyTimeoutError

from madang.kernel.cache import Cache
from madang.kernel.carrier import Carrier
from madang.kernel.db import Database, Delivery, close_engine, open_engine
from madang.kernel.jobs import spawn
from madang.kernel.lock import Locks
from madang.kernel.module import Module, Offers
from madang.kernel.settings import Settings
from madang.kernel.storage import Storage
from madang.kernel.streams import Streams
from madang.kernel.tail import BLOCK_MILLISECONDS

VALKEY_TIMEOUT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class House:
    """The parts that use cases are given. One a process, opened by `open_house`."""

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


@asynccontextmanager
async def open_house(
    settings: Settings,
    modules: Sequence[Module],
    process: str,
    deliver: Callable[[list[Delivery]], None] | None = None,
) -> AsyncGenerator[House]:
    """Open the parts of one process, lazily connected, and close them at the end.

    `deliver` takes what committed transactions announce; Celery carries it to a worker when it is not given.
    """
    async with AsyncExitStack() as stack:
        if deliver is None:
            carrier = Carrier(settings)
            stack.callback(carrier.close)
            deliver = carrier.carry
        engine = open_engine(settings, process)
        stack.push_async_callback(close_engine, engine)
        once = open_engine(settings, process, house=True)
        stack.push_async_callback(close_engine, once)
        valkey = open_valkey(settings)
        stack.push_async_callback(valkey.aclose)
        writing = open_valkey(settings, patience=None)
        stack.push_async_callback(writing.aclose)
        reading = open_valkey(settings, patience=BLOCK_MILLISECONDS / 1000 + VALKEY_TIMEOUT_SECONDS, single=True)
        stack.push_async_callback(reading.aclose)
        retention = settings.stream_retention_hours * 3600
        streams = Streams(
            valkey, writing, reading, settings.key_prefix, retention, min(retention, settings.stream_linger_seconds)
        )
        stack.push_async_callback(streams.close)
        async with AsyncExitStack() as resources:
            yield House(
                settings=settings,
                db=Database(engine, once, deliver, strict=settings.environment != "production"),
                valkey=valkey,
                storage=Storage(settings),
                cache=Cache(valkey, settings.key_prefix),
                locks=Locks(valkey, settings.key_prefix),
                streams=streams,
                offers=Offers(modules),
                deliver=deliver,
                _stack=resources,
            )


def open_valkey(settings: Settings, *, patience: float | None = VALKEY_TIMEOUT_SECONDS, single: bool = False) -> Redis:
    """A client; `patience` is the longest wait for one reply in seconds, None for ever.

    A `single` one has one connection and repeats nothing, so that its owner sees when that connection is another.
    """
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves its options untyped
        settings.valkey_url.get_secret_value(),
        socket_timeout=patience,
        socket_connect_timeout=3,
        socket_keepalive=True,
        single_connection_client=single,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 0 if single else 1),
        retry_on_error=[ValkeyConnectionError, ValkeyTimeoutError],
        max_connections=200,
    )
