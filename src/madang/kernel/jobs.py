"""Work that outlives a request, and work by the clock.

A job is a row of the outbox until it is done; Celery only carries its name to a worker, whose dispatcher does it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from madang.kernel import log

if TYPE_CHECKING:
    from madang.kernel.house import House

logger = log.get_logger(__name__)

EVENT_ATTEMPTS = 20
"""An hour, with waits that grow to five minutes: time to restart what a reaction needs."""


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

    A job `apart` has places of its own, as many as all others share: it may wait for something without holding up
    letters. `is_suspect(payload)` says of a JSON payload that its work lost several workers: of these one is done after
    another in a worker.
    """

    kind: JobKind[Any]
    handler: Callable[..., Coroutine[Any, Any, None]]
    lease: timedelta = timedelta(seconds=30)
    max_attempts: int = 5
    on_dead: "Callable[[House, Any, str], Awaitable[None]] | None" = None
    self_leased: bool = False
    longest: timedelta | None = timedelta(hours=1)
    apart: bool = False
    is_suspect: "Callable[[dict[str, object]], bool]" = lambda _: False


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


def by_name(jobs: Sequence[Job]) -> dict[str, Job]:
    """Jobs by their names."""
    return {job.kind.name: job for job in jobs}
