"""Opening what one process holds: PostgreSQL, Valkey, Celery and files behind the kernel's ports."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as ValkeyConnectionError
from redis.exceptions import TimeoutError as ValkeyTimeoutError

from madang.adapters.celery_carrier import Carrier
from madang.adapters.postgres import close_engine, open_engine
from madang.adapters.valkey_streams import ValkeyStreams
from madang.adapters.valkey_tail import BLOCK_MILLISECONDS
from madang.kernel.cache import Cache
from madang.kernel.db import Database, Delivery
from madang.kernel.house import House
from madang.kernel.lock import Locks
from madang.kernel.module import Module, Offers
from madang.kernel.settings import Settings
from madang.kernel.storage import Storage

VALKEY_TIMEOUT_SECONDS = 5


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
        streams = ValkeyStreams(
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
