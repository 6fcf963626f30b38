"""Reading a run's events: every one above the reader's cursor, once and in order, live, ended or long ago."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import select

from madang.features.runs.access import own_run
from madang.features.runs.contracts import TERMINAL, EventType
from madang.features.runs.service.packing import unpack
from madang.features.runs.settings import load
from madang.features.runs.tables import Run
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.failures import FAILURES_OF_OURS, is_temporary
from madang.kernel.house import House
from madang.kernel.streams import Event


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
    but heartbeats comes. Whoever claims to have seen more than there is hears the end again; when the run is deleted,
    its events cease.
    """
    if opening.log is not None:
        yield _rest(opening.log, after)
        return
    if after < 1:
        yield [Event(1, EventType.QUEUED.encode(), msgspec.json.encode(opening.labels))]
    cursor = max(after, 1)
    async with aclosing(house.streams.follow(str(opening.run_id), cursor, load().heartbeat_seconds)) as batches:
        async for batch in batches:
            rest = None if batch else await _ended(house, opening.run_id, cursor)
            yield rest or batch
            if rest is not None or (batch and batch[-1].type in TERMINAL):
                return
            cursor = batch[-1].seq if batch else cursor


async def _ended(house: House, run_id: UUID, after: int) -> list[Event] | None:
    """What the row of a run that has ended still has for a reader whom the live log left waiting; None if it goes on.

    Nothing when the run was deleted.
    """
    try:
        async with house.db.transaction() as tx:
            run = (await tx.execute(select(Run.log).where(Run.id == run_id))).first()
    except FAILURES_OF_OURS as error:
        if not is_temporary(error):
            raise
        return None
    if run is None:
        return []
    return None if run.log is None else _rest(run.log, after)


def _rest(log: bytes, after: int) -> list[Event]:
    whole = unpack(log)
    return whole[after:] if after <= len(whole) else whole[-1:]
