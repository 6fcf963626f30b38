"""How often: a leaky bucket for each account, key and organisation (GCRA), in one script of Valkey."""

from collections.abc import Awaitable, Callable
from hashlib import sha1
from typing import cast
from uuid import UUID

from redis.exceptions import NoScriptError, RedisError

from madang.features.usage.settings import load
from madang.kernel import log
from madang.kernel.auth import Principal
from madang.kernel.errors import TooMany
from madang.kernel.house import House

logger = log.get_logger(__name__)

MINUTE = 60
QUESTIONS = "questions"
"""The policy of routes that have a model answer; all others have the policy "requests"."""

_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limits, answers, refused = {}, {}, 0
for i, key in ipairs(KEYS) do
    local quota, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local gap = window / quota
    local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now)
    local left = math.floor((window - (full_at - now)) / gap + 0.0001)
    if left < 1 then
        refused = math.max(refused, math.ceil(full_at + gap - window - now))
        answers[i] = 0
    else
        answers[i] = left - 1
    end
    limits[i] = full_at + gap
end
if refused == 0 then
    for i, key in ipairs(KEYS) do
        redis.call('SET', key, string.format('%.3f', limits[i]), 'PX', tonumber(ARGV[2 * i]) + 1000)
    end
end
table.insert(answers, refused)
return answers
"""
"""For each key what is left of its quota, and at the end for how many milliseconds to wait; 0 lets the request pass.

A key holds the moment at which its bucket is empty again. A request that one limit refuses is charged to none.
"""

_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()

type Limit = tuple[str, str, int]
"""A policy's name as the headers show it, the key's last part, and requests a minute."""


async def limit_request(house: House, who: Principal, policy: str) -> list[tuple[bytes, bytes]]:
    """Count a request of an account and its key; the headers that say what is left.

    Raises TooMany (rate_limited). While Valkey is away everything is allowed.
    """
    settings = load()
    limits: list[Limit] = []
    if settings.requests_per_minute:
        limits += _limits("requests", who, settings.requests_per_minute)
    if policy == QUESTIONS and settings.questions_per_minute:
        limits += _limits(QUESTIONS, who, settings.questions_per_minute)
    return await _count(house, limits) if limits else []


async def limit_questions(house: House, scope_path: tuple[UUID, ...]) -> None:
    """Count a question of an organisation's member. Raises TooMany (rate_limited)."""
    most = load().scope_questions_per_minute
    if most and scope_path:
        await _count(house, [("organisation", f"scope:{scope_path[0].hex}", most)])


def _limits(policy: str, who: Principal, most: int) -> list[Limit]:
    limits = [(policy, f"{policy}:{who.account_id.hex}", most)]
    if who.key_id is not None:
        limits.append((f"key-{policy}", f"{policy}:{who.key_id.hex}", most))
    return limits


async def _count(house: House, limits: list[Limit]) -> list[tuple[bytes, bytes]]:
    keys = [f"{house.settings.key_prefix}:rate:{key}" for _, key, _ in limits]
    arguments = [number for _, _, most in limits for number in (most, MINUTE * 1000)]
    try:
        *left, wait = [int(number) for number in await _run(house, keys, arguments)]
    except (RedisError, OSError) as error:
        logger.warning("rate_not_limited", error=str(error))
        return []
    headers = _headers(limits, left)
    if wait:
        seconds = -(-wait // 1000)
        raise TooMany(
            "rate_limited",
            f"That is too much at once. Try again in {seconds} s.",
            headers={"Retry-After": str(seconds), **{name.decode(): value.decode() for name, value in headers}},
        )
    return headers


async def _run(house: House, keys: list[str], arguments: list[int]) -> list[int]:
    parts = (len(keys), *keys, *arguments)
    execute = cast("Callable[..., Awaitable[list[int]]]", house.valkey.execute_command)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves its options untyped
    try:
        return await execute("EVALSHA", _SHA, *parts)
    except NoScriptError:
        return await execute("EVAL", _SCRIPT, *parts)


def _headers(limits: list[Limit], left: list[int]) -> list[tuple[bytes, bytes]]:
    """The fields of draft-ietf-httpapi-ratelimit-headers: the policies, and what is left of each for how long."""
    policies = ", ".join(f'"{name}";q={most};w={MINUTE}' for name, _, most in limits)
    now = ", ".join(
        f'"{name}";r={rest};t={-(-MINUTE * (most - rest) // most)}'
        for (name, _, most), rest in zip(limits, left, strict=True)
    )
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", now.encode())]
