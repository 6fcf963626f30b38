"""What a budget costs to make over many calls of its window: the time of the request's statement, by whose it is.

`./dev bench budgets [--calls N] [--times N]`. Fresh PostgreSQL, a million calls of this month by 2,000 accounts in 100
places, with the sums of their days as the ledger writes them. While a budget is made, calls that end wait to be booked.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from uuid import UUID

import psycopg
from authentication import fresh_house
from machine import machine_line, table
from sqlalchemy import text

from madang.features.usage.contracts import NOBODY, SubjectKind
from madang.features.usage.service.budgets import Limit, create_budget, delete_budget
from madang.kernel.house import House

ZONE = "Asia/Seoul"
CALLS = """
    INSERT INTO partner.usage (id, created_at, account_id, scope_path, run_id, agent, kind, model, outcome, is_priced,
        input_tokens, cached_tokens, output_tokens, cost, latency_ms)
    SELECT uuidv7(), m.start + (now() - m.start) * (s.k::float / %(calls)s), a.id, ARRAY[p.id], NULL, 'assistant',
        'chat', 'model/' || s.k %% 3, 'ok', true, 900, 0, 200, 2200000, 1500
    FROM generate_series(1, %(calls)s) s (k)
    CROSS JOIN (SELECT date_trunc('month', now(), %(zone)s) AS start) m
    JOIN (SELECT row_number() OVER () - 1 AS n, id FROM "user".accounts) a ON a.n = s.k %% 2000
    JOIN (SELECT row_number() OVER () - 1 AS n, id FROM partner.scopes) p ON p.n = a.n %% 100
"""
FILL = (
    """
    INSERT INTO "user".accounts (id, email, name, password_hash)
    SELECT uuidv7(), 'person' || n || '@example.org', 'Person ' || n, '' FROM generate_series(1, 2000) n
    """,
    """
    INSERT INTO partner.scopes (id, kind, path, name)
    SELECT id, 'organisation', ARRAY[id], 'organisation ' || n
    FROM (SELECT n, uuidv7() AS id FROM generate_series(1, 100) n) made
    """,
    CALLS,
    """
    INSERT INTO partner.usage_days
    SELECT (created_at AT TIME ZONE %(zone)s)::date, %(zone)s, account_id, scope_path, agent, kind, model, count(*),
        sum(input_tokens), sum(cached_tokens), sum(output_tokens), sum(cost), sum(latency_ms)
    FROM partner.usage GROUP BY 1, 3, 4, 5, 6, 7
    """,
)


async def fill(house: House, calls: int) -> None:
    """Write the calls down, as the owner of the tables."""
    async with await psycopg.AsyncConnection.connect(house.settings.owner_url) as owner:
        await owner.execute("SET madang.account = 'house'")
        for statement in FILL:
            await owner.execute(statement, {"calls": calls, "zone": ZONE} if "%(" in statement else None)
        await owner.commit()
        await owner.set_autocommit(True)
        await owner.execute("VACUUM ANALYZE")


async def row(house: House, kind: SubjectKind, subject: UUID, times: int) -> list[str]:
    """The middle time, in milliseconds, and what the budget says was spent before it."""
    took, spent = list[float](), 0
    for _ in range(times):
        async with house.db.transaction() as tx:
            began = time.perf_counter()
            made = await create_budget(house, tx, None, Limit(kind, subject, "tokens", "month", 10**12))
            took.append((time.perf_counter() - began) * 1000)
        spent = made.spent
        async with house.db.transaction() as tx:
            await delete_budget(tx, None, made.budget_id)
    return [kind, f"{statistics.median(took):.1f}", f"{spent:,}"]


async def measure(calls: int, times: int) -> list[list[str]]:
    """A row for each kind of subject."""
    with tempfile.TemporaryDirectory() as folder:
        async with fresh_house(Path(folder)) as house:
            await fill(house, calls)
            async with house.db.transaction() as tx:
                account = await tx.scalar(text("SELECT account_id FROM partner.usage LIMIT 1"))
                scope = await tx.scalar(text("SELECT scope_path[1] FROM partner.usage LIMIT 1"))
            subjects: list[tuple[SubjectKind, UUID]] = [("platform", NOBODY), ("scope", scope), ("account", account)]
            return [await row(house, kind, subject, times) for kind, subject in subjects]


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000, help="calls of this month")
    parser.add_argument("--times", type=int, default=9, help="how often each budget is made")
    given = parser.parse_args()
    rows = asyncio.run(measure(given.calls, given.times))
    print(table(["budget of", "ms to make", "tokens spent before"], rows), end="\n\n")
    print(machine_line())


if __name__ == "__main__":
    main()
