"""What a run said it took while its worker died before booking it: it stands beside the run and is booked from there.

A call is booked a moment after it ends, with others. Its run's end may be written before; a worker that is killed in
between would leave a run that tells of more than the ledger.
"""

from itertools import chain
from typing import Any
from uuid import UUID

from msgspec import to_builtins
from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.exc import DataError, IntegrityError

from madang.features.runs.service.tally import totals_of
from madang.features.runs.tables import RUNS
from madang.features.usage.public import book_unwritten, run_totals
from madang.kernel import log
from madang.kernel.db import Tx, in_seconds
from madang.kernel.house import House

logger = log.get_logger(__name__)

SETTLE_SECONDS = 10
BATCH = 500
UNBOOKABLE = (DataError, IntegrityError, ValueError)
"""What says that something among what was to be booked never can be, such as an outcome of a later version."""


async def settle(house: House) -> None:
    """Book the calls that stand beside runs which ended a while ago; almost all of them are booked already.

    What cannot be booked is found by halving, set aside beside its run with the error, and keeps back no other.
    """
    size = BATCH
    while True:
        try:
            settled = await _settle_oldest(house, size)
        except UNBOOKABLE as error:
            if size == 1:
                await _set_aside(house, log.first_line(error))
            size = max(size // 2, 1)
        else:
            if settled < size:
                return
            size = min(2 * size, BATCH)


def _unbooked(limit: int) -> Select[Any, Any]:
    old = RUNS.c.finished_at < in_seconds(-SETTLE_SECONDS)
    wanted = select(RUNS.c.id, RUNS.c.unbooked).where(RUNS.c.unbooked.is_not(None), old)
    wanted = wanted.where(RUNS.c.unbooked_error.is_(None))
    return wanted.order_by(RUNS.c.finished_at, RUNS.c.id).limit(limit).with_for_update(skip_locked=True)


async def _settle_oldest(house: House, size: int) -> int:
    async with house.db.transaction() as tx:
        found: list[tuple[UUID, list[object]]] = [(row.id, row.unbooked) for row in await tx.execute(_unbooked(size))]
        if found:
            await book_unwritten(tx, list(chain.from_iterable(calls for _, calls in found)))
            ids = [run_id for run_id, _ in found]
            await tx.execute(update(RUNS).where(RUNS.c.id.in_(ids)).values(unbooked=None))
    return len(found)


async def _set_aside(house: House, error: str) -> None:
    async with house.db.transaction() as tx:
        first = (await tx.execute(_unbooked(1))).first()
        if first is not None:
            logger.error("run_not_bookable", run_id=str(first.id), error=error)
            await tx.execute(update(RUNS).where(RUNS.c.id == first.id).values(unbooked_error=error))


_CORRECT = update(RUNS).where(RUNS.c.id == bindparam("run")).values(usage=bindparam("new_usage"))


async def correct_totals(tx: Tx, run_id: UUID) -> None:
    """Write into a run that has ended what the ledger says of it by now."""
    ended = await tx.scalar(select(RUNS.c.id).where(RUNS.c.id == run_id, RUNS.c.usage.is_not(None)).with_for_update())
    totals = totals_of(await run_totals(tx, run_id), None)
    if ended is not None and totals is not None:
        await tx.execute(_CORRECT, {"run": run_id, "new_usage": to_builtins(totals)})
