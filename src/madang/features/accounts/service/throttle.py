"""Slowing down whoever guesses, without a way to lock somebody else out.

Failures are counted for (address, account), for the address alone, and for the account: apart for addresses that it
was signed in from before and for all others, so that strangers use up only what strangers have; a browser that somebody
signed in with before has a few of its own. An attempt counts as a failure from its start, so that a hundred at the same
time are a hundred; success takes it back. Every process counts along by itself, and that decides while Valkey is away.
"""

import asyncio
import hashlib
import ipaddress
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from prometheus_client import Counter as Metric
from redis.asyncio import Redis
from redis.exceptions import RedisError

from madang.features.accounts import settings
from madang.features.accounts.service.spare import Spare
from madang.kernel import log
from madang.kernel.clock import now
from madang.kernel.errors import TooMany
from madang.kernel.house import House
from madang.kernel.telemetry import REGISTRY

logger = log.get_logger(__name__)

PATIENCE_SECONDS = 1.0
AT_ONCE = 16
"""How much one process asks of Valkey at the same time. The rest waits: a flood must not look like Valkey's absence."""

STRANGE_ATTEMPTS = 50
KNOWN_ATTEMPTS = 100
"""Failed passwords that one account bears from everywhere else, and from where it was signed in before."""
BROWSER_ATTEMPTS = 5
"""Failed passwords that one known browser bears, before it is a client like others; a thief of its cookie has them."""
STEADY_SECONDS = 3600
"""So many come back over this time, one by one, so that the door never shuts for long."""
WELCOME_SECONDS = 3600
"""How long whoever chose a password by mail is known where they did."""

type Kind = Literal["pair", "address", "strangers", "known", "browser", "other"]
"""What a counter is for, as the metrics say it: of a pair of address and account, of one address, of an account."""

REFUSED = Metric("madang_attempts_refused", "Attempts refused after too many.", ("counter",), registry=REGISTRY)

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
    kind: Kind = "other"

    @property
    def seconds(self) -> int:
        """The window."""
        return self.window or settings.load().sign_in_window_minutes * 60


@dataclass(slots=True)
class _Gate:
    """What this process has at Valkey, and what it counted itself."""

    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    spare: Spare = field(default_factory=Spare)


@dataclass(frozen=True, slots=True)
class _Counted:
    """Where an attempt was counted: in this process, in Valkey, or in both."""

    counter: Counter
    here: bool
    there: bool


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
    own = [Counter(f"{at} {account}", chosen.sign_in_attempts, kind="pair")] if account is not None else []
    return [*own, Counter(at, chosen.sign_in_address_attempts, kind="address")]


async def lane(house: House, address: str, account: str, known: Iterable[str]) -> Counter:
    """The counter of a whole account that an attempt from `address` touches.

    It is that of everybody, unless `address` is one of the `known` ones, which the account was signed in from. An empty
    one, of a client who cannot be told from others, is none of them.
    """
    at = place(address)
    if not at:
        return _strangers(account)
    if at in {place(one) for one in known} or await _is_welcome(house, at, account):
        return Counter(f"known clients of {account}", KNOWN_ATTEMPTS, STEADY_SECONDS, steady=True, kind="known")
    return _strangers(account)


def _strangers(account: str) -> Counter:
    return Counter(f"strangers to {account}", STRANGE_ATTEMPTS, STEADY_SECONDS, steady=True, kind="strangers")


def browser_lane(login_id: UUID) -> Counter:
    """The counter of a browser that this sign-in makes known, wherever it is."""
    return Counter(f"browser of {login_id}", BROWSER_ATTEMPTS, STEADY_SECONDS, steady=True, kind="browser")


@asynccontextmanager
async def attempt(house: House, touched: Sequence[Counter]) -> AsyncGenerator[None]:
    """Count a failure before the block and take it back when the block ends well.

    Raises `TooMany` with `Retry-After` in seconds instead of entering it when there were too many.
    """
    counted = await _count(house, touched)
    yield
    for one in counted:
        await _take_back(house, one)


async def count(house: House, touched: Sequence[Counter]) -> None:
    """Count one for each; raises `TooMany` with `Retry-After` in seconds when there were too many."""
    await _count(house, touched)


async def _count(house: House, touched: Sequence[Counter]) -> list[_Counted]:
    counted: list[_Counted] = []
    for counter in touched:
        wait, one = await _count_one(house, counter)
        if wait:
            REFUSED.labels(counter.kind).inc()
            minutes = -(-wait // 60)
            detail = f"Too many attempts did not work. Try again in {minutes} minute{'s'[: minutes > 1]}."
            raise TooMany("too_many_attempts", detail, headers={"Retry-After": str(wait)})
        counted.append(one)
    return counted


async def _count_one(house: House, counter: Counter) -> tuple[int, _Counted]:
    """For how many seconds to wait, and where it was counted. Valkey decides, and this process where Valkey is away."""
    gate, key, moment = await house.resource(open_gate), _key(house, "attempts", counter.subject), _milliseconds()
    wait_here = gate.spare.count(key, counter.limit, counter.seconds, moment)
    try:
        script = COUNT_STEADILY if counter.steady else COUNT
        given = (counter.limit, counter.seconds, moment)
        wait = int(await _ask(house, lambda valkey: valkey.eval(script, 1, key, *given)))
    except _AwayError:
        return wait_here, _Counted(counter, here=not wait_here, there=False)
    if wait and not wait_here:
        gate.spare.take_back(key, counter.limit, counter.seconds, moment)
    return wait, _Counted(counter, here=not wait_here, there=True)


async def _take_back(house: House, counted: _Counted) -> None:
    """Undo what was counted, where it was: elsewhere it would undo somebody else's."""
    gate, counter, moment = await house.resource(open_gate), counted.counter, _milliseconds()
    key = _key(house, "attempts", counter.subject)
    if counted.here:
        gate.spare.take_back(key, counter.limit, counter.seconds, moment)
    if counted.there:
        script = TAKE_BACK_STEADILY if counter.steady else TAKE_BACK
        given = (counter.limit, counter.seconds, moment)
        with suppress(_AwayError):
            await _ask(house, lambda valkey: valkey.eval(script, 1, key, *given))


async def is_first(house: House, subject: str, seconds: int) -> bool:
    """Whether nobody asked this about `subject` in so many seconds; in this process alone while Valkey is away."""
    gate, key = await house.resource(open_gate), _key(house, "first", subject)
    if gate.spare.count(key, 1, seconds, _milliseconds()):
        return False
    try:
        return bool(await _ask(house, lambda valkey: valkey.set(key, b"1", nx=True, ex=seconds)))
    except _AwayError:
        return True


async def welcome(house: House, address: str, account: str) -> None:
    """Let whoever just proved by mail that the account is theirs sign in from `address`, whoever guesses meanwhile."""
    at = place(address)
    own = Counter(f"{at} {account}", 0)
    gate, pair = await house.resource(open_gate), _key(house, "attempts", own.subject)
    gate.spare.forget(pair)
    gate.spare.count(_key(house, "welcome", own.subject), 1, WELCOME_SECONDS, _milliseconds())
    with suppress(_AwayError):
        await _ask(house, lambda valkey: valkey.delete(pair))
        await _ask(house, lambda valkey: valkey.set(_key(house, "welcome", own.subject), b"1", ex=WELCOME_SECONDS))


async def _is_welcome(house: House, at: str, account: str) -> bool:
    gate, key = await house.resource(open_gate), _key(house, "welcome", f"{at} {account}")
    try:
        return bool(await _ask(house, lambda valkey: valkey.exists(key)))
    except _AwayError:
        return gate.spare.has(key, _milliseconds())


class _AwayError(Exception):
    """Valkey does not answer."""


async def _ask(house: House, what: Callable[[Redis], Awaitable[Any]]) -> Any:  # noqa: ANN401  # whatever Valkey answers
    """Ask Valkey, unless it was away a moment ago; raises `_AwayError`."""
    gate = await house.resource(open_gate)
    if gate.spare.is_apart:
        raise _AwayError
    try:
        async with gate.turns, asyncio.timeout(PATIENCE_SECONDS):
            return await what(house.valkey)
    except (RedisError, OSError, TimeoutError) as error:
        gate.spare.part()
        logger.warning("throttle_away", error=str(error))
        raise _AwayError from error


@asynccontextmanager
async def open_gate(_house: House) -> AsyncGenerator[_Gate]:
    """The gate of this process; use it through `house.resource(open_gate)`."""
    yield _Gate()


def _milliseconds() -> int:
    return int(now().timestamp() * 1000)


def _key(house: House, what: str, subject: str) -> str:
    return f"{house.settings.key_prefix}:{what}:{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
