"""Values that may be forgotten at any moment, in Valkey."""

from collections.abc import Awaitable, Callable
from typing import cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from madang.kernel import log

logger = log.get_logger(__name__)


class Cache:
    """The cache. Keys are free text; values are anything msgspec can encode; times are in seconds.

    When Valkey is away nothing is found and nothing is kept, and that is logged.
    """

    def __init__(self, valkey: Redis, prefix: str) -> None:
        self._valkey = valkey
        self._prefix = f"{prefix}:cache:"

    async def get[T](self, key: str, kind: type[T]) -> T | None:
        """The value, or None when it is not there or is of another shape by now."""
        try:
            found = await self._valkey.get(self._prefix + key)
        except RedisError as error:
            logger.warning("cache_away", error=str(error))
            return None
        if found is None:
            return None
        try:
            return msgspec.msgpack.decode(cast("bytes", found), type=kind)
        except msgspec.DecodeError:
            return None

    async def set(self, key: str, value: object, ttl: float) -> None:
        """Keep the value for `ttl` seconds."""
        try:
            await self._valkey.set(self._prefix + key, msgspec.msgpack.encode(value), px=max(1, round(ttl * 1000)))
        except RedisError as error:
            logger.warning("cache_away", error=str(error))

    async def delete(self, *keys: str) -> None:
        """Forget the values. Raises `RedisError` when Valkey is away, since a stale value might stay."""
        await self._valkey.delete(*(self._prefix + key for key in keys))

    async def get_or_make[T](self, key: str, kind: type[T], ttl: float, make: Callable[[], Awaitable[T]]) -> T:
        """The value, made and kept when it is not there."""
        found = await self.get(key, kind)
        if found is not None:
            return found
        made = await make()
        await self.set(key, made, ttl)
        return made
