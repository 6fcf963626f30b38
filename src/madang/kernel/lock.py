"""A lock that processes on many hosts share, in Valkey.

Every holder has a token of its own, and every compare-and-act is one Lua script, so only the owner can extend or
release. A lock that outlives its time to live is anyone's again; whoever writes to a third place under a lock passes
on the fencing number that `acquire` returned, which only grows, so that the late writer can be refused there.
"""

import asyncio
import math
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from types import MappingProxyType

from redis.asyncio import Redis

_HOLDER = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holder = redis.call('HMGET', KEYS[1], 'token', 'until')
local is_held = holder[1] and tonumber(holder[2]) > now
local is_mine = is_held and holder[1] == ARGV[1]
local function hold() redis.call('HSET', KEYS[1], 'token', ARGV[1], 'until', string.format('%.0f', now + ARGV[2])) end
"""
"""The end of a lock is a field, not the key's own: a full Valkey lets keys with a time to live go (`volatile-lru`), and
takes those in use for idle within one second of its clock and while it rewrites its append-only file."""
_ACQUIRE = f"""{_HOLDER}
if is_mine then return tonumber(redis.call('GET', KEYS[2])) end
if is_held then return 0 end
hold()
return redis.call('INCR', KEYS[2])
"""
"""The first line answers a call that is repeated because the reply to it was lost."""
_EXTEND = f"""{_HOLDER}
if is_mine then hold() end
return is_mine and 1 or 0
"""
_RELEASE = f"""{_HOLDER}
return is_mine and redis.call('DEL', KEYS[1]) or 0
"""
_IS_LOCKED = f"""{_HOLDER}
return is_held and 1 or 0
"""
_FIRST_WAIT_SECONDS = 0.01
_LONGEST_WAIT_SECONDS = 0.25

type _Held = MappingProxyType[tuple[Locks, str], str]

_held: ContextVar[_Held] = ContextVar("held_locks", default=MappingProxyType({}))
"""The token of every lock that this context holds, by the object it was acquired with and its name."""


class Locks:
    """Named locks. Names are free text; times are in seconds.

    The owner is whoever acquired: this object, in this task or in one that the task started since. Another object is
    another owner, also in the same task.
    """

    def __init__(self, valkey: Redis, prefix: str) -> None:
        self._prefix = prefix
        self._acquire = valkey.register_script(_ACQUIRE)
        self._extend = valkey.register_script(_EXTEND)
        self._release = valkey.register_script(_RELEASE)
        self._is_locked = valkey.register_script(_IS_LOCKED)

    async def acquire(self, name: str, ttl: float, timeout: float = 0) -> int:  # noqa: ASYNC109  # part of the lock's contract
        """Try for up to `timeout` seconds to hold the lock for `ttl` seconds.

        Returns the fencing number, from 1 and growing with every holder of this name, or 0 when another holds it.
        """
        token = secrets.token_hex(16)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        wait = _FIRST_WAIT_SECONDS
        while True:
            fence = int(await self._acquire(keys=self._keys(name), args=[token, _milliseconds(ttl)]))
            if fence:
                _held.set(MappingProxyType({**_held.get(), (self, name): token}))
                return fence
            left = deadline - loop.time()
            if left <= 0:
                return 0
            await asyncio.sleep(min(wait, left))
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    async def extend(self, name: str, ttl: float) -> bool:
        """Hold on for `ttl` seconds from now; False when the caller does not (or no longer) own the lock."""
        token = _held.get().get((self, name))
        if token is None:
            return False
        return bool(await self._extend(keys=self._keys(name)[:1], args=[token, _milliseconds(ttl)]))

    async def release(self, name: str) -> bool:
        """Let go; False when the caller does not (or no longer) own the lock."""
        held = dict(_held.get())
        token = held.pop((self, name), None)
        if token is None:
            return False
        _held.set(MappingProxyType(held))
        return bool(await self._release(keys=self._keys(name)[:1], args=[token]))

    async def is_locked(self, name: str) -> bool:
        """Whether anyone holds the lock."""
        return bool(await self._is_locked(keys=self._keys(name)[:1]))

    @asynccontextmanager
    async def lock(self, name: str, ttl: float, timeout: float = 0) -> AsyncGenerator[bool]:  # noqa: ASYNC109  # as above
        """Hold the lock for the block, if it can be had; yields whether it was acquired."""
        acquired = bool(await self.acquire(name, ttl, timeout))
        try:
            yield acquired
        finally:
            if acquired:
                await self.release(name)

    def _keys(self, name: str) -> list[str]:
        return [f"{self._prefix}:lock:{{{name}}}:holder", f"{self._prefix}:lock:{{{name}}}:fence"]


def _milliseconds(seconds: float) -> int:
    if not 0 < seconds < math.inf:
        msg = f"a lock's time to live must be positive and have an end, not {seconds} s"
        raise ValueError(msg)
    return max(1, round(seconds * 1000))
