"""The resumable event log of a run: dense numbers, one fenced writer, any number of readers."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Event(NamedTuple):
    """One event: its number, its type and its data as JSON text, never parsed between writer and reader."""

    seq: int
    type: bytes
    data: bytes


class FencedError(Exception):
    """Another writer has claimed this log with a higher fence; this one must stop."""


@dataclass(slots=True, eq=False)
class LogWriter:
    """Appends to one log. Everything it wrote stays in `events` until it is closed.

    `append` only buffers; the streams write for all writers together, and go on trying while Valkey is away.
    """

    key: str
    fence: int
    events: list[Event]
    stored: int
    _mark: "Callable[[LogWriter], None]"
    fenced: bool = False
    _waiters: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The number of the last event, stored or not; 0 when there is none."""
        return self.events[-1].seq if self.events else 0

    def append(self, kind: bytes, data: bytes) -> int:
        """Add an event (`data` is JSON text); returns its number. Raises `FencedError`."""
        if self.fenced:
            raise FencedError(self.key)
        seq = self.last + 1
        self.events.append(Event(seq, kind, data))
        self._mark(self)
        return seq

    async def drained(self) -> None:
        """Wait until all that was appended is in the log. Raises `FencedError`."""
        if self.stored < self.last and not self.fenced:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self.fenced:
            raise FencedError(self.key)

    def confirm(self, stored: int) -> None:
        """Take the log's answer to an append: its last number, or -1 when the writer is fenced off."""
        if stored < 0:
            self.fenced = True
        else:
            self.stored = stored
            if stored < self.last:
                self._mark(self)
                return
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


class Streams(Protocol):
    """All logs, seen from one process."""

    async def claim(self, key: str, fence: int, known: Sequence[Event] = ()) -> LogWriter:
        """Become the log's writer; its earlier writers are shut out. Raises `FencedError`, and that Valkey is away.

        `known` is what the writer before this one held, if it was in this process: the log may have less.
        """
        ...

    def writer(self, key: str, fence: int) -> LogWriter:
        """A writer for a log that has no events yet; it is claimed with the first append."""
        ...

    async def read(self, key: str, after: int) -> list[Event]:
        """All events that are there now with a number above `after`."""
        ...

    def follow(self, key: str, after: int, beat: float) -> AsyncGenerator[list[Event]]:
        """Every event above `after`, once and in order, as they come; an empty list after each `beat` idle seconds.

        Never ends by itself. While the log is away nothing comes but beats.
        """
        ...

    def retire(self, writer: LogWriter) -> None:
        """Have the log end soon after the last event is in it, for everything is stored elsewhere; returns at once.

        Those who follow it have a while to read the rest.
        """
        ...

    async def close(self) -> None:
        """End what runs here for the logs."""
        ...
