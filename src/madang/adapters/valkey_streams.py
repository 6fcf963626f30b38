"""The event logs of `madang.kernel.streams`, in Valkey.

One stream a log. An entry's id is its sequence number, dense from 1, so a reader's cursor is the number of the last
event it saw, and replaying and tailing are the same read. Every append is one Lua script that compares the writer's
fence with the highest that ever claimed the log: a writer that lost its lease can append nothing, and an append that
is repeated after a lost reply changes nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from madang.adapters.valkey_tail import AWAY_SECONDS, PAGE, Tail, events_of
from madang.kernel import log
from madang.kernel.jobs import spawn
from madang.kernel.streams import Event, FencedError, LogWriter

logger = log.get_logger(__name__)

FLUSH_GAP_SECONDS = 0.01
WRITE_SECONDS = 5.0

RETIRE_GAP_SECONDS = 1.0
FENCE_SECONDS = 300
"""How much longer than a retired log its fence stays, for writers that come back from a long freeze."""

MOST_EVENTS = 4000
"""In one write; after an outage the rest goes with the next ones, so that no call is too big for Valkey or too slow."""

_CLAIM = """
if tonumber(ARGV[1]) < tonumber(redis.call('HGET', KEYS[2], 'fence') or '0') then return -1 end
redis.call('HSET', KEYS[2], 'fence', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return redis.call('XLEN', KEYS[1])
"""
_APPEND = """
local at, answers = 2, {}
for k = 1, #KEYS, 2 do
  local stream, head = KEYS[k], KEYS[k + 1]
  local fence, last = tonumber(redis.call('HGET', head, 'fence') or '0'), redis.call('XLEN', stream)
  local mine, first, count = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
  if mine > fence then
    redis.call('DEL', stream)
    last = 0
    redis.call('HSET', head, 'fence', mine)
    redis.call('EXPIRE', head, ARGV[1])
  end
  local seq = last
  if mine < fence then
    seq = -1
  elseif first <= last + 1 then
    for i = 0, count - 1 do
      if first + i > seq then
        seq = first + i
        redis.call('XADD', stream, string.format('%d-0', seq), 't', ARGV[at + 2 * i], 'd', ARGV[at + 2 * i + 1])
      end
    end
    if last == 0 then redis.call('EXPIRE', stream, ARGV[1]) end
  end
  at = at + 2 * count
  answers[#answers + 1] = seq
end
return answers
"""
"""Each log's last number, or -1 for a writer that is fenced off.

The numbers are dense, so the last one is the length, also of a log that Valkey has lost or evicted. A fence below the
writer's own means that Valkey has lost the claim: what is in the log then may be an earlier writer's, who did not know
better, and is replaced by what this one holds.
"""


class ValkeyStreams:
    """All logs, seen from one process: one flusher writes for every writer, one tail reads for every reader.

    `writing` is a client without time-outs of its own, which would cost more than the writing; `reading` has one
    connection, on which it may wait for `BLOCK_MILLISECONDS`.
    """

    def __init__(
        self,
        valkey: Redis,
        writing: Redis,
        reading: Redis,
        prefix: str,
        retention_seconds: int,
        linger_seconds: int = 120,
    ) -> None:
        self._valkey = valkey
        self._prefix = prefix
        self._retention = retention_seconds
        self._linger = linger_seconds
        self._claim = valkey.register_script(_CLAIM)
        self._append = writing.register_script(_APPEND)
        self._dirty: set[LogWriter] = set()
        self._flusher: asyncio.Task[None] | None = None
        self._retiring: list[LogWriter] = []
        self._retirer: asyncio.Task[None] | None = None
        self._tail = Tail(reading, valkey)

    def _keys(self, key: str) -> tuple[str, str]:
        return f"{self._prefix}:log:{{{key}}}", f"{self._prefix}:log:{{{key}}}:head"

    async def claim(self, key: str, fence: int, known: Sequence[Event] = ()) -> LogWriter:
        """Become the log's writer; its earlier writers are shut out. Raises `FencedError`, `RedisError`.

        `known` is what the writer before this one held, if it was in this process: Valkey may have less.
        """
        last = await self._claim(keys=self._keys(key), args=[fence, self._retention])
        if last < 0:
            raise FencedError(key)
        if len(known) >= last:
            return LogWriter(key, fence, list(known), last, self._mark)
        events = await self.read(key, 0)
        return LogWriter(key, fence, events, len(events), self._mark)

    def writer(self, key: str, fence: int) -> LogWriter:
        """A writer for a log that has no events yet; it is claimed with the first append."""
        return LogWriter(key, fence, [], 0, self._mark)

    async def read(self, key: str, after: int) -> list[Event]:
        """All events that are there now with a number above `after`."""
        found: list[Event] = []
        while True:
            page: Any = await self._valkey.xrange(self._keys(key)[0], min=f"({after}-0", count=PAGE)
            found.extend(events_of(page))
            if len(page) < PAGE:
                return found
            after = found[-1].seq

    async def follow(self, key: str, after: int, beat: float) -> AsyncGenerator[list[Event]]:
        """Every event above `after`, once and in order, as they come; an empty list after each `beat` idle seconds.

        Never ends by itself. While Valkey is away nothing comes but beats.
        """
        async with aclosing(self._tail.follow(self._keys(key)[0], after, beat)) as batches:
            async for batch in batches:
                yield batch

    def retire(self, writer: LogWriter) -> None:
        """Have the log end soon after the last event is in it, for everything is stored elsewhere; returns at once.

        Those who follow it have `linger_seconds` to read the rest. A log whose process dies before ends with its
        retention.
        """
        self._retiring.append(writer)
        if self._retirer is None or self._retirer.done():
            self._retirer = spawn(self._retire(), "streams.retire")

    async def close(self) -> None:
        """End the tail, let retired logs end, and end the flusher."""
        await self._tail.close()
        for task in (self._retirer, self._flusher):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        with suppress(RedisError, OSError):
            await self._let_end(self._retiring)

    async def _retire(self) -> None:
        """Once a second, for all whose events are in their logs by then; tried again while Valkey is away."""
        while self._retiring:
            await asyncio.sleep(RETIRE_GAP_SECONDS)
            whole = [writer for writer in self._retiring if writer.fenced or writer.stored >= writer.last]
            try:
                await self._let_end([writer for writer in whole if not writer.fenced])
            except (RedisError, OSError) as error:
                logger.warning("logs_not_retired", logs=len(whole), error=str(error))
            else:
                done = set(map(id, whole))
                self._retiring = [writer for writer in self._retiring if id(writer) not in done]

    async def _let_end(self, writers: Sequence[LogWriter]) -> None:
        if not writers:
            return
        async with self._valkey.pipeline(transaction=False) as calls:
            for writer in writers:
                stream, head = self._keys(writer.key)
                calls.expire(stream, self._linger)
                calls.expire(head, self._linger + FENCE_SECONDS)
            await calls.execute()

    def _mark(self, writer: LogWriter) -> None:
        self._dirty.add(writer)
        if self._flusher is None or self._flusher.done():
            self._flusher = spawn(self._flush(), "streams.flush")

    async def _flush(self) -> None:
        """Write what all writers have, in one round trip at a time, until nothing is left."""
        failures = 0
        while self._dirty:
            batch, self._dirty = self._dirty, set()
            try:
                await self._write(list(batch))
                failures = 0
                await asyncio.sleep(FLUSH_GAP_SECONDS)
            except Exception as error:  # noqa: BLE001  # whatever the client raises: nobody else writes what waits here
                self._dirty |= batch
                logger.warning("log_away", writers=len(batch), error=str(error))
                await asyncio.sleep(AWAY_SECONDS[min(failures, len(AWAY_SECONDS) - 1)])
                failures += 1

    async def _write(self, writers: list[LogWriter]) -> None:
        """Append for all writers with one call of one script; its reply has each log's last number."""
        keys: list[str] = []
        args: list[Any] = [self._retention]
        room = MOST_EVENTS
        for writer in writers:
            keys += self._keys(writer.key)
            fresh = writer.events[writer.stored : writer.stored + room]
            room -= len(fresh)
            args += (writer.fence, writer.stored + 1, len(fresh))
            for event in fresh:
                args += (event.type, event.data)
        async with asyncio.timeout(WRITE_SECONDS):
            answers = await self._append(keys=keys, args=args)
        for writer, answer in zip(writers, answers, strict=True):
            writer.confirm(int(answer))
