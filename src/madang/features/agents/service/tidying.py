"""Checkpoints outlive a run only when its worker and its successor died between the last word and the tidying."""

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from madang.kernel.clock import now
from madang.kernel.db import LONG_SECONDS, set_statement_timeout

if TYPE_CHECKING:
    from madang.kernel.house import House

KEPT = timedelta(days=7)
_TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


async def forget_leftovers(house: "House") -> None:
    """Delete the checkpoints of runs that began more than a week ago.

    A thread's name begins with its run's id, which tells when: it is a version 7 UUID.
    """
    oldest = f"{int((now() - KEPT).timestamp() * 1000):012x}"
    first_kept = f"{oldest[:8]}-{oldest[8:]}"
    async with house.db.transaction() as tx:
        await set_statement_timeout(tx, LONG_SECONDS)
        for table in _TABLES:
            await tx.execute(
                text(f"DELETE FROM checkpoints.{table} WHERE thread_id < :first_kept"),  # noqa: S608  # names are ours
                {"first_kept": first_kept},
            )
