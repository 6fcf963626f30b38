"""Events and jobs that fail: which they are, trying them again and letting them go, as whoever runs the server."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.sql.dml import Delete, Update

from madang.features.operations.contracts import Failing
from madang.kernel.audit import Target, record
from madang.kernel.db import OUTBOX, Tx
from madang.kernel.errors import NotFound

MOST = 1000


async def failing(tx: Tx, *, only_set_aside: bool = False) -> list[Failing]:
    """The oldest thousand deliveries that failed or lost their worker and are not done yet, set aside or to be tried.

    What they carry is not told: it may be a letter, or somebody's words.
    """
    is_aside = OUTBOX.c.dead_at.is_not(None)
    tries = (OUTBOX.c.attempts - OUTBOX.c.released).label("attempts")
    columns = [tries if name == "attempts" else OUTBOX.c[name] for name in Failing.__dataclass_fields__]
    wanted = is_aside if only_set_aside else or_(is_aside, OUTBOX.c.last_error.is_not(None))
    rows = await tx.execute(select(*columns).where(wanted).order_by(OUTBOX.c.id).limit(MOST))
    return [Failing(*row) for row in rows]


async def retry(tx: Tx, ids: Sequence[UUID] | None) -> int:
    """Have deliveries tried again within seconds, with all their attempts before them; None is all that were set aside.

    How many there were. Raises `NotFound` (delivery_not_found) when one of them neither waits after a failure nor was
    set aside.
    """
    is_aside, waits = OUTBOX.c.dead_at.is_not(None), OUTBOX.c.last_error.is_not(None) & OUTBOX.c.claimed_until.is_(None)
    wanted = is_aside if ids is None else OUTBOX.c.id.in_(ids) & or_(is_aside, waits)
    tries = {"released": OUTBOX.c.attempts, "sends": 0}
    afresh = {"dead_at": None, **tries, "claimed_until": None, "due_at": func.now()}
    return await _deed(tx, update(OUTBOX).where(wanted).values(afresh), "operations.delivery_retried", ids)


async def drop(tx: Tx, ids: Sequence[UUID]) -> int:
    """Let deliveries go that were set aside; what they owed is not done any more.

    How many there were. Raises `NotFound` (delivery_not_found) when one of them was not set aside.
    """
    wanted = OUTBOX.c.id.in_(ids) & OUTBOX.c.dead_at.is_not(None)
    return await _deed(tx, delete(OUTBOX).where(wanted), "operations.delivery_dropped", ids)


async def _deed(tx: Tx, change: Update | Delete, action: str, ids: Sequence[UUID] | None) -> int:
    """Change the rows and note it, or raise when one of those that were named is not among them."""
    rows = (await tx.execute(change.returning(OUTBOX.c.id, OUTBOX.c.name))).all()
    missing = set(ids or ()) - {row.id for row in rows}
    if missing:
        detail = f"There is no such delivery (any more): {', '.join(map(str, sorted(missing)))}. List them."
        raise NotFound("delivery_not_found", detail)
    for row in rows:
        await record(tx, None, action, Target("delivery", row.id), name=row.name)
    return len(rows)
