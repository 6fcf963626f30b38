"""Since when PostgreSQL answers, so that nobody takes for silent who only could not be heard.

A lease that ran out says that its holder is gone only if the holder could have renewed it. After a promoted replica,
a freeze, a stalled disk or pooler, or a restart, every lease may have run out at once. So the scheduler writes one row
each second; a gap of more than eight seconds between two writes means that PostgreSQL was away until the later one.
Whoever judges a lease asks for one whole lease since then, in which its holder could renew it:

    .where(lease_expires_at < func.now(), trusted(lease_seconds))

An expiry is then believed a lease later than else after an outage, and after a time without a scheduler. Before the
first beat of a new database, only the start of PostgreSQL counts.
"""

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, func, select, text

from madang.kernel.db import in_seconds

if TYPE_CHECKING:
    from madang.kernel.house import House

BEAT_SECONDS = 1.0

_BEAT = text("SELECT supervisor.beat()")


async def beat(house: "House") -> None:
    """Write the row, by the database's clock; the scheduler does so each second."""
    async with house.db.transaction() as tx:
        await tx.execute(_BEAT)


def trusted(lease_seconds: float) -> ColumnElement[bool]:
    """Whether PostgreSQL has answered for one lease, as SQL; asked once a statement, not once a row."""
    return select(func.supervisor.answering_since()).scalar_subquery() < in_seconds(-lease_seconds)
