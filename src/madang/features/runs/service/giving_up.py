"""Ending a run that nobody could begin, so that its person learns of it."""

import asyncio

import msgspec
from redis.exceptions import RedisError
from sqlalchemy import ColumnElement, func, or_, select, update

from madang.features.runs.contracts import EventType, RunEnded, RunOrder
from madang.features.runs.service.leases import silent
from madang.features.runs.service.packing import pack
from madang.features.runs.service.tally import count_ended
from madang.features.runs.tables import RUNS
from madang.kernel import log
from madang.kernel.house import House
from madang.kernel.streams import Event, FencedError, LogWriter

logger = log.get_logger(__name__)

NOT_BEGUN = {
    "code": "run_not_begun",
    "message": "The answer could not be begun for an hour. Ask again, or tell the operator.",
}
LOG_SECONDS = 5.0


async def give_up(house: House, order: RunOrder, error: str) -> None:
    """End the run as failed, when its order is set aside; nothing when it has begun again or ended.

    Its readers hear so after all that an earlier attempt has told them. The operator may have the order tried again: it
    then finds a run that has ended, and is done.
    """
    async with house.db.transaction() as tx:
        run = (await tx.execute(select(RUNS).where(RUNS.c.id == order.run_id, _free()))).first()
    if run is None:
        return
    writer = await _claim(house, str(run.id), run.attempt + 1) if run.attempt else None
    told = writer.events if writer else []
    told = told or [Event(1, EventType.QUEUED.encode(), msgspec.json.encode(run.labels))]
    last = Event(told[-1].seq + 1, EventType.FAILED.encode(), msgspec.json.encode(NOT_BEGUN))
    ending: dict[str, object] = {"status": "failed", "error": NOT_BEGUN, "request": {}, "text": "", "citations": []}
    freed = {"attempt": run.attempt + 1, "lease_owner": None, "lease_expires_at": None}
    async with house.db.transaction() as tx:
        ended = await tx.execute(
            update(RUNS)
            .where(RUNS.c.id == run.id, RUNS.c.attempt == run.attempt, _free())
            .values(**ending, **freed, log=pack([*told, last]), finished_at=func.now())
            .returning(RUNS.c.id)
        )
        if ended.first() is None:
            return
        labels = {key: str(value) for key, value in run.labels.items()}
        await tx.announce(RunEnded(run.id, run.account_id, "failed", labels))
    if writer is not None:
        house.streams.retire(writer)
    count_ended("failed", None)
    logger.error("run_not_begun", run_id=str(order.run_id), error=error)


def _free() -> ColumnElement[bool]:
    return or_(RUNS.c.status == "queued", silent())


async def _claim(house: House, key: str, fence: int) -> LogWriter | None:
    """The log with what the attempts before told, their writers shut out; None while Valkey is away."""
    try:
        async with asyncio.timeout(LOG_SECONDS):
            return await house.streams.claim(key, fence)
    except (RedisError, OSError, FencedError) as error:
        logger.warning("log_not_claimed", error=log.first_line(error))
        return None
