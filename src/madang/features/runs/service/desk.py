"""Starting, looking at and stopping runs; everything that an api process does with them but reading events."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from uuid import UUID

import msgspec
from redis.exceptions import RedisError
from sqlalchemy import bindparam, delete, func, insert, select, update

from madang.features.agents.public import Citation
from madang.features.runs.access import own_run
from madang.features.runs.contracts import (
    ENDED,
    PERFORM,
    TERMINAL,
    EventType,
    RunEnded,
    RunOrder,
    RunRequest,
    RunResult,
    Totals,
)
from madang.features.runs.service.packing import pack, said, unpack
from madang.features.runs.service.tally import count_ended
from madang.features.runs.tables import RUNS, Run
from madang.kernel.auth import Principal
from madang.kernel.db import Tx, posting
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.streams import Event

STOP_CHANNEL = "runs:stop"
RECEIPT_WAIT_SECONDS = 5.0
_TELL_SECONDS = 0.5


async def start_run(tx: Tx, who: Principal, request: RunRequest) -> UUID:
    """Store a queued run with this transaction; a worker performs it after the commit."""
    run_id = new_id()
    labels = {"run_id": str(run_id), **(request.labels or {})}
    row = {
        "id": run_id,
        "account_id": who.account_id,
        "agent": request.agent,
        "model": request.model,
        "status": "queued",
        "attempt": 0,
        "request": msgspec.to_builtins(request),
        "labels": labels,
    }
    await tx.enqueue_with(_START, row, PERFORM, RunOrder(run_id))
    return run_id


_NEW = ("id", "account_id", "agent", "model", "status", "attempt", "request", "labels")
_START = posting(insert(RUNS).values({name: bindparam(name) for name in _NEW}).returning(RUNS.c.id).cte("run"))


async def forget_account(tx: Tx, account_id: UUID) -> None:
    """Delete all runs of an account; their logs in Valkey end with their retention."""
    await tx.execute(delete(Run).where(Run.account_id == account_id))


async def forget_words(tx: Tx, run_ids: Sequence[UUID]) -> None:
    """Delete all that was asked and said in runs; that they were, how they ended and what they took stays.

    Those that have not ended are deleted: a worker that performs one finds its lease gone. The logs in Valkey end with
    their retention.
    """
    await tx.execute(delete(Run).where(Run.id.in_(run_ids), Run.status.not_in(ENDED)))
    ended = await tx.execute(select(Run.id, Run.log).where(Run.id.in_(run_ids), Run.log.is_not(None)))
    left: list[dict[str, object]] = []
    for run_id, log in ended.all():
        whole = unpack(log or b"")
        left.append({"run": run_id, "new_log": pack([whole[0], whole[-1]])})
    if left:
        await tx.execute(_WORDLESS, left)


_WORDLESS = (
    update(RUNS)
    .where(RUNS.c.id == bindparam("run"))
    .values(request={}, text="", citations=[], log=bindparam("new_log"))
)


async def is_active(tx: Tx, run_id: UUID) -> bool:
    """Whether the run is queued or running."""
    status = await tx.scalar(select(Run.status).where(Run.id == run_id))
    return status is not None and status not in ENDED


_RESULTS = select(
    Run.id, Run.status, Run.text, Run.citations, Run.usage, Run.error, Run.finished_at, Run.finish_reason
).where(Run.id.in_(bindparam("runs", expanding=True)), Run.status.in_(ENDED))


async def results(tx: Tx, run_ids: Sequence[UUID]) -> dict[UUID, RunResult]:
    """How those of the runs ended that have ended, and what they said."""
    if not run_ids:
        return {}
    found = (await tx.execute(_RESULTS, {"runs": list(run_ids)})).all()
    compacted = [row.id for row in found if row.text is None]
    logs = (await tx.execute(select(Run.id, Run.log).where(Run.id.in_(compacted)))).all() if compacted else ()
    texts = {run_id: said(log) for run_id, log in logs if log}
    return {
        row.id: RunResult(
            row.id,
            row.status,
            texts.get(row.id, "") if row.text is None else row.text,
            tuple(msgspec.convert(row.citations or [], list[Citation])),
            usage_of(row.usage),
            public_error(row.error),
            row.finished_at,
            row.finish_reason,
        )
        for row in found
    }


def public_error(error: Mapping[str, object] | None) -> dict[str, str] | None:
    """Why a run failed, without what its model's server said: that is for the operator."""
    return None if error is None else {name: str(value) for name, value in error.items() if name != "upstream"}


def usage_of(stored: object) -> Totals | None:
    """Totals from their column."""
    return None if stored is None else msgspec.convert(stored, Totals)


async def cancel(house: House, who: Principal, run_id: UUID) -> Run:
    """Stop the run from wherever this is called; the run as it is then.

    A run that nobody has begun ends here. Another is ended by its worker, which closes the model's connection first;
    this waits for it up to five seconds. One that waits for its next worker, who alone may add to what its readers
    have seen, is ended by that one. Stopping what has ended changes nothing. Raises `RunNotFound`.
    """
    async with house.db.transaction(who) as tx:
        run = await own_run(tx, who, run_id, lock=True)
        is_unbegun = run.status == "queued" and run.attempt == 0
        if is_unbegun:
            await _end_unbegun(tx, run)
        elif run.status not in ENDED:
            await tx.execute(update(Run).where(Run.id == run_id).values(cancel_requested_at=func.now()))
    if is_unbegun:
        count_ended("cancelled", None)
    if is_unbegun or run.status in ENDED:
        return await _look(house, who, run_id)
    return await _await_end(house, who, run_id)


async def _end_unbegun(tx: Tx, run: Run) -> None:
    events = [
        Event(1, EventType.QUEUED.encode(), msgspec.json.encode(run.labels)),
        Event(2, EventType.CANCELLED.encode(), msgspec.json.encode({"receipt": receipt(None)})),
    ]
    await tx.execute(
        update(Run)
        .where(Run.id == run.id)
        .values(
            status="cancelled",
            request={},
            text="",
            log=pack(events),
            cancel_requested_at=func.now(),
            finished_at=func.now(),
        )
    )
    labels = {key: str(value) for key, value in run.labels.items()}
    await tx.announce(RunEnded(run.id, run.account_id, "cancelled", labels))


async def _await_end(house: House, who: Principal, run_id: UUID) -> Run:
    """Tell the workers, and again until the end: whoever takes the run or listens again just now has not heard it.

    The run's log says when it has ended; the row is looked at then, and as often as the workers are told.
    """
    clock = asyncio.get_running_loop().time
    began = told = clock()
    await _tell_workers(house, run_id)
    async with aclosing(house.streams.follow(str(run_id), 0, _TELL_SECONDS)) as batches:
        async for batch in batches:
            is_due = clock() >= told + _TELL_SECONDS
            if not is_due and not (batch and batch[-1].type in TERMINAL):
                continue
            run = await _look(house, who, run_id)
            if run.status in ENDED or clock() > began + RECEIPT_WAIT_SECONDS:
                return run
            if is_due:
                told = clock()
                await _tell_workers(house, run_id)
    raise AssertionError("a log that is followed does not end")


async def _tell_workers(house: House, run_id: UUID) -> None:
    with suppress(RedisError, OSError):
        channel = f"{house.settings.key_prefix}:{STOP_CHANNEL}"
        await house.valkey.publish(channel, str(run_id))  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves **kwargs untyped


async def _look(house: House, who: Principal, run_id: UUID) -> Run:
    async with house.db.transaction(who) as tx:
        return await own_run(tx, who, run_id)


def receipt(totals: Totals | None) -> dict[str, object]:
    """What a run took, as `run.cancelled` and the API say it."""
    return {
        "input_tokens": totals.input_tokens if totals else 0,
        "output_tokens": totals.output_tokens if totals else 0,
        "cost": price(totals.cost_micros if totals else 0),
        "estimated": totals.estimated if totals else False,
    }


def price(micros: int | None) -> dict[str, object] | None:
    """A cost in millionths of a US dollar, None when it is not known."""
    return None if micros is None else {"micros": micros, "currency": "USD"}
