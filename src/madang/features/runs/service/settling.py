"""What a run said it took while its worker died before booking it: it stands beside the run and is booked from there.

A call is booked a moment after it ends, with others. Its run's end may be written before; a worker that is killed in
between would leave a run that tells of more than the ledger.
"""

from itertools import chain

from sqlalchemy import select, update

from madang.features.runs.tables import RUNS
from madang.features.usage.public import book_unwritten
from madang.kernel.db import in_seconds
from madang.kernel.house import House

SETTLE_SECONDS = 10
BATCH = 500


async def settle(house: House) -> None:
    """Book the calls that stand beside runs which ended a while ago; almost all of them are booked already."""
    old = RUNS.c.finished_at < in_seconds(-SETTLE_SECONDS)
    wanted = select(RUNS.c.id, RUNS.c.unbooked).where(RUNS.c.unbooked.is_not(None), old)
    wanted = wanted.order_by(RUNS.c.finished_at).limit(BATCH).with_for_update(skip_locked=True)
    while True:
        async with house.db.transaction() as tx:
            found = (await tx.execute(wanted)).all()
            if found:
                await book_unwritten(tx, list(chain.from_iterable(calls for _, calls in found)))
                ids = [run_id for run_id, _ in found]
                await tx.execute(update(RUNS).where(RUNS.c.id.in_(ids)).values(unbooked=None))
        if len(found) < BATCH:
            return
