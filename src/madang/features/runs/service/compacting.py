"""Old runs, kept as small as can be: what was said stands in their message, and once more in their packed log."""

from sqlalchemy import bindparam, select, update

from madang.features.runs.service.packing import compacted
from madang.features.runs.settings import load
from madang.features.runs.tables import RUNS
from madang.kernel.db import in_seconds
from madang.kernel.house import House

EVERY_SECONDS = 60
BATCH = 100
DAY_SECONDS = 86_400

_SHORTER = update(RUNS).where(RUNS.c.id == bindparam("run")).values(text=None, request={}, log=bindparam("new_log"))


async def compact(house: House) -> None:
    """Let the log of every run that ended long ago say at once what was said piece by piece."""
    old = RUNS.c.finished_at < in_seconds(-DAY_SECONDS * load().log_days)
    wanted = select(RUNS.c.id, RUNS.c.log).where(RUNS.c.text.is_not(None), old)
    wanted = wanted.order_by(RUNS.c.finished_at).limit(BATCH).with_for_update(skip_locked=True)
    while True:
        async with house.db.transaction() as tx:
            found = (await tx.execute(wanted)).all()
            if found:
                shorter = [{"run": run_id, "new_log": log and compacted(log)} for run_id, log in found]
                await tx.execute(_SHORTER, shorter)
        if len(found) < BATCH:
            return
