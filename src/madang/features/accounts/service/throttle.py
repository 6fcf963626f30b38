"""Slowing down whoever guesses, without a way to lock somebody else out.

Failures are counted for (address, account) and for the address alone, never for an account alone. An attempt counts
as a failure from its start, so that a hundred at the same time are a hundred; success takes it back. When Valkey is
away nobody is slowed down, and that is logged.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from madang.features.accounts import settings
from madang.kernel import log
from madang.kernel.errors import TooMany
from madang.kernel.house import House

logger = log.get_logger(__name__)

PATIENCE_SECONDS = 1.0

COUNT = """
local seen = redis.call('INCR', KEYS[1])
if seen == 1 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
if seen <= tonumber(ARGV[1]) then return 0 end
local left = redis.call('TTL', KEYS[1])
if left < 1 then redis.call('EXPIRE', KEYS[1], ARGV[2]); left = tonumber(ARGV[2]) end
return left
"""
TAKE_BACK = """
if tonumber(redis.call('GET', KEYS[1]) or '0') > 0 then return redis.call('DECR', KEYS[1]) end
return 0
"""


@dataclass(frozen=True, slots=True)
class Counter:
    """What failures are counted for, and how many may happen in a window (seconds; that of the settings if None)."""

    subject: str
    limit: int
    window: int | None = None


def counters(address: str, account: str | None = None) -> Sequence[Counter]:
    """The counters that an attempt from `address` to `account` (a normal e-mail address) touches."""
    chosen = settings.load()
    own = [Counter(f"{address} {account}", chosen.sign_in_attempts)] if account is not None else []
    return [*own, Counter(address, chosen.sign_in_address_attempts)]


@asynccontextmanager
async def attempt(house: House, touched: Sequence[Counter]) -> AsyncGenerator[None]:
    """Count a failure before the block and take it back when the block ends well.

    Raises `TooMany` with `Retry-After` in seconds instead of entering it when there were too many.
    """
    await count(house, touched)
    yield
    for counter in touched:
        await _run(house, TAKE_BACK, counter)


async def count(house: House, touched: Sequence[Counter]) -> None:
    """Count one for each; raises `TooMany` with `Retry-After` in seconds when there were too many."""
    window = settings.load().sign_in_window_minutes * 60
    for counter in touched:
        wait = await _run(house, COUNT, counter, counter.limit, counter.window or window)
        if wait:
            minutes = -(-wait // 60)
            detail = f"Too many attempts did not work. Try again in {minutes} minute{'s'[: minutes > 1]}."
            raise TooMany("too_many_attempts", detail, headers={"Retry-After": str(wait)})


async def _run(house: House, script: str, counter: Counter, *arguments: int) -> int:
    digest = hashlib.sha256(counter.subject.encode()).hexdigest()[:32]
    key = f"{house.settings.key_prefix}:attempts:{digest}"
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer: Any = await house.valkey.eval(script, 1, key, *arguments)
            return int(answer)
    except (RedisError, OSError, TimeoutError) as error:
        logger.warning("throttle_away", error=str(error))
        return 0
