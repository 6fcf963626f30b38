"""Reading a run's events: every one above the reader's cursor, once and in order, live, ended or long ago."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from madang.features.runs.access import own_run
from madang.features.runs.contracts import TERMINAL, EventType
from madang.features.runs.service.packing import unpack
from madang.features.runs.settings import load
from madang.features.runs.tables import Run
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.house import House
from madang.kernel.tail import Event


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a reader begins: what is known of the run without its live log."""

    run_id: UUID
    labels: dict[str, object]
    log: bytes | None = None


async def open_events(tx: Tx, who: Principal, run_id: UUID) -> Opening:
    """Permit the reader. Raises `RunNotFound`."""
    run = await own_run(tx, who, run_id, with_log=True)
    return Opening(run.id, run.labels, run.log)


async def events(house: House, opening: Opening, after: int) -> AsyncGenerator[list[Event]]:
    """Batches of events above `after` until the run's last; an empty batch is a heartbeat.

    Needs PostgreSQL only for a run that has ended, Valkey only for one that has not; while either is away, nothing
    but heartbeats comes.
    """
    if opening.log is not None:
        yield unpack(opening.log, after)
        return
    if after < 1:
        yield [Event(1, EventType.QUEUED.encode(), msgspec.json.encode(opening.labels))]
    cursor = max(after, 1)
    async with aclosing(house.streams.follow(str(opening.run_id), cursor, load().heartbeat_seconds)) as batches:
        async for batch in batches:
            found = batch or await _ended(house, opening.run_id, cursor)
            yield found
            if found:
                cursor = found[-1].seq
                if found[-1].type in TERMINAL:
                    return


async def _ended(house: House, run_id: UUID, after: int) -> list[Event]:
    """What the row of a run that has ended still has for a reader whom the live log left waiting."""
    try:
        async with house.db.transaction() as tx:
            log = await tx.scalar(select(Run.log).where(Run.id == run_id))
    except (SQLAlchemyError, OSError):
        return []
    return [] if log is None else unpack(log, after)
