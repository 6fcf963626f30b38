"""What a tree of 10,000 scopes with 100,000 members costs to ask: the time of each question, for each kind of person.

`./dev bench organisations [--times N]`. One organisation has half of the scopes, one class of it 20,000 members. Real
PostgreSQL, every question in a transaction of its own as the person, under row-level security. Target: a page of
members in less than 20 ms.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

from authentication import fresh_house
from machine import machine_line, table
from sqlalchemy import text

from madang.features.organisations.public import chain_of, permit
from madang.features.organisations.queries import Wanted
from madang.features.organisations.service import members, scopes
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.house import House

FILL = (
    """
    INSERT INTO partner.scopes (id, kind, path, name)
    SELECT id, 'organisation', ARRAY[id], 'organisation ' || n
    FROM (SELECT n, uuidv7() AS id FROM generate_series(0, 50) n) made
    """,
    """
    INSERT INTO partner.scopes (id, kind, parent_id, path, name)
    SELECT uuidv7(), 'partner', o.id, '{}', 'partner ' || n FROM partner.scopes o, generate_series(1, 49) n
    WHERE o.name = 'organisation 0' OR n = 1
    """,
    """
    INSERT INTO partner.scopes (id, kind, parent_id, path, name)
    SELECT uuidv7(), 'class', p.id, '{}', 'class ' || n FROM partner.scopes p, generate_series(1, 100) n
    WHERE p.kind = 'partner'
    """,
    """
    INSERT INTO "user".accounts (id, email, name, password_hash)
    SELECT uuidv7(), 'person' || n || '@example.org', 'Person ' || n, '' FROM generate_series(1, 100000) n
    """,
    """
    INSERT INTO partner.memberships (id, scope_id, path, account_id, role, source)
    SELECT uuidv7(), c.id, c.path, a.id, 'student', 'bench'
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM "user".accounts) a
    JOIN (SELECT *, row_number() OVER (ORDER BY id) AS n FROM partner.scopes WHERE kind = 'class') c
        ON c.n = CASE WHEN a.n <= 20000 THEN 1
                 ELSE 1 + a.n % (SELECT count(*) FROM partner.scopes WHERE kind = 'class') END
    """,
)
PATHS = """
    CREATE FUNCTION pg_temp.lay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.parent_id IS NOT NULL THEN
            NEW.path := (SELECT path FROM partner.scopes WHERE id = NEW.parent_id) || NEW.id;
        END IF;
        RETURN NEW;
    END $$
"""


async def fill(house: House) -> None:
    """Make the tree and its people, as the owner of the tables."""
    import psycopg

    async with await psycopg.AsyncConnection.connect(house.settings.owner_url) as owner:
        await owner.execute("SET madang.account = 'house'")
        await owner.execute(PATHS)
        await owner.execute(
            "CREATE TRIGGER lay BEFORE INSERT ON partner.scopes FOR EACH ROW EXECUTE FUNCTION pg_temp.lay()"
        )
        for statement in FILL:
            await owner.execute(statement)
        await owner.execute("DROP TRIGGER lay ON partner.scopes")
        await owner.commit()
        await owner.set_autocommit(True)
        await owner.execute("VACUUM ANALYZE")


async def somebody(house: House, role: str, scope_id: UUID) -> Principal:
    """A person with that role there."""
    async with house.db.transaction() as tx:
        made = await tx.scalar(
            text(
                'INSERT INTO "user".accounts (id, email, name, password_hash, is_supervisor)'
                " VALUES (uuidv7(), :role || '@example.org', '', '', :role = 'supervisor') RETURNING id"
            ),
            {"role": role},
        )
        if role != "supervisor":
            await tx.execute(
                text(
                    "INSERT INTO partner.memberships (id, scope_id, path, account_id, role, source)"
                    " SELECT uuidv7(), id, path, :who, :role, 'bench' FROM partner.scopes WHERE id = :at"
                ),
                {"who": made, "role": role, "at": scope_id},
            )
    return Principal(made, is_supervisor=role == "supervisor")


async def milliseconds(house: House, who: Principal, times: int, ask: Callable[[Tx], Awaitable[object]]) -> str:
    """The middle time of one question, its transaction included."""
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        async with house.db.transaction(who) as tx:
            await ask(tx)
        took.append((time.perf_counter() - began) * 1000)
    return f"{statistics.median(took):.1f}"


async def row(house: House, who: Principal, place: UUID, times: int) -> list[str]:
    """The figures of one person in the largest class."""

    async def page(tx: Tx, sought: str | None = None) -> object:
        return await members.listed(tx, who, place, sought=sought, role=None, after=None, limit=50)

    questions: list[Callable[[Tx], Awaitable[object]]] = [
        lambda tx: permit(tx, who, place, "scope.read"),
        lambda tx: chain_of(tx, who.account_id, None),
        members.mine,
        lambda tx: scopes.listed(tx, who, Wanted(limit=50)),
        page,
        lambda tx: page(tx, "person 19999"),
        lambda tx: scopes.one(tx, who, place),
        lambda tx: tx.scalar(text("SELECT cardinality(partner.my_scopes())")),
        lambda tx: tx.scalar(text("SELECT count(*) FROM partner.memberships")),
    ]
    return [await milliseconds(house, who, times, ask) for ask in questions]


async def measure(times: int) -> list[list[str]]:
    """A row for each kind of person."""
    with tempfile.TemporaryDirectory() as folder:
        async with fresh_house(Path(folder)) as house:
            await fill(house)
            async with house.db.transaction() as tx:
                query = "SELECT scope_id FROM partner.memberships GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
                place = UUID(str(await tx.scalar(text(query))))
                root = await tx.scalar(text("SELECT path[1] FROM partner.scopes WHERE id = :id"), {"id": place})
            people = {"owner": root, "manager": place, "instructor": place, "supervisor": root}
            return [
                [role, *await row(house, await somebody(house, role, at), place, times)] for role, at in people.items()
            ]


HEAD = (
    "ms",
    "permit",
    "what to charge",
    "my memberships",
    "organisations",
    "page of members",
    "the same, searched",
    "one scope, counted",
    "all my scopes",
    "every membership one may see",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30, help="how often each question is asked")
    rows = asyncio.run(measure(parser.parse_args().times))
    print(machine_line())
    print(table(HEAD, rows))


if __name__ == "__main__":
    main()
