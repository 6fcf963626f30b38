"""Work that outlives a request, and work by the clock.

A job is a row of the outbox until it is done; Celery only carries its name to a worker. The worker claims the row
under a lease, renews the lease while it works, and strikes the row off at the end; a worker that dies lets the lease
run out and the job is sent again, as often as it may be tried. One asyncio loop a worker runs them all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from madang.kernel import log, outbox
from madang.kernel.db import Delivery
from madang.kernel.events import Reactions

if TYPE_CHECKING:
    from madang.kernel.house import House

logger = log.get_logger(__name__)

LETTING_GO_SECONDS = 4
"""How long a cancelled handler may take to end before its lease is rather left to run out."""
EVENT_ATTEMPTS = 20
"""An hour, with waits that grow to five minutes: time to restart what a reaction needs."""
RETOLD_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class JobKind[P]:
    """The name of a job and the frozen dataclass it takes; lives in contracts, so that an api can enqueue it."""

    name: str
    payload: type[P]


@dataclass(frozen=True, slots=True)
class Job:
    """A job kind bound to its handler, for the worker.

    `handler(house, payload)` runs with no transaction open and at least once, each time for `longest` at most (None
    for ever). After `max_attempts` that failed or lost their worker `on_dead(house, payload, error)` is called, at
    least once and within the lease, and the row stays for the operator. A job with `self_leased` keeps its own lease:
    its handler is `handler(house, payload, delivery)` and strikes the row off itself with `outbox.accept`.
    """

    kind: JobKind[Any]
    handler: Callable[..., Coroutine[Any, Any, None]]
    lease: timedelta = timedelta(seconds=30)
    max_attempts: int = 5
    on_dead: "Callable[[House, Any, str], Awaitable[None]] | None" = None
    self_leased: bool = False
    longest: timedelta | None = timedelta(hours=1)


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


@dataclass(slots=True)
class Deliverer:
    """Takes deliveries on in a worker: events at once, jobs as places become free.

    What was sent again may be what holds up or kills whoever takes it on. So only a few such events are told at a time,
    and of deliveries that lost their worker one is tried after another: an innocent one shares that fate once.
    """

    house: "House"
    jobs: dict[str, Job]
    reactions: Reactions
    _telling: Job = field(init=False)
    _runs: asyncio.Semaphore = field(init=False)
    _places: asyncio.Semaphore = field(init=False)
    _retold: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RETOLD_AT_ONCE))
    _suspects: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def __post_init__(self) -> None:
        minute = timedelta(minutes=1)
        self._telling = Job(
            JobKind("tell", object), self._tell, 1.5 * minute, EVENT_ATTEMPTS, self_leased=True, longest=minute
        )
        self._runs = asyncio.Semaphore(self.house.settings.worker_runs)
        self._places = asyncio.Semaphore(self.house.settings.worker_jobs)

    def take(self, delivery: Delivery) -> None:
        """Begin with the delivery; returns at once. Call it on the worker's loop."""
        spawn(self._deliver(delivery), f"{delivery.kind}:{delivery.name}")

    async def _deliver(self, delivery: Delivery) -> None:
        job = self._telling if delivery.kind == "event" else self.jobs.get(delivery.name)
        with log.bind(request_id=delivery.request_id):
            try:
                if job is None:
                    await outbox.leave_unknown(self.house, delivery)
                else:
                    async with self._suspects if delivery.lost else nullcontext(), self._place(job, delivery):
                        await self._do(job, delivery)
            except Exception as error:  # the outbox cannot be written to; it sends the row again
                logger.warning("delivery_failed", delivery=delivery.name, exc_info=error)

    async def _tell(self, house: "House", _payload: object, delivery: Delivery) -> None:
        await self.reactions.tell(house, delivery)

    def _place(self, job: Job, delivery: Delivery) -> AbstractAsyncContextManager[None]:
        if delivery.kind == "event":
            return self._retold if delivery.again else nullcontext()
        return self._runs if job.self_leased else self._places

    async def _do(self, job: Job, delivery: Delivery) -> None:
        """Claim the delivery and try; what strikes itself off is claimed only when it was sent again."""
        attempt: int | None = None
        if delivery.again or not job.self_leased:
            attempt = await outbox.claim(self.house, delivery, job.lease)
            if attempt is None:
                return
            if attempt > job.max_attempts:
                await self._give_up(job, delivery, attempt, outbox.WORKER_LOST)
                return
        error = await self._attempt(job, delivery, attempt)
        if error is not None:
            await self._failed(job, delivery, attempt, error)

    async def _attempt(self, job: Job, delivery: Delivery, attempt: int | None) -> BaseException | None:
        """Do the work; what went wrong, if anything did. A handler that cancels itself has failed like any other."""
        try:
            if job.self_leased or attempt is None:
                await self._handle(job, delivery)
            else:
                await self._keeping(job, delivery, attempt)
        except asyncio.CancelledError as error:
            if not _told_to_stop():
                return error
            if job.self_leased and attempt is not None:
                await outbox.release(self.house, delivery, attempt)
            raise
        except Exception as error:  # noqa: BLE001  # a handler may raise anything; it is recorded and tried again
            return error
        return None

    async def _keeping(self, job: Job, delivery: Delivery, attempt: int) -> None:
        """Do a job while its lease is renewed, and strike it off; raises what its handler does."""
        work = spawn(self._handle(job, delivery), f"handler:{delivery.name}")
        keeper = spawn(outbox.keep(self.house, delivery, attempt, job.lease, work), f"lease:{delivery.name}")
        try:
            await asyncio.wait({work})
            if work.cancelled() and keeper.done():
                return
            await work
            async with self.house.db.transaction() as tx:
                await outbox.accept(tx, delivery)
        except asyncio.CancelledError:
            if _told_to_stop():
                work.cancel()
                await asyncio.wait({work}, timeout=LETTING_GO_SECONDS)
                if work.done():
                    await outbox.release(self.house, delivery, attempt)
            raise
        finally:
            keeper.cancel()

    async def _handle(self, job: Job, delivery: Delivery) -> None:
        payload = msgspec.convert(delivery.payload, job.kind.payload)
        async with asyncio.timeout(job.longest.total_seconds() if job.longest else None):
            await job.handler(self.house, payload, *((delivery,) if job.self_leased else ()))

    async def _failed(self, job: Job, delivery: Delivery, attempt: int | None, error: BaseException) -> None:
        """Note the failure with the row, unless it is done or another's by now; after the last attempt give up."""
        logger.warning("delivery_failed", delivery=delivery.name, attempt=attempt, exc_info=error)
        if attempt is None:
            attempt = await outbox.claim(self.house, delivery, job.lease)
        if attempt is not None:
            is_last = attempt >= job.max_attempts
            is_ours = await outbox.fail(self.house, delivery, attempt, error, is_last=is_last)
            if is_ours and is_last:
                await self._give_up(job, delivery, attempt, str(error))

    async def _give_up(self, job: Job, delivery: Delivery, attempt: int, why: str) -> None:
        """Tell the job's own and set the row aside; in this order, so that who dies in between is followed by another.

        A job whose `on_dead` kills its worker too is set aside without it.
        """
        if job.on_dead is not None and attempt <= 2 * job.max_attempts:
            try:
                payload = msgspec.convert(delivery.payload, job.kind.payload)
                async with asyncio.timeout(job.lease.total_seconds()):
                    await job.on_dead(self.house, payload, why)
            except Exception as error:  # the row is set aside whatever it raises
                logger.warning("on_dead_failed", job=delivery.name, exc_info=error)
        await outbox.set_aside(self.house, delivery, attempt)


def _told_to_stop() -> bool:
    """Whether this task is being cancelled from outside; else what it awaited was."""
    this = asyncio.current_task()
    return this is not None and this.cancelling() > 0


def by_name(jobs: Sequence[Job]) -> dict[str, Job]:
    """Jobs by their names."""
    return {job.kind.name: job for job in jobs}
