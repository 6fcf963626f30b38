"""LangGraph's PostgreSQL checkpointer, writing only what a second attempt could use.

Plain, it writes the input, every step and the end of every run: eight statements or more for an answer that needs no
documents. A checkpoint is of use when something was worked out, something is left to do and nothing was said yet (the
next attempt has to say everything); others are held back, and written after all when an interrupt makes the run wait
on them. What is written is whole, so a held-back ancestor is never missed, and an attempt that finds nothing begins
from the start, which gives the same answer.

Every attempt at a run has a thread of its own and begins with a copy of the one before it: a worker that slept through
its lease and wakes up writes into, and deletes, what nobody else reads any more.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import make_url

from madang.adapters.postgres import CONNECT_SECONDS, KEEPALIVES, LimitedConnection, session_options
from madang.features.agents import settings as agent_settings
from madang.kernel import log
from madang.kernel.db import APP_ROLE
from madang.kernel.failures import FAILURES_OF_OURS, DatabaseUnavailableError, is_temporary

if TYPE_CHECKING:
    import asyncio

    from madang.kernel.house import House

logger = log.get_logger(__name__)

SCHEMA: Final = "checkpoints"
_TRIGGER = "branch:to:"
_WAITING = frozenset({"__interrupt__", "__resume__"})
COLUMNS: Final = {
    "checkpoints": ("checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "type", "checkpoint", "metadata"),
    "checkpoint_blobs": ("checkpoint_ns", "channel", "version", "type", "blob"),
    "checkpoint_writes": (
        "checkpoint_ns",
        "checkpoint_id",
        "task_id",
        "idx",
        "channel",
        "type",
        "blob",
        "task_path",
    ),
}
"""LangGraph's tables: what each has beside its thread."""
_COPY: Final = sql.SQL("""
    WITH newest AS (
        SELECT thread_id FROM checkpoints WHERE thread_id = ANY(%(earlier)s)
        ORDER BY array_position(%(earlier)s, thread_id) DESC LIMIT 1
    ), {copies}
    SELECT EXISTS (SELECT FROM new_checkpoints) AS found""").format(
    copies=sql.SQL(", ").join(
        sql.SQL(
            "{new} AS (INSERT INTO {table} (thread_id, {columns})"
            " SELECT %(mine)s, {columns} FROM {table} JOIN newest USING (thread_id) RETURNING 1)"
        ).format(
            new=sql.Identifier(f"new_{table}"),
            table=sql.Identifier(table),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        )
        for table, columns in COLUMNS.items()
    )
)
"""Copies what the latest earlier attempt has written, as one statement sees it."""
_DELETE: Final = [
    sql.SQL("DELETE FROM {} WHERE thread_id = ANY(%s)").format(sql.Identifier(table)) for table in COLUMNS
]

type Pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]


@dataclass(slots=True)
class Thread:
    """One attempt's checkpoints in this process.

    `is_written`: whether any is in the database; `held`: the latest that is not, by place; `has_spoken`: whether the
    person has heard anything of this attempt.
    """

    run_id: UUID
    attempt: int
    is_written: bool = False
    has_spoken: bool = False
    held: dict[str, tuple[RunnableConfig, Checkpoint, CheckpointMetadata]] = field(
        default_factory=dict[str, tuple[RunnableConfig, Checkpoint, CheckpointMetadata]]
    )

    @property
    def id(self) -> str:
        """LangGraph's name of it."""
        return threads_of(self.run_id, self.attempt)[-1]

    @property
    def config(self) -> RunnableConfig:
        """What a graph is invoked with to write here."""
        return {"configurable": {"thread_id": self.id}}


def threads_of(run_id: UUID, attempts: int) -> list[str]:
    """The threads of a run's first attempts, in their order."""
    return [f"{run_id}/{attempt}" for attempt in range(1, attempts + 1)]


class RunSaver(AsyncPostgresSaver):
    """The saver of a process. An attempt opens its thread here first and closes it at the end."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(cast("psycopg.AsyncConnection[DictRow]", pool))
        self._pool = pool
        # Every statement has a connection of its own from the pool; the saver's one lock would line up all runs.
        self.lock = cast("asyncio.Lock", nullcontext())
        self._threads: dict[str, Thread] = {}

    async def open_thread(self, run_id: UUID, attempt: int) -> Thread:
        """Begin with an attempt, counted from 1; a later one goes on from what the latest before it has written.

        Raises `DatabaseUnavailableError` and psycopg's errors when a later attempt finds the database away; nothing
        was paid for that attempt then.
        """
        thread = Thread(run_id, attempt)
        if attempt > 1:
            both = {"mine": thread.id, "earlier": threads_of(run_id, attempt - 1)}
            try:
                async with self._pool.connection() as connection:
                    copied = await (await connection.execute(_COPY, both)).fetchone()
            except PoolTimeout as error:  # all that this pool says when it cannot connect
                raise DatabaseUnavailableError(str(error)) from error
            thread.is_written = copied is not None and bool(copied["found"])
        self._threads[thread.id] = thread
        return thread

    async def close_thread(self, thread: Thread, *, keep: bool) -> None:
        """Forget an attempt here, and in the database too unless `keep`."""
        self._threads.pop(thread.id, None)
        thread.held.clear()  # what is held leads back to the thread: without a cycle it goes at once
        if thread.is_written and not keep:
            await self.forget([thread.id])

    async def forget(self, threads: list[str]) -> None:
        """Delete what is in the database of these threads; leaves it to the tidying when that is away."""
        try:
            async with self._pool.connection() as connection, connection.transaction():
                for statement in _DELETE:
                    await connection.execute(statement, [threads])
        except FAILURES_OF_OURS as error:
            logger.warning("checkpoints_left_behind", threads=threads, exc_info=error)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The latest checkpoint; None without asking the database when nothing is there."""
        thread = self._threads.get(_thread_id(config))
        if thread is not None and not thread.is_written:
            return None
        try:
            return await super().aget_tuple(config)
        except PoolTimeout as error:
            raise DatabaseUnavailableError(str(error)) from error

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write the checkpoint if a second attempt could use it, hold it back otherwise."""
        thread = self._threads.get(_thread_id(config))
        if thread is None or (not thread.has_spoken and _is_of_use(checkpoint["channel_values"])):
            return await self._write(config, checkpoint, metadata)
        thread.held[_place(config)] = (config, checkpoint, metadata)
        return _next(config, checkpoint)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write what an interrupt or its answer left; a node's plain results come with the next step."""
        if not any(channel in _WAITING for channel, _ in writes):
            return
        thread = self._threads.get(_thread_id(config))
        held = thread.held.pop(_place(config), None) if thread is not None else None
        if held is not None:
            await self._write(*held)
        await super().aput_writes(config, writes, task_id, task_path)

    async def _write(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata
    ) -> RunnableConfig:
        thread = self._threads.get(_thread_id(config))
        try:
            await super().aput(config, checkpoint, metadata, checkpoint["channel_versions"])
        except FAILURES_OF_OURS as error:
            if not is_temporary(error):
                raise
            # A run goes on without: the database is needed to finish it, not to continue.
            logger.warning("checkpoint_not_written", exc_info=error)
        else:
            if thread is not None:
                thread.is_written = True
        return _next(config, checkpoint)


def _is_of_use(channels: Mapping[str, Any]) -> bool:
    names = [name for name in channels if not name.startswith("__")]
    return any(name.startswith(_TRIGGER) for name in names) and any(not name.startswith(_TRIGGER) for name in names)


def _configurable(config: RunnableConfig) -> dict[str, Any]:
    return config.get("configurable", {})


def _thread_id(config: RunnableConfig) -> str:
    return str(_configurable(config)["thread_id"])


def _place(config: RunnableConfig) -> str:
    return str(_configurable(config).get("checkpoint_ns", ""))


def _next(config: RunnableConfig, checkpoint: Checkpoint) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": _thread_id(config),
            "checkpoint_ns": _place(config),
            "checkpoint_id": checkpoint["id"],
        }
    }


def plain_url(url: str) -> str:
    """A database URL as libpq reads it: without SQLAlchemy's driver."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@asynccontextmanager
async def open_saver(house: "House") -> AsyncGenerator[RunSaver]:
    """The process's saver with a pool of its own, for `house.resource`."""
    pool: Pool = AsyncConnectionPool(
        plain_url(house.settings.database_url.get_secret_value()),
        connection_class=LimitedConnection[DictRow],
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "options": f"-c role={APP_ROLE} -c search_path={SCHEMA} {session_options(house.settings, 'worker')}",
            "application_name": "madang-checkpoints",
            "connect_timeout": CONNECT_SECONDS,
            **KEEPALIVES,
        },
        min_size=0,
        max_size=agent_settings.load().checkpoint_connections,
        timeout=10,
        max_idle=60,
        open=False,
        name="checkpoints",
    )
    async with pool:
        yield RunSaver(pool)


async def prepare_checkpoints(connection_url: str) -> None:
    """Make the schema and LangGraph's own tables in it, and let the application's role use them."""
    async with await psycopg.AsyncConnection[DictRow].connect(
        plain_url(connection_url), autocommit=True, row_factory=dict_row
    ) as connection:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute(f"SET search_path = {SCHEMA}")
        await AsyncPostgresSaver(connection).setup()
        await connection.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {APP_ROLE}")
        await connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {APP_ROLE}")
