"""How often: leaky buckets (GCRA) in one script of Valkey, and the headers that say what is left of them."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha1
from typing import cast

from redis.exceptions import NoScriptError, RedisError

from madang.kernel import log
from madang.kernel.errors import TooMany
from madang.kernel.house import House

logger = log.get_logger(__name__)

MINUTE = 60

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

type Rate = tuple[str, str, int]
"""A policy's name as the headers show it, the key's last part, and requests a minute."""


async def count_request(house: House, limits: Sequence[Rate]) -> list[tuple[bytes, bytes]]:
    """Count a request under each limit; the headers that say what is left.

    Raises `TooMany` (rate_limited) with the same headers. While Valkey is away everything is allowed.
    """
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


def _headers(limits: Sequence[Rate], left: list[int]) -> list[tuple[bytes, bytes]]:
    """The fields of draft-ietf-httpapi-ratelimit-headers: the policies, and what is left of each for how long."""
    policies = ", ".join(f'"{name}";q={most};w={MINUTE}' for name, _, most in limits)
    now = ", ".join(
        f'"{name}";r={rest};t={-(-MINUTE * (most - rest) // most)}'
        for (name, _, most), rest in zip(limits, left, strict=True)
    )
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", now.encode())]
