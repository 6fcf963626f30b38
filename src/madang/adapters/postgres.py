"""Connections to PostgreSQL and their limits: what the server ends by itself, and what we end when it is silent.

The server's limits end a statement, a wait for a lock and a transaction whose process fell silent. A PostgreSQL that is
frozen ends nothing: its connections stay open and never answer. So every wait for an answer has a limit here too. When
it passes, the socket is shut down, which the driver meets as a lost connection: the pool discards it, the statement has
failed, and whether a commit was done is not known, as after any lost connection.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast, override

import msgspec
import psycopg
from psycopg.abc import PQGen
from psycopg.rows import Row
from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from madang.kernel import log
from madang.kernel.db import APP_ROLE, HOUSE
from madang.kernel.settings import Settings

logger = log.get_logger(__name__)

MARGIN_SECONDS = 2.0
"""The server ends a statement at its limit; so long after that it is held for frozen."""

CONNECT_SECONDS = 5

GIVE_BACK_SECONDS, GIVE_BACK_LOOKS = 2.0, 100
"""How long closing waits for connections in use, and how often it looks."""

MOST_ONCE = 4
"""Connections of a process for single statements of the house."""

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

    def let_statements_take(self, seconds: float) -> Callable[..., None]:
        """See `madang.kernel.db.PatientConnection`."""
        usual = self.answer_seconds
        self.answer_seconds = answer_seconds(seconds)

        def put_back(*_: object) -> None:
            self.answer_seconds = usual

        return put_back

    def _shut_down(self) -> None:
        """End the connection under the driver, which then reads what has come and finds it lost."""
        logger.error("database_silent", seconds=self.answer_seconds)
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.pgconn.socket)) as ours:
            ours.shutdown(socket.SHUT_RDWR)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def open_engine(settings: Settings, process: str, *, house: bool = False) -> AsyncEngine:
    """A pool of connections that act as the application's role; its size comes from the settings.

    With `house` they have the house's scope from the first moment, and are few: each is used for one statement at once.

    The connection used last is used next, so that few stay busy and keep their prepared statements. There is no
    overflow: transactions are short, and waiting for one is cheaper than signing in to PostgreSQL.

    Errors say nothing of the values of a statement, which may be secrets: they are logged and kept.

    The driver begins nothing by itself (that is what AUTOCOMMIT means): `Database.transaction` begins and sets the
    scope in one round trip. `Database.once` is the only other way in.
    """
    longest = statement_seconds(settings, process)

    async def connect(*args: Any, **options: Any) -> LimitedConnection[Any]:  # noqa: ANN401  # as psycopg takes them
        connection = await LimitedConnection[Any].connect(*args, **options)
        connection.answer_seconds = answer_seconds(longest)
        return connection

    return create_async_engine(
        make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+psycopg"),
        connect_args={
            "async_creator_fn": connect,
            "options": f"-c role={APP_ROLE} -c timezone=UTC {session_options(settings, process)}"
            + (f" -c madang.account={HOUSE}" if house else ""),
            "application_name": f"madang-{process}",
            "connect_timeout": CONNECT_SECONDS,
            **KEEPALIVES,
        },
        isolation_level="AUTOCOMMIT",
        pool_size=min(settings.pool_of(process), MOST_ONCE) if house else settings.pool_of(process),
        max_overflow=0,
        hide_parameters=True,
        pool_use_lifo=True,
        pool_recycle=300,
        pool_timeout=min(longest, 15),
        json_serializer=_json,
        json_deserializer=msgspec.json.decode,
    )


async def close_engine(engine: AsyncEngine) -> None:
    """Close every connection. Those in use are waited for, but not long; they are closed when they are given back."""
    pool = cast("QueuePool", engine.pool)
    for _ in range(GIVE_BACK_LOOKS):
        if not pool.checkedout():
            break
        await asyncio.sleep(GIVE_BACK_SECONDS / GIVE_BACK_LOOKS)
    event.listen(pool, "checkin", _close_late)
    await engine.dispose()


def _close_late(_connection: object, record: ConnectionPoolEntry) -> None:
    record.invalidate()
