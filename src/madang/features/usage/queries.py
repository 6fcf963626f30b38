"""What was spent, grouped; and the budgets of a subject."""

from datetime import date
from typing import Literal
from uuid import UUID

from sqlalchemy import text

from madang.features.usage.contracts import NOBODY, RunTotals, Totals
from madang.kernel.db import Tx

type GroupBy = Literal["day", "day_model", "model", "agent", "account", "scope"]

_KEYS: dict[GroupBy, str] = {
    "day": "d.day::text",
    "day_model": "d.day::text || ' ' || d.model",
    "model": "d.model",
    "agent": "d.agent",
    "account": "d.account_id::text",
    "scope": "d.scope_path[CAST(:depth AS integer)]::text",
}

_GROUPED = """
    SELECT {key} AS key, sum(d.calls)::bigint AS calls, sum(d.input_tokens)::bigint AS input_tokens,
        sum(d.cached_tokens)::bigint AS cached_tokens, sum(d.output_tokens)::bigint AS output_tokens,
        sum(d.cost)::bigint AS cost, grouping({key}) = 1 AS is_total
    FROM partner.usage_days d
    WHERE d.day BETWEEN :first AND :last
        AND (CAST(:account AS uuid) IS NULL OR d.account_id = :account)
        AND (CAST(:scope AS uuid) IS NULL OR d.scope_path @> ARRAY[CAST(:scope AS uuid)])
    GROUP BY GROUPING SETS (({key}), ())
    ORDER BY is_total DESC, {order} LIMIT :most
"""

_DEAREST = "cost DESC, calls DESC, key"
_GROUPS = {
    name: text(_GROUPED.format(key=key, order="key" if name == "day" else _DEAREST)) for name, key in _KEYS.items()
}

_ACCOUNT_NAMES = text("SELECT id, name FROM partner.spender_names(CAST(:ids AS uuid[]), :scope)")

MOST_GROUPS = 1000
"""Groups of an answer; the total counts all."""


async def grouped(
    tx: Tx, by: GroupBy, first: date, last: date, *, account_id: UUID | None, scope_id: UUID | None, depth: int
) -> tuple[Totals, list[tuple[str, Totals]]]:
    """What of the days from `first` to `last` the caller may see, in all and by group.

    The dearest groups come first, days in their order. `depth` is the place in scope paths, from 1, that `scope` groups
    by; what was spent in no scope so deep has the key "".
    """
    values: dict[str, object] = {"first": first, "last": last, "account": account_id, "scope": scope_id}
    values["most"] = MOST_GROUPS + 1
    if by == "scope":
        values["depth"] = depth
    total = Totals(0, 0, 0, 0, 0)
    groups: list[tuple[str, Totals]] = []
    for row in await tx.execute(_GROUPS[by], values):
        one = Totals(*(int(number or 0) for number in row[1:6]))
        if row.is_total:
            total = one
        else:
            groups.append((row.key or "", one))
    return total, groups


async def account_names(tx: Tx, ids: list[UUID], scope_id: UUID | None) -> dict[UUID, str]:
    """What people call those of the accounts that the caller manages in the scope; supervisors know all."""
    found = await tx.execute(_ACCOUNT_NAMES, {"ids": ids, "scope": scope_id or NOBODY})
    return {row.id: row.name for row in found}


_RUN = text("""
    SELECT count(*) AS calls, sum(input_tokens)::bigint AS input_tokens, sum(cached_tokens)::bigint AS cached_tokens,
        sum(output_tokens)::bigint AS output_tokens, sum(cost)::bigint AS cost,
        (array_agg(model ORDER BY kind = 'chat' DESC, created_at DESC))[1] AS model,
        bool_and(is_priced) AS is_priced, bool_or(outcome <> 'ok') AS is_estimated
    FROM (
        SELECT created_at, kind, model, outcome, is_priced, input_tokens, cached_tokens, output_tokens, cost
        FROM partner.usage WHERE run_id = :run AND (outcome = 'ok' OR input_tokens + output_tokens + cost > 0)
        UNION ALL
        SELECT created_at, kind, model, 'lost', true, input_tokens, 0, output_tokens, cost
        FROM partner.reservations WHERE run_id = :run
    ) calls WHERE kind <> 'embedding'
""")


async def run_totals(tx: Tx, run_id: UUID) -> RunTotals | None:
    """What all calls for a run took, whichever attempt made them; None without any.

    For the house, which sees reservations as well: they count as if nobody came back to settle them.
    """
    row = (await tx.execute(_RUN, {"run": run_id})).mappings().one()
    return RunTotals(**row) if row["calls"] else None
