"""Reading event logs as they grow: one blocking read of Valkey for everybody in this process who follows one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from madang.kernel import log
from madang.kernel.jobs import spawn
from madang.kernel.streams import Event

logger = log.get_logger(__name__)

READ_GAP_SECONDS = (0.005, 0.0003, 0.03)
"""Between two reads of the tail: at least, more for each log that it follows, and at most."""
BLOCK_MILLISECONDS = 5000
PAGE = 1000
AWAY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
"""How long to wait for Valkey after the first failure, the second and so on."""
_UNBLOCK_GAPS = (0.002, 0.005, 0.02, 0.1, 0.5)
"""Before asking Valkey once more to end the blocking read."""


@dataclass(slots=True, eq=False)
class _Follower:
    """One reader's place: what has come for it since it looked, and its cursor in the tail.

    Whenever nothing has come for `beat` seconds it is woken all the same. One timer looks back once a beat; a time-out
    around each wait costs more than the wait.
    """

    cursor: int
    beat: float
    batches: list[Event] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _woken_at: float = field(init=False)
    _timer: asyncio.TimerHandle = field(init=False)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._woken_at = loop.time()
        self._timer = loop.call_later(self.beat, self._look_back)

    async def take(self) -> list[Event]:
        """What has come, as soon as there is something; nothing at a beat."""
        await self.ready.wait()
        self.ready.clear()
        self._woken_at = asyncio.get_running_loop().time()
        batch, self.batches = self.batches, []
        return batch

    def leave(self) -> None:
        """Have no more beats."""
        self._timer.cancel()

    def _look_back(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._woken_at + self.beat - loop.time()
        if left <= 0:
            self.ready.set()
        self._timer = loop.call_later(left if left > 0 else self.beat, self._look_back)


class Tail:
    """One blocking read for all logs that this process follows."""

    def __init__(self, blocking: Redis, valkey: Redis) -> None:
        self._blocking = blocking
        self._valkey = valkey
        self._followers: dict[str, set[_Follower]] = {}
        self._client_id: int | None = None
        self._asked: dict[str, int] = {}
        self._round = 0
        self._wanted_round = 0
        self._waits = False
        self._interrupter: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None

    async def follow(self, stream: str, after: int, beat: float) -> AsyncGenerator[list[Event]]:
        """See `Streams.follow`."""
        follower = _Follower(after, beat)
        try:
            self._join(stream, follower)
            while True:
                yield await follower.take()
        finally:
            follower.leave()
            self._leave(stream, follower)

    async def close(self) -> None:
        """End the reading task, and whoever interrupts it."""
        for task in (self._interrupter, self._reader):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def _join(self, stream: str, follower: _Follower) -> None:
        self._followers.setdefault(stream, set()).add(follower)
        if self._reader is None or self._reader.done():
            self._reader = spawn(self._read(), "streams.tail")
            return
        self._wanted_round = self._round + 1
        if self._interrupter is None or self._interrupter.done():
            self._interrupter = spawn(self._interrupt(), "streams.interrupt")

    async def _interrupt(self) -> None:
        """Have the reader begin another round, which asks for the streams of those who joined too; for all at once.

        Where others are being written to, that comes by itself, sooner than it would by asking for it. Asking once may
        not be enough: the call can overtake the blocking read that it is meant for. While Valkey is frozen it is asked
        rarely, and those who joined have their beats meanwhile.
        """
        tries = 0
        await asyncio.sleep(_UNBLOCK_GAPS[0])
        while self._waits and self._round < self._wanted_round and self._client_id is not None:
            with suppress(RedisError, OSError):
                await self._valkey.client_unblock(self._client_id)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves **kwargs untyped
            await asyncio.sleep(_UNBLOCK_GAPS[min(tries, len(_UNBLOCK_GAPS) - 1)])
            tries += 1

    def _leave(self, stream: str, follower: _Follower) -> None:
        followers = self._followers.get(stream, set())
        followers.discard(follower)
        if not followers:
            self._followers.pop(stream, None)

    async def _read(self) -> None:
        failures = 0
        while self._followers:
            try:
                self._hand_out(await self._wait())
                failures = 0
                await asyncio.sleep(self._gap())
            except Exception as error:  # noqa: BLE001  # whatever the client raises: everybody here waits for the next round
                self._client_id = None
                logger.warning("log_unreadable", error=str(error))
                await asyncio.sleep(AWAY_SECONDS[min(failures, len(AWAY_SECONDS) - 1)])
                failures += 1

    async def _wait(self) -> Any:  # noqa: ANN401  # redis-py types replies as Any
        """What has come for the followers there are at the moment of the call."""
        if self._client_id is None:
            self._client_id = await self._blocking.client_id()  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves **kwargs untyped
        self._asked = {stream: min(one.cursor for one in followers) for stream, followers in self._followers.items()}
        if not self._asked:
            return None
        cursors: dict[Any, Any] = {stream: f"{cursor}-0" for stream, cursor in self._asked.items()}
        self._round += 1
        self._waits = True
        try:
            return await self._blocking.xread(cursors, count=PAGE, block=BLOCK_MILLISECONDS)
        finally:
            self._waits = False

    def _gap(self) -> float:
        least, more, most = READ_GAP_SECONDS
        return min(most, least + more * len(self._followers))

    def _hand_out(self, found: Any) -> None:  # noqa: ANN401  # redis-py types replies as Any
        """Give everybody what is new to them; who joined since with an earlier cursor has to be asked for again."""
        for name, entries in found or ():
            stream = name.decode()
            events = events_of(entries)
            for follower in self._followers.get(stream, ()):
                if follower.cursor < self._asked[stream]:
                    continue
                fresh = [event for event in events if event.seq > follower.cursor]
                if fresh:
                    follower.cursor = fresh[-1].seq
                    follower.batches.extend(fresh)
                    follower.ready.set()


def events_of(entries: Any) -> list[Event]:  # noqa: ANN401  # redis-py types replies as Any
    """The events of a reply to XRANGE, or of one stream in a reply to XREAD."""
    return [Event(int(key.split(b"-", 1)[0]), fields[b"t"], fields[b"d"]) for key, fields in entries]
