"""The life of a delivery: sent, claimed, tried again later and later, and in the end struck off or set aside.

A claim is a lease in the row, so that it outlives whoever holds it, and counts as an attempt from its first moment: a
delivery that kills its worker every time comes to its end too. What is set aside stays for the operator and holds up
nobody (docs/decisions/0027-set-aside.md).
"""

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, case, delete, func, or_, select, update
from sqlalchemy.sql.dml import Update

from madang.kernel import log
from madang.kernel.db import OUTBOX, RESEND_AFTER_SECONDS, Delivery, Tx, in_seconds
from madang.kernel.failures import FAILURES_OF_OURS, classify

if TYPE_CHECKING:
    from madang.kernel.house import House

logger = log.get_logger(__name__)

SWEEP_BATCH = 500
FIRST_RETRY_SECONDS = 2
LONGEST_RETRY_SECONDS = 300
MOST_DOUBLINGS = 10
RENEWALS = 3
MOST_SENDS = 30_000
STRANGE_SENDS = 300
"""After so many, which is a day, what no installed module knows is set aside; a new version may know it before."""
LONGEST_ERROR = 500
WORKER_LOST = "the worker ended in the middle of it, or was not heard of any more"

STRIKE = delete(OUTBOX).where(OUTBOX.c.id == bindparam("delivery"))
"""Strikes a delivery off the outbox."""

_FREE = or_(OUTBOX.c.claimed_until.is_(None), OUTBOX.c.claimed_until < func.now())
_SECRET = re.compile(
    r"(?<=://)[^/\s@]*@|\b[sm][ks][-_][\w-]{6,}|\beyJ[\w-]+\.[\w.-]+"
    r"|(?i:(?<=bearer )|(?<=basic ))\S+|(?i:(?<=password)|(?<=secret)|(?<=token)|(?<=key))[\"']?\s*[=:]\s*\S+"
)
"""Where secrets stand in what libraries say: in addresses, as tokens known by their beginnings, and named as such."""


class Claim(NamedTuple):
    """An attempt: its number, which never recurs, and how many there were that were not given back."""

    number: int
    tries: int


def _wait(times: Any) -> Any:  # noqa: ANN401  # a number or SQL
    """Seconds until the next try after so many, doubling; SQL."""
    return func.least(FIRST_RETRY_SECONDS * func.power(2, func.least(times, MOST_DOUBLINGS)), LONGEST_RETRY_SECONDS)


def described(error: BaseException) -> str:
    """What the outbox keeps of an error: its type and first line, without secrets, and short."""
    kind, said = type(error).__name__, log.first_line(error)
    text = _SECRET.sub("…", kind if said == kind else f"{kind}: {said}")
    return text.replace("\x00", "").encode(errors="replace").decode()[:LONGEST_ERROR]


async def accept(tx: Tx, delivery: Delivery) -> None:
    """Strike the delivery off with this transaction: from its commit on, the caller answers for the work."""
    await tx.execute(STRIKE, {"delivery": delivery.id})


async def claim(house: "House", delivery: Delivery, lease: timedelta) -> Claim | None:
    """Take the row under a lease, from its first attempt on, or None when it is another's, done or set aside.

    When it was claimed before and neither failed nor was given back, that worker is lost, which the row then says.
    """
    seconds, before = lease.total_seconds(), OUTBOX.c.attempts - OUTBOX.c.released
    async with house.db.transaction() as tx:
        row = (
            await tx.execute(
                update(OUTBOX)
                .where(OUTBOX.c.id == delivery.id, OUTBOX.c.dead_at.is_(None), _FREE)
                .values(
                    claimed_until=in_seconds(seconds),
                    due_at=case((before > 0, in_seconds(seconds + _wait(before - 1))), else_=OUTBOX.c.due_at),
                    attempts=OUTBOX.c.attempts + 1,
                    last_error=case((OUTBOX.c.claimed_until.is_not(None), WORKER_LOST), else_=OUTBOX.c.last_error),
                )
                .returning(OUTBOX.c.attempts, OUTBOX.c.attempts - OUTBOX.c.released)
            )
        ).first()
    return None if row is None else Claim(*row)


async def keep(
    house: "House", delivery: Delivery, attempt: Claim, lease: timedelta, work: "asyncio.Future[None]"
) -> None:
    """Renew the attempt's lease again and again in its length; ends the work when the lease was lost for good.

    Counted by the monotonic clock from before each renewal: a clock that is set neither ends nor prolongs it.
    """
    clock, length = asyncio.get_running_loop().time, lease.total_seconds()
    deadline = clock() + length
    while True:
        await asyncio.sleep(length / RENEWALS)
        asked = clock()
        try:
            mine = _of(delivery, attempt).where(OUTBOX.c.claimed_until > func.now())
            kept = await _do(house, mine.values(claimed_until=in_seconds(length)))
            deadline = asked + length if kept else asked
        except FAILURES_OF_OURS as error:  # it may be kept at the next look; if not, the deadline passes
            logger.warning("lease_not_renewed", failure=classify(error), error=log.first_line(error))
        if clock() >= deadline:
            logger.warning("lease_lost", job=delivery.name)
            work.cancel()
            return


async def release(house: "House", delivery: Delivery, attempt: Claim) -> None:
    """Give the row back at once, as a worker does that was asked to stop; nothing if another has claimed it since.

    It costs no try, but its number stays used: this worker may speak late.
    """
    free = {"claimed_until": None, "due_at": func.now(), "released": OUTBOX.c.released + 1}
    await _do(house, _of(delivery, attempt).values(free))


async def fail(house: "House", delivery: Delivery, attempt: Claim, error: BaseException, *, is_last: bool) -> bool:
    """Note why the attempt failed, and give the row back for later unless it was the last; False when it is another's.

    After the last one the claim stays, until `set_aside` or somebody who finds that the attempts are used up.
    """
    values = {"last_error": described(error)}
    again = {} if is_last else {"claimed_until": None, "due_at": in_seconds(_wait(attempt.tries - 1))}
    return await _do(house, _of(delivery, attempt).values(**values, **again))


async def set_aside(house: "House", delivery: Delivery, attempt: Claim) -> None:
    """Let the row be from now on, until the operator has it tried again or dropped."""
    if await _do(house, _of(delivery, attempt).values(claimed_until=None, dead_at=func.now())):
        logger.error("delivery_set_aside", delivery=delivery.name, delivery_id=str(delivery.id), attempts=attempt.tries)


async def leave_unknown(house: "House", delivery: Delivery) -> None:
    """Note that nobody here knows the job; for a day it waits for a version that does, then it is set aside."""
    logger.error("job_unknown", job=delivery.name)
    dead = case((OUTBOX.c.sends >= STRANGE_SENDS, func.now()), else_=OUTBOX.c.dead_at)
    mine = update(OUTBOX).where(OUTBOX.c.id == delivery.id, OUTBOX.c.dead_at.is_(None), _FREE)
    await _do(house, mine.values(last_error="no installed module knows this job", dead_at=dead))


async def sweep(house: "House") -> int:
    """Send again what is due and in nobody's hands; how many rows there were. The scheduler calls it each second."""
    due = (
        select(OUTBOX.c.id)
        .where(OUTBOX.c.due_at < func.now(), OUTBOX.c.dead_at.is_(None), _FREE)
        .order_by(OUTBOX.c.due_at)
        .limit(SWEEP_BATCH)
        .with_for_update(skip_locked=True)
    )
    content = (OUTBOX.c.id, OUTBOX.c.kind, OUTBOX.c.name, OUTBOX.c.payload, OUTBOX.c.request_id)
    async with house.db.transaction() as tx:
        rows = await tx.execute(
            update(OUTBOX)
            .where(OUTBOX.c.id.in_(due))
            .values(
                due_at=in_seconds(RESEND_AFTER_SECONDS + _wait(OUTBOX.c.sends)),
                sends=func.least(OUTBOX.c.sends, MOST_SENDS) + 1,
            )
            .returning(*content, OUTBOX.c.claimed_until.is_not(None).label("lost"))
        )
        found = [
            Delivery(row.id, row.kind, row.name, row.payload, row.request_id, again=True, lost=row.lost) for row in rows
        ]
    house.deliver(found)
    return len(found)


def _of(delivery: Delivery, attempt: Claim) -> Update:
    mine = (OUTBOX.c.id == delivery.id, OUTBOX.c.attempts == attempt.number, OUTBOX.c.dead_at.is_(None))
    return update(OUTBOX).where(*mine)


async def _do(house: "House", change: Update) -> bool:
    """Make the change in a transaction of its own; whether there was a row to change."""
    async with house.db.transaction() as tx:
        return (await tx.execute(change.returning(OUTBOX.c.id))).first() is not None
