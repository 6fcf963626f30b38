"""The limits of a connection to PostgreSQL: what the server ends by itself, and what we end when it is silent.

The server's limits end a statement, a wait for a lock and a transaction whose process fell silent. A PostgreSQL that is
frozen ends nothing: its connections stay open and never answer. So every wait for an answer has a limit here too. When
it passes, the socket is shut down, which the driver meets as a lost connection: the pool discards it, the statement has
failed, and whether a commit was done is not known, as after any lost connection.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, override
from weakref import ReferenceType, ref

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import Row

from madang.kernel import log
from madang.kernel.settings import Settings

logger = log.get_logger(__name__)

MARGIN_SECONDS = 2.0
"""The server ends a statement at its limit; so long after that it is held for frozen."""

CONNECT_SECONDS = 5

KEEPALIVES = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Of libpq: a connection to a host that is gone fails after half a minute, not after the system's two hours."""

_SERVER_KEEPALIVES = {
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "client_connection_check_interval": 5_000,
}
"""The same from PostgreSQL's side: what a host that is gone has locked is free after half a minute."""


def statement_seconds(settings: Settings, process: str) -> float:
    """The longest a statement may take: somebody waits for those of an api, nobody for the others'."""
    return settings.database_request_seconds if process == "api" else settings.database_work_seconds


def answer_seconds(statement: float) -> float:
    """After how long without an answer PostgreSQL is held for frozen, if a statement may take so long."""
    return statement + MARGIN_SECONDS


def session_options(settings: Settings, process: str) -> str:
    """The limits as `options` of a connection."""
    limits = {
        "statement_timeout": _milliseconds(statement_seconds(settings, process)),
        "lock_timeout": _milliseconds(settings.database_lock_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(settings.database_idle_seconds),
        **_SERVER_KEEPALIVES,
    }
    return " ".join(f"-c {name}={value}" for name, value in limits.items())


def _milliseconds(seconds: float) -> int:
    return max(round(seconds * 1000), 1)


class LimitedConnection(psycopg.AsyncConnection[Row]):
    """A connection on which no wait for an answer is longer than `answer_seconds`."""

    answer_seconds: float = 60.0

    @override
    async def wait[RV](self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        watchdog = asyncio.get_running_loop().call_later(self.answer_seconds, self._shut_down)
        try:
            return await super().wait(gen, *args, **options)
        finally:
            watchdog.cancel()

    def _shut_down(self) -> None:
        """End the connection under the driver, which then reads what has come and finds it lost."""
        logger.error("database_silent", seconds=self.answer_seconds)
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.pgconn.socket)) as ours:
            ours.shutdown(socket.SHUT_RDWR)


class NestedTransactionError(RuntimeError):
    """A task opened a transaction, or waited for something else, while it held another open.

    Sixteen such tasks hold every connection and wait for a seventeenth. Use the transaction that is open, or do the
    other thing before or after it.
    """


@dataclass(slots=True)
class _Holder:
    task: ReferenceType["asyncio.Task[Any]"]
    is_open: bool = True


_HOLDER: ContextVar[_Holder | None] = ContextVar("transaction_holder", default=None)
_told: set[str] = set()

TO_BE_MENDED = frozenset({"madang.features.usage.service.meter"})
"""Modules that still open a transaction within their caller's; only told of, not refused."""


def has_open_transaction() -> bool:
    """Whether the current task holds a transaction open; tasks that it began do not count."""
    holder = _HOLDER.get()
    return holder is not None and holder.is_open and holder.task() is asyncio.current_task()


@contextmanager
def the_only_transaction(*, strict: bool) -> Iterator[None]:
    """Mark that this task holds a transaction open. One within another is refused, or only logged unless `strict`."""
    if has_open_transaction():
        _refuse(strict=strict)
        yield
        return
    task = asyncio.current_task()
    holder = _Holder(ref(task)) if task is not None else None
    _HOLDER.set(holder)
    try:
        yield
    finally:
        if holder is not None:
            holder.is_open = False


def _refuse(*, strict: bool) -> None:
    module, line = _caller()
    place = f"{module}:{line}"
    if strict and module not in TO_BE_MENDED:
        raise NestedTransactionError(f"{place} opens a transaction while this task holds another open")
    if place not in _told:
        _told.add(place)
        logger.error("transaction_in_transaction", place=place)


def _caller() -> tuple[str, int]:
    """Whoever opened the transaction: the first frame that is not of the machinery."""
    frame = sys._getframe(1)  # noqa: SLF001  # what `inspect.currentframe` calls, without its price
    while frame.f_back is not None and frame.f_globals["__name__"] in {__name__, "contextlib", "madang.kernel.db"}:
        frame = frame.f_back
    return str(frame.f_globals["__name__"]), frame.f_lineno
