"""Slowing down whoever guesses, without a way to lock somebody else out.

Failures are counted for (address, account), for the address alone, and for the account: apart for addresses that it
was signed in from before and for all others, so that strangers use up only what strangers have. An attempt counts as a
failure from its start, so that a hundred at the same time are a hundred; success takes it back. When Valkey is away
nobody is slowed down, and that is logged.
"""

import asyncio
import hashlib
import ipaddress
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from madang.features.accounts import settings
from madang.kernel import log
from madang.kernel.clock import now
from madang.kernel.errors import TooMany
from madang.kernel.house import House

logger = log.get_logger(__name__)

PATIENCE_SECONDS = 1.0
AT_ONCE = 16
"""How much one process asks of Valkey at the same time. The rest waits: a flood must not look like Valkey's absence."""

STRANGE_ATTEMPTS = 50
KNOWN_ATTEMPTS = 100
"""Failed passwords that one account bears from everywhere else, and from where it was signed in before."""
STEADY_SECONDS = 3600
"""So many come back over this time, one by one, so that the door never shuts for long."""
WELCOME_SECONDS = 3600
"""How long whoever chose a password by mail is known where they did."""

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
COUNT_STEADILY = """
local moment, step = tonumber(ARGV[3]), tonumber(ARGV[2]) * 1000 / tonumber(ARGV[1])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), moment) + step
local wait = full - moment - tonumber(ARGV[2]) * 1000
if wait > 0.5 then return math.ceil(wait / 1000) end
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - moment))
return 0
"""
"""A bucket that leaks (GCRA): kept is the moment, in milliseconds, at which everything has come back."""
TAKE_BACK_STEADILY = """
local moment, step = tonumber(ARGV[3]), tonumber(ARGV[2]) * 1000 / tonumber(ARGV[1])
local full = tonumber(redis.call('GET', KEYS[1]) or '0') - step
if full <= moment then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - moment))
return 0
"""


@dataclass(frozen=True, slots=True)
class Counter:
    """What failures are counted for, and how many may happen in a window (seconds; that of the settings if None).

    A window begins with the first failure and ends for all; a `steady` one gives them back one by one.
    """

    subject: str
    limit: int
    window: int | None = None
    steady: bool = False


def place(address: str) -> str:
    """What counts as one client's address: of IPv6 the network (/64), which every client has to itself."""
    try:
        at = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(at, ipaddress.IPv4Address):
        return str(at)
    return str(at.ipv4_mapped or ipaddress.ip_network((at, 64), strict=False))


def counters(address: str, account: str | None = None) -> Sequence[Counter]:
    """The counters that an attempt from `address` to `account` (a normal e-mail address) touches."""
    chosen, at = settings.load(), place(address)
    own = [Counter(f"{at} {account}", chosen.sign_in_attempts)] if account is not None else []
    return [*own, Counter(at, chosen.sign_in_address_attempts)]


async def lane(house: House, address: str, account: str, known: Iterable[str]) -> Sequence[Counter]:
    """The counter of a whole account that an attempt from `address` touches.

    It is that of everybody, unless `address` is one of the `known` ones, which the account was signed in from.
    """
    at = place(address)
    if at in {place(one) for one in known} or await _is_welcome(house, at, account):
        return [Counter(f"known clients of {account}", KNOWN_ATTEMPTS, STEADY_SECONDS, steady=True)]
    return [Counter(f"strangers to {account}", STRANGE_ATTEMPTS, STEADY_SECONDS, steady=True)]


@asynccontextmanager
async def attempt(house: House, touched: Sequence[Counter]) -> AsyncGenerator[None]:
    """Count a failure before the block and take it back when the block ends well.

    Raises `TooMany` with `Retry-After` in seconds instead of entering it when there were too many.
    """
    await count(house, touched)
    yield
    for counter in touched:
        await _run(house, TAKE_BACK_STEADILY if counter.steady else TAKE_BACK, counter)


async def count(house: House, touched: Sequence[Counter]) -> None:
    """Count one for each; raises `TooMany` with `Retry-After` in seconds when there were too many."""
    for counter in touched:
        wait = await _run(house, COUNT_STEADILY if counter.steady else COUNT, counter)
        if wait:
            minutes = -(-wait // 60)
            detail = f"Too many attempts did not work. Try again in {minutes} minute{'s'[: minutes > 1]}."
            raise TooMany("too_many_attempts", detail, headers={"Retry-After": str(wait)})


async def welcome(house: House, address: str, account: str) -> None:
    """Let whoever just proved by mail that the account is theirs sign in from `address`, whoever guesses meanwhile."""
    at = place(address)
    own = Counter(f"{at} {account}", 0)
    try:
        async with await house.resource(open_gate), asyncio.timeout(PATIENCE_SECONDS):
            await house.valkey.delete(_key(house, "attempts", own.subject))
            await house.valkey.set(_key(house, "welcome", own.subject), b"1", ex=WELCOME_SECONDS)
    except (RedisError, OSError, TimeoutError) as error:
        logger.warning("throttle_away", error=str(error))


async def _is_welcome(house: House, at: str, account: str) -> bool:
    try:
        async with await house.resource(open_gate), asyncio.timeout(PATIENCE_SECONDS):
            return bool(await house.valkey.exists(_key(house, "welcome", f"{at} {account}")))
    except (RedisError, OSError, TimeoutError) as error:
        logger.warning("throttle_away", error=str(error))
        return False


async def _run(house: House, script: str, counter: Counter) -> int:
    window = counter.window or settings.load().sign_in_window_minutes * 60
    key = _key(house, "attempts", counter.subject)
    try:
        async with await house.resource(open_gate), asyncio.timeout(PATIENCE_SECONDS):
            moment = int(now().timestamp() * 1000)
            answer: Any = await house.valkey.eval(script, 1, key, counter.limit, window, moment)
            return int(answer)
    except (RedisError, OSError, TimeoutError) as error:
        logger.warning("throttle_away", error=str(error))
        return 0


@asynccontextmanager
async def open_gate(_house: House) -> AsyncGenerator[asyncio.Semaphore]:
    """The gate of this process; use it through `house.resource(open_gate)`."""
    yield asyncio.Semaphore(AT_ONCE)


def _key(house: House, what: str, subject: str) -> str:
    return f"{house.settings.key_prefix}:{what}:{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
