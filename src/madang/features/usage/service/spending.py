"""Who may see what was spent, and the answer in groups with names."""

from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from madang.features.organisations.public import permit, scope_names
from madang.features.usage.contracts import Totals
from madang.features.usage.queries import MOST_GROUPS, GroupBy, account_names, grouped
from madang.features.usage.settings import load
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Forbidden, Invalid

type Group = tuple[str, str, Totals]
"""A group's key, what people call it, and its sums."""

LONGEST_DAYS = 3_700


async def spending(
    tx: Tx, who: Principal, by: GroupBy, days: tuple[date, date], *, scope_id: UUID | None, account_id: UUID | None
) -> tuple[Totals, list[Group]]:
    """What was spent from the first of `days` to the last, in all and by group, a thousand groups at most.

    Of a scope for those who may read its usage, of oneself, and of everything for supervisors. Raises NotFound
    (scope_not_found), Forbidden (scope_permission, supervisor_only) and Invalid (period_invalid).
    """
    first, last = days
    if not 0 <= (last - first).days <= LONGEST_DAYS:
        raise Invalid("period_invalid", f"Choose a first day that is not after the last, {LONGEST_DAYS} days at most.")
    depth = 1
    if scope_id is not None:
        depth = len((await permit(tx, who, scope_id, "usage.read")).path) + 1
    elif not who.is_supervisor and account_id != who.account_id:
        raise Forbidden("supervisor_only", "Name a scope that you manage, or read your own usage at /users/me/usage.")
    total, found = await grouped(tx, by, first, last, account_id=account_id, scope_id=scope_id, depth=depth)
    found = found[:MOST_GROUPS]
    if by not in {"account", "scope"}:
        return total, [(key, key, sums) for key, sums in found]
    ids = [UUID(key) for key, _ in found if key]
    known = await (scope_names(tx, ids) if by == "scope" else account_names(tx, ids, scope_id))
    return total, [(key, known.get(UUID(key), "") if key else "", sums) for key, sums in found]


def this_month() -> tuple[date, date]:
    """The first day of the month and today, where the server is."""
    today = now().astimezone(ZoneInfo(load().time_zone)).date()
    return today.replace(day=1), today
