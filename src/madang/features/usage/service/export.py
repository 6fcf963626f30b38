"""What an account spent, for its owner to take along."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, select, tuple_

from madang.features.accounts.public import ExportedFile
from madang.features.usage.contracts import CURRENCY
from madang.features.usage.tables import UsageDay, UsageRow
from madang.kernel.auth import Principal
from madang.kernel.house import House

PAGE = 500
TOOK = ("input_tokens", "cached_tokens", "output_tokens", "cost", "latency_ms")
DAY_KEY = ("day", "scope_path", "agent", "kind", "model", "time_zone")
CALL_KEY = ("id",)
DAY = (*DAY_KEY, "calls", *TOOK)
CALL = (*CALL_KEY, "created_at", "kind", "model", "agent", "run_id", "scope_path", "outcome", *TOOK)


async def export(house: House, who: Principal) -> AsyncIterator[ExportedFile]:
    """The sums of every day, and the single calls that are still kept; one JSON object a line, oldest first.

    `cost` is in billionths of `currency`. `scope_path` are the ids of the places that paid along.
    """
    yield ExportedFile("usage/days.jsonl", _lines(house, who, UsageDay, DAY, DAY_KEY))
    yield ExportedFile("usage/calls.jsonl", _lines(house, who, UsageRow, CALL, CALL_KEY))


async def _lines(
    house: House, who: Principal, table: type[UsageDay | UsageRow], told: Sequence[str], key: Sequence[str]
) -> AsyncIterator[bytes]:
    """Page by page along `key`, which tells the account's rows apart; each page is a transaction of its own."""
    columns: dict[str, ColumnElement[Any]] = {name: getattr(table, name) for name in told}
    order = [columns[name] for name in key]
    wanted = select(*columns.values()).where(table.account_id == who.account_id).order_by(*order).limit(PAGE)
    query = wanted
    while True:
        async with house.db.transaction(who) as tx:
            rows = [dict(row) for row in (await tx.execute(query)).mappings()]
        if not rows:
            return
        yield b"".join(msgspec.json.encode({**row, "currency": CURRENCY}) + b"\n" for row in rows)
        query = wanted.where(tuple_(*order) > tuple_(*(rows[-1][name] for name in key)))
