"""Since when PostgreSQL answers, so that nobody takes for silent who only could not be heard.

A lease that ran out says that its holder is gone only if the holder could have renewed it. The scheduler writes a row
each second (`supervisor.beat()`); a gap of over eight seconds (a promoted replica, a freeze, a stalled disk) means that
PostgreSQL was away until the later one. Whoever judges a lease asks for a whole one since then:

    .where(lease_expires_at < func.now(), trusted(lease_seconds))
"""

from sqlalchemy import ColumnElement, func, select

from madang.kernel.db import in_seconds


def trusted(lease_seconds: float) -> ColumnElement[bool]:
    """Whether PostgreSQL has answered for one lease, as SQL; asked once a statement, not once a row."""
    return select(func.supervisor.answering_since()).scalar_subquery() < in_seconds(-lease_seconds)
