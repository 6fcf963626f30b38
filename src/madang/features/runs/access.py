"""Runs, loaded and permitted in one step."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import defer

from madang.features.runs.contracts import RunNotFound
from madang.features.runs.tables import Run
from madang.kernel.auth import Principal
from madang.kernel.db import Tx


async def own_run(tx: Tx, who: Principal, run_id: UUID, *, with_log: bool = False, lock: bool = False) -> Run:
    """The account's run. Raises `RunNotFound`."""
    query = select(Run).where(Run.id == run_id, Run.account_id == who.account_id)
    if not with_log:
        query = query.options(defer(Run.log, raiseload=True))
    if lock:
        query = query.with_for_update()
    run = await tx.scalar(query)
    if run is None:
        raise RunNotFound
    return run
