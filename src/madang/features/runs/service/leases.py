"""Who may write which run.

A worker holds a lease on every run it performs and renews them all with one statement, three times a lease. A reaper
gives runs whose lease ran out to another worker, which raises the attempt: the number that fences the log in Valkey
and the end of the run in PostgreSQL, so that the first worker, should it still live, can write neither.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, Literal, cast
from uuid import UUID, uuid4

from redis.exceptions import RedisError
from sqlalchemy import Row, and_, bindparam, func, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from madang.features.runs.contracts import PERFORM, RunOrder
from madang.features.runs.service.desk import STOP_CHANNEL
from madang.features.runs.settings import load
from madang.features.runs.tables import RUNS, Run
from madang.kernel import log
from madang.kernel.db import Delivery, in_seconds
from madang.kernel.heartbeat import trusted
from madang.kernel.house import House
from madang.kernel.jobs import spawn
from madang.kernel.outbox import STRIKE
from madang.kernel.streams import Event

logger = log.get_logger(__name__)

REAP_BATCH = 200
RENEWALS, SOON_RENEWALS = 3, 15
"""In the length of a lease; the latter while somebody has locked a row that wanted to be renewed."""
LOST_TWICE = 2
type Reason = Literal["stopped", "lost"]


def silent() -> ColumnElement[bool]:
    """Whether a run's worker fell silent, as SQL.

    A lease that ran out while PostgreSQL was away says nothing: its worker gets one more lease to renew it.
    """
    return and_(RUNS.c.status == "running", RUNS.c.lease_expires_at < func.now(), trusted(load().lease_seconds))


@dataclass(frozen=True, slots=True)
class Taken:
    """What performing a run needs of its row."""

    id: UUID
    account_id: UUID
    attempt: int
    request: dict[str, object]
    labels: dict[str, object]
    cancel_requested_at: datetime | None


def _claim(*conditions: ColumnElement[bool]) -> ReturningUpdate[Any]:
    return (
        update(RUNS)
        .where(RUNS.c.id == bindparam("run"), *conditions)
        .values(
            status="running",
            attempt=RUNS.c.attempt + 1,
            lease_owner=bindparam("owner"),
            lease_expires_at=in_seconds(load().lease_seconds),
            started_at=func.coalesce(RUNS.c.started_at, func.now()),
        )
        .returning(*(RUNS.c[one.name] for one in fields(Taken)))
    )


@cache
def _take() -> ReturningUpdate[Any]:
    """Claims a run that is free, and in the same statement strikes the delivery off, whoever has the run."""
    return _claim(or_(RUNS.c.status == "queued", silent())).add_cte(STRIKE.cte("struck"))


@cache
def _retake() -> ReturningUpdate[Any]:
    """Claims the next attempt of a run that is ours, also when it was claimed before and the reply to it was lost."""
    before: BindParameter[int] = bindparam("attempt_before")
    ours = and_(RUNS.c.status == "running", RUNS.c.lease_owner == bindparam("owner"))
    return _claim(ours, RUNS.c.attempt.between(before, before + 1))


_OURS = (RUNS.c.lease_owner == bindparam("owner"), RUNS.c.status == "running")
_WANTED = RUNS.c.id.in_(bindparam("runs", expanding=True))
_SEEN = (RUNS.c.id, RUNS.c.attempt, RUNS.c.cancel_requested_at)
_LOOK = select(*_SEEN).where(*_OURS, _WANTED)


@cache
def _renew() -> ReturningUpdate[Any, Any, Any]:
    free = select(RUNS.c.id).where(*_OURS, _WANTED).with_for_update(skip_locked=True)
    return (
        update(RUNS)
        .where(RUNS.c.id.in_(free))
        .values(lease_expires_at=in_seconds(load().lease_seconds))
        .returning(*_SEEN)
    )


@dataclass(slots=True, eq=False)
class Hand:
    """A run in this worker's hands. `end` cancels its work and remembers why.

    `written` are the events of its log as this process knows them, those of an earlier attempt here included.
    """

    run: Taken
    written: Sequence[Event] = ()
    work: "asyncio.Task[object] | None" = None
    reason: Reason | None = None
    is_suspect: bool = False

    @property
    def was_stopped(self) -> bool:
        """Whether a person asked for the end."""
        return self.reason == "stopped"

    @property
    def attempt(self) -> int:
        """The number of this attempt, which fences all that it writes."""
        return self.run.attempt

    def begin(self, work: "asyncio.Task[object]") -> None:
        """Have this work done, unless the end has come before it."""
        self.work = work
        if self.reason is not None:
            work.cancel()

    def end(self, reason: Reason) -> None:
        """Cancel the work, once: it may be closing a connection when it is told again. The first reason stays."""
        if self.reason is not None:
            return
        self.reason = reason
        if self.work is not None:
            self.work.cancel()


@dataclass(slots=True)
class Hands:
    """All runs in this worker's hands."""

    house: House
    owner: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}")
    runs: dict[UUID, Hand] = field(default_factory=dict)

    async def take(self, order: RunOrder, delivery: Delivery) -> Hand | None:
        """Claim the run, and answer for it from now on; None when it is another's, stopped or over."""
        mine = {"run": order.run_id, "owner": self.owner, "delivery": delivery.id}
        return self._hold(await self.house.db.once(_take(), mine), is_suspect=order.is_suspect)

    async def retake(self, hand: Hand) -> Hand | None:
        """Begin another attempt at a run that is still ours; None when it is not."""
        if self.runs.get(hand.run.id) is not hand:
            return None
        mine = {"run": hand.run.id, "owner": self.owner, "attempt_before": hand.attempt}
        return self._hold(await self.house.db.once(_retake(), mine), hand.written, is_suspect=hand.is_suspect)

    def _hold(self, row: Row[Any] | None, written: Sequence[Event] = (), *, is_suspect: bool) -> Hand | None:
        if row is None:
            return None
        run = Taken(*cast("tuple[Any, ...]", row))
        earlier = self.runs.get(run.id)
        if earlier is not None:
            earlier.end("lost")
        hand = self.runs[run.id] = Hand(run, written, is_suspect=is_suspect)
        return hand

    def drop(self, hand: Hand) -> None:
        """Let the run go, if it is still this hand that holds it."""
        if self.runs.get(hand.run.id) is hand:
            del self.runs[hand.run.id]

    async def give_back(self, hand: Hand) -> None:
        """Queue the run again at once, as a worker does that was asked to end."""
        mine = (Run.id == hand.run.id, Run.status == "running", Run.attempt == hand.attempt)
        async with self.house.db.transaction() as tx:
            given = await tx.execute(
                update(Run).where(*mine).values(status="queued", lease_owner=None).returning(Run.id)
            )
            if given.first() is not None:
                await tx.enqueue(PERFORM, RunOrder(hand.run.id, hand.is_suspect))

    async def renew(self) -> set[UUID]:
        """Renew every lease; end what was lost or asked to stop. Those that others had locked just now are returned.

        A row that is locked for long holds up no other, and is not lost: it is looked at without being renewed.
        """
        held = dict(self.runs)
        async with self.house.db.transaction() as tx:
            rows = (await tx.execute(_renew(), {"owner": self.owner, "runs": list(held)})).all()
            kept: dict[UUID, Row[Any, Any, Any]] = {row.id: row for row in rows}
            skipped = held.keys() - kept.keys()
            if skipped:
                rows = (await tx.execute(_LOOK, {"owner": self.owner, "runs": list(skipped)})).all()
                kept |= {row.id: row for row in rows}
        for run_id, hand in held.items():
            row = kept.get(run_id)
            if row is None or row.attempt != hand.attempt:
                hand.end("lost")
            elif row.cancel_requested_at is not None:
                hand.end("stopped")
        return skipped & kept.keys()

    async def keep(self) -> None:
        """Renew as long as the worker lives; while PostgreSQL is away nobody else can claim either."""
        soon = False
        while True:
            await asyncio.sleep(load().lease_seconds / (SOON_RENEWALS if soon else RENEWALS))
            if self.runs:
                try:
                    soon = bool(await self.renew())
                except Exception as error:  # noqa: BLE001  # whatever it is, without renewals every run here is lost
                    logger.warning("leases_not_renewed", runs=len(self.runs), error=log.first_line(error))

    async def listen(self) -> None:
        """End runs at once when a stop is asked for anywhere; the renewals find what is missed here."""
        while True:
            with suppress(RedisError, OSError, ValueError):
                async with self.house.valkey.pubsub() as channel:  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves **kwargs untyped
                    await channel.subscribe(f"{self.house.settings.key_prefix}:{STOP_CHANNEL}")
                    while True:
                        message = cast("Any", await channel.get_message(ignore_subscribe_messages=True, timeout=30))
                        if message is not None:
                            self._stop(UUID(message["data"].decode()))
            await asyncio.sleep(0.2)

    def _stop(self, run_id: UUID) -> None:
        hand = self.runs.get(run_id)
        if hand is not None:
            hand.end("stopped")


@asynccontextmanager
async def open_hands(house: House) -> AsyncGenerator[Hands]:
    """The hands of this process, with their renewals and their listening."""
    hands = Hands(house)
    tasks = [spawn(hands.keep(), "runs.keep"), spawn(hands.listen(), "runs.listen")]
    try:
        yield hands
    finally:
        for task in tasks:
            task.cancel()


async def reap(house: House) -> None:
    """Queue again every run whose worker fell silent.

    One that has lost its second worker may be what ends them: from its third attempt on it is a suspect, which a worker
    performs one after another. Who only stood beside it twice becomes one too, and then no longer stands beside it.
    """
    lost = select(Run.id).where(silent()).limit(REAP_BATCH).with_for_update(skip_locked=True)
    async with house.db.transaction() as tx:
        rows = await tx.execute(
            update(Run).where(Run.id.in_(lost)).values(status="queued", lease_owner=None).returning(Run.id, Run.attempt)
        )
        for run_id, attempt in rows.all():
            logger.warning("run_reaped", run_id=str(run_id), attempt=attempt)
            await tx.enqueue(PERFORM, RunOrder(run_id, is_suspect=attempt >= LOST_TWICE))
