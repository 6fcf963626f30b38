"""Doing what was ordered: a worker's deliveries, each in its lane.

The worker claims a row under a lease, renews the lease while it works, and strikes the row off at the end; a worker
that dies lets the lease run out and the job is sent again, as often as it may be tried. One asyncio loop a worker runs
them all.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from madang.kernel import log, outbox
from madang.kernel.db import Delivery
from madang.kernel.events import Reactions
from madang.kernel.house import House
from madang.kernel.jobs import EVENT_ATTEMPTS, Job, JobKind, spawn
from madang.processes.lanes import Lane, Lanes

logger = log.get_logger(__name__)

LETTING_GO_SECONDS = 4
"""How long a cancelled handler may take to end before its lease is rather left to run out."""
EVENTS_AT_ONCE, RETOLD_AT_ONCE = 1000, 4


@dataclass(slots=True)
class Deliverer:
    """Takes deliveries on in a worker: events at once, jobs as places become free.

    What was sent again may be what holds up or kills whoever takes it on. So only a few such events are told at a time,
    and of deliveries that lost their worker one is tried after another: an innocent one shares that fate once.
    """

    house: House
    jobs: dict[str, Job]
    reactions: Reactions
    lanes: Lanes = field(init=False)
    _telling: Job = field(init=False)
    _runs: Lane = field(init=False)
    _places: Lane = field(init=False)
    _apart: dict[str, Lane] = field(default_factory=dict)
    _events: Lane = field(default_factory=lambda: Lane(EVENTS_AT_ONCE))
    _retold: Lane = field(default_factory=lambda: Lane(RETOLD_AT_ONCE))
    _suspects: Lane = field(default_factory=lambda: Lane(1))
    _suspect_runs: Lane = field(default_factory=lambda: Lane(1))

    def __post_init__(self) -> None:
        minute = timedelta(minutes=1)
        self._telling = Job(
            JobKind("tell", object), self._tell, 1.5 * minute, EVENT_ATTEMPTS, self_leased=True, longest=minute
        )
        self._runs = Lane(self.house.settings.worker_runs)
        self._places = Lane(self.house.settings.worker_jobs)
        self.lanes = Lanes(self._lane, self._begin)

    def take(self, delivery: Delivery) -> None:
        """Begin with the delivery, now or when there is a place; returns at once. Call it on the worker's loop."""
        self.lanes.take(delivery)

    def _begin(self, delivery: Delivery, left: Callable[[], None]) -> None:
        task = spawn(self._deliver(delivery), f"{delivery.kind}:{delivery.name}")
        task.add_done_callback(lambda _: left())

    async def _deliver(self, delivery: Delivery) -> None:
        job = self._telling if delivery.kind == "event" else self.jobs.get(delivery.name)
        with log.bind(request_id=delivery.request_id):
            try:
                if job is None:
                    await outbox.leave_unknown(self.house, delivery)
                else:
                    await self._do(job, delivery)
            except Exception as error:  # the outbox cannot be written to; it sends the row again
                logger.warning("delivery_failed", delivery=delivery.name, exc_info=error)

    async def _tell(self, house: House, _payload: object, delivery: Delivery) -> None:
        await self.reactions.tell(house, delivery)

    def _lane(self, delivery: Delivery) -> Lane:
        if delivery.lost:
            return self._suspects
        if delivery.kind == "event":
            return self._retold if delivery.again else self._events
        job = self.jobs.get(delivery.name)
        if job is None:
            return self._places
        if job.self_leased:
            return self._suspect_runs if job.is_suspect(delivery.payload) else self._runs
        if job.apart:
            return self._apart.setdefault(job.kind.name, Lane(self.house.settings.worker_jobs))
        return self._places

    async def _do(self, job: Job, delivery: Delivery) -> None:
        """Claim the delivery and try; what strikes itself off is claimed only when it was sent again."""
        attempt: outbox.Claim | None = None
        if delivery.again or not job.self_leased:
            attempt = await outbox.claim(self.house, delivery, job.lease)
            if attempt is None:
                return
            if attempt.tries > job.max_attempts:
                await self._give_up(job, delivery, attempt, outbox.WORKER_LOST)
                return
        error = await self._attempt(job, delivery, attempt)
        if error is not None:
            await self._failed(job, delivery, attempt, error)

    async def _attempt(self, job: Job, delivery: Delivery, attempt: outbox.Claim | None) -> BaseException | None:
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

    async def _keeping(self, job: Job, delivery: Delivery, attempt: outbox.Claim) -> None:
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

    async def _failed(self, job: Job, delivery: Delivery, attempt: outbox.Claim | None, error: BaseException) -> None:
        """Note the failure with the row, unless it is done or another's by now; after the last attempt give up."""
        logger.warning("delivery_failed", delivery=delivery.name, attempt=attempt and attempt.tries, exc_info=error)
        if attempt is None:
            attempt = await outbox.claim(self.house, delivery, job.lease)
        if attempt is not None:
            is_last = attempt.tries >= job.max_attempts
            is_ours = await outbox.fail(self.house, delivery, attempt, error, is_last=is_last)
            if is_ours and is_last:
                await self._give_up(job, delivery, attempt, str(error))

    async def _give_up(self, job: Job, delivery: Delivery, attempt: outbox.Claim, why: str) -> None:
        """Tell the job's own and set the row aside; in this order, so that who dies in between is followed by another.

        A job whose `on_dead` kills its worker too is set aside without it.
        """
        if attempt.tries <= 2 * job.max_attempts:
            try:
                async with asyncio.timeout(job.lease.total_seconds()):
                    await self._say_dead(job, delivery, why)
            except Exception as error:  # the row is set aside whatever it raises
                logger.warning("on_dead_failed", job=delivery.name, exc_info=error)
        await outbox.set_aside(self.house, delivery, attempt)

    async def _say_dead(self, job: Job, delivery: Delivery, why: str) -> None:
        if delivery.kind == "event":
            await self.reactions.tell_at_last(self.house, delivery)
        elif job.on_dead is not None:
            await job.on_dead(self.house, msgspec.convert(delivery.payload, job.kind.payload), why)


def _told_to_stop() -> bool:
    """Whether this task is being cancelled from outside; else what it awaited was."""
    this = asyncio.current_task()
    return this is not None and this.cancelling() > 0
