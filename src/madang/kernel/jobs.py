"""Work that outlives a request, and work by the clock.

A job is a row of the outbox until it is done; Celery only carries its name to a worker. The worker claims the row
under a lease, renews the lease while it works, and strikes the row off at the end; a worker that dies lets the lease
run out and the job is sent again. One asyncio loop a worker runs them all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement

from madang.kernel import log
from madang.kernel.clock import now
from madang.kernel.db import OUTBOX, Delivery, Tx
from madang.kernel.events import Reactions

if TYPE_CHECKING:
    from madang.kernel.house import House

logger = log.get_logger(__name__)

SWEEP_BATCH = 500
FIRST_RETRY_SECONDS = 2
LONGEST_RETRY_SECONDS = 300
LETTING_GO_SECONDS = 4
"""How long a cancelled handler may take to end before its lease is rather left to run out."""
MOST_DOUBLINGS = 10
MOST_SENDS = 30_000


@dataclass(frozen=True, slots=True)
class JobKind[P]:
    """The name of a job and the frozen dataclass it takes; lives in contracts, so that an api can enqueue it."""

    name: str
    payload: type[P]


@dataclass(frozen=True, slots=True)
class Job:
    """A job kind bound to its handler, for the worker.

    `handler(house, payload)` runs with no transaction open and at least once. After `max_attempts` failures
    `on_dead(house, payload, error)` is called and the row stays for the operator. A job with `self_leased` keeps its
    own lease: its handler is `handler(house, payload, delivery)` and strikes the row off itself with `accept`.
    """

    kind: JobKind[Any]
    handler: Callable[..., Coroutine[Any, Any, None]]
    lease: timedelta = timedelta(seconds=30)
    max_attempts: int = 5
    on_dead: "Callable[[House, Any, str], Awaitable[None]] | None" = None
    self_leased: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """Work by the clock: `handler(house)` every `every`, by one scheduler at a time."""

    name: str
    every: timedelta
    handler: "Callable[[House], Awaitable[None]]"


_running: set[asyncio.Task[Any]] = set()


def spawn[T](work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Run a coroutine beside the caller; its task is kept until it ends and its error is logged, not lost."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("task_failed", task=task.get_name(), exc_info=error)


STRIKE = delete(OUTBOX).where(OUTBOX.c.id == bindparam("delivery"))
"""Strikes a delivery off the outbox."""


async def accept(tx: Tx, delivery: Delivery) -> None:
    """Strike the delivery off with this transaction: from its commit on, the caller answers for the work."""
    await tx.execute(STRIKE, {"delivery": delivery.id})


def in_seconds(seconds: float) -> ColumnElement[Any]:
    """A moment from now by the database's clock, as SQL."""
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


@dataclass(slots=True)
class Deliverer:
    """Takes deliveries on in a worker: events at once, jobs as places become free."""

    house: "House"
    jobs: dict[str, Job]
    reactions: Reactions
    _runs: asyncio.Semaphore = field(init=False)
    _places: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._runs = asyncio.Semaphore(self.house.settings.worker_runs)
        self._places = asyncio.Semaphore(self.house.settings.worker_jobs)

    def take(self, delivery: Delivery) -> None:
        """Begin with the delivery; returns at once. Call it on the worker's loop."""
        spawn(self._deliver(delivery), f"{delivery.kind}:{delivery.name}")

    async def _deliver(self, delivery: Delivery) -> None:
        with log.bind(request_id=delivery.request_id):
            try:
                if delivery.kind == "event":
                    await self.reactions.tell(self.house, delivery)
                else:
                    await self._do(delivery)
            except Exception as error:  # whatever a handler raises, the outbox sends the row again
                logger.warning("delivery_failed", delivery=delivery.name, exc_info=error)

    async def _do(self, delivery: Delivery) -> None:
        job = self.jobs.get(delivery.name)
        if job is None:
            logger.error("job_unknown", job=delivery.name)
            return
        try:
            payload = msgspec.convert(delivery.payload, job.kind.payload)
        except msgspec.ValidationError as error:
            await self._unreadable(job, delivery, error)
            return
        if job.self_leased:
            async with self._runs:
                await job.handler(self.house, payload, delivery)
            return
        async with self._places:
            await self._attempt(job, payload, delivery)

    async def _unreadable(self, job: Job, delivery: Delivery, error: Exception) -> None:
        """Count what no handler can be given as a failure: another version may read it, else the operator will."""
        attempt = await claim(self.house, delivery, job.lease)
        if attempt is not None:
            await self._failed(job, None, delivery, attempt, error)

    async def _attempt(self, job: Job, payload: object, delivery: Delivery) -> None:
        attempt = await claim(self.house, delivery, job.lease)
        if attempt is None:
            return
        work = spawn(job.handler(self.house, payload), f"handler:{delivery.name}")
        keeper = spawn(keep(self.house, delivery, attempt, job.lease, work), f"lease:{delivery.name}")
        try:
            await work
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work}, timeout=LETTING_GO_SECONDS)
            if work.done():
                await release(self.house, delivery, attempt)
            raise
        except Exception as error:  # noqa: BLE001  # a handler may raise anything; it is recorded and tried again
            await self._failed(job, payload, delivery, attempt, error)
        else:
            async with self.house.db.transaction() as tx:
                await accept(tx, delivery)
        finally:
            keeper.cancel()

    async def _failed(self, job: Job, payload: object, delivery: Delivery, attempt: int, error: Exception) -> None:
        logger.warning("job_failed", job=delivery.name, attempt=attempt, exc_info=error)
        dead = attempt >= job.max_attempts
        wait = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (attempt - 1))
        async with self.house.db.transaction() as tx:
            recorded = await tx.execute(
                update(OUTBOX)
                .where(OUTBOX.c.id == delivery.id, OUTBOX.c.attempts == attempt)
                .values(
                    claimed_until=None,
                    due_at=in_seconds(wait),
                    last_error=f"{type(error).__name__}: {error}"[:2000],
                    dead_at=func.now() if dead else None,
                )
                .returning(OUTBOX.c.id)
            )
            mine = recorded.first() is not None
        if mine and dead and payload is not None and job.on_dead is not None:
            await job.on_dead(self.house, payload, str(error))


async def claim(house: "House", delivery: Delivery, lease: timedelta) -> int | None:
    """Take the row under a lease; the number of this attempt, from 1, or None when it is another's or done."""
    free = or_(OUTBOX.c.claimed_until.is_(None), OUTBOX.c.claimed_until < func.now())
    async with house.db.transaction() as tx:
        attempt: int | None = await tx.scalar(
            update(OUTBOX)
            .where(OUTBOX.c.id == delivery.id, OUTBOX.c.dead_at.is_(None), free)
            .values(claimed_until=in_seconds(lease.total_seconds()), attempts=OUTBOX.c.attempts + 1)
            .returning(OUTBOX.c.attempts)
        )
    return attempt


async def keep(
    house: "House", delivery: Delivery, attempt: int, lease: timedelta, work: "asyncio.Future[None]"
) -> None:
    """Renew the attempt's lease three times in its length; ends the work when the lease was lost for good."""
    deadline = now() + lease
    while True:
        await asyncio.sleep(lease.total_seconds() / 3)
        with suppress(SQLAlchemyError, OSError):
            async with house.db.transaction() as tx:
                kept = await tx.execute(
                    update(OUTBOX)
                    .where(
                        OUTBOX.c.id == delivery.id, OUTBOX.c.attempts == attempt, OUTBOX.c.claimed_until > func.now()
                    )
                    .values(claimed_until=in_seconds(lease.total_seconds()))
                    .returning(OUTBOX.c.id)
                )
                deadline = now() + lease if kept.first() else now()
        if now() >= deadline:
            logger.warning("lease_lost", job=delivery.name)
            work.cancel()
            return


async def release(house: "House", delivery: Delivery, attempt: int) -> None:
    """Give the row back at once, as a worker does that was asked to stop; nothing if another has claimed it since."""
    async with house.db.transaction() as tx:
        await tx.execute(
            update(OUTBOX)
            .where(OUTBOX.c.id == delivery.id, OUTBOX.c.attempts == attempt)
            .values(claimed_until=None, due_at=func.now(), attempts=OUTBOX.c.attempts - 1)
        )


async def sweep(house: "House") -> int:
    """Send again what is due and in nobody's hands; how many rows there were. The scheduler calls it each second."""
    free = or_(OUTBOX.c.claimed_until.is_(None), OUTBOX.c.claimed_until < func.now())
    due = (
        select(OUTBOX.c.id)
        .where(OUTBOX.c.due_at < func.now(), OUTBOX.c.dead_at.is_(None), free)
        .order_by(OUTBOX.c.due_at)
        .limit(SWEEP_BATCH)
        .with_for_update(skip_locked=True)
    )
    wait = func.least(
        FIRST_RETRY_SECONDS * func.power(2, func.least(OUTBOX.c.sends, MOST_DOUBLINGS)), LONGEST_RETRY_SECONDS
    )
    async with house.db.transaction() as tx:
        rows = await tx.execute(
            update(OUTBOX)
            .where(OUTBOX.c.id.in_(due))
            .values(
                due_at=in_seconds(5) + func.make_interval(0, 0, 0, 0, 0, 0, wait),
                sends=func.least(OUTBOX.c.sends, MOST_SENDS) + 1,
            )
            .returning(OUTBOX.c.id, OUTBOX.c.kind, OUTBOX.c.name, OUTBOX.c.payload, OUTBOX.c.request_id)
        )
        found = [Delivery(*row) for row in rows]
    house.deliver(found)
    return len(found)


def by_name(jobs: Sequence[Job]) -> dict[str, Job]:
    """Jobs by their names."""
    return {job.kind.name: job for job in jobs}
