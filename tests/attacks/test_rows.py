"""Raw SQL in somebody's scope, as after an injection: no row of the victim's is read, changed, removed or forged."""

from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from madang.kernel.auth import Principal
from madang.kernel.db import HOUSE, SCOPE, Tx
from madang.kernel.ids import new_id
from tests.attacks.cast import STRANGERS, Cast
from tests.attacks.planting import BARE_TABLES, quoted

pytestmark = pytest.mark.asyncio(loop_scope="module")

READ_BY: dict[str, set[str]] = {
    "partner.scopes": {"student", "manager"},
    "partner.memberships": {"manager"},
    "partner.invites": {"manager"},
    "partner.budgets": {"manager"},
    "partner.budget_windows": {"manager"},
    "partner.usage": {"manager"},
    "partner.usage_days": {"manager"},
    "supervisor.audit": {"manager"},
}
"""What members of the victim's organisation may read of it."""

WRITTEN_BY: dict[str, set[str]] = {"partner.scopes": {"manager"}, "partner.invites": {"manager"}}
"""What they may change, too."""


class UndoneError(Exception):
    """Ends a transaction without leaving anything."""


async def test_every_table_is_behind_row_level_security(cast: Cast) -> None:
    query = text("""
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('supervisor', 'partner', 'user') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
              SELECT FROM pg_policies p WHERE p.schemaname = n.nspname AND p.tablename = c.relname))
    """)
    async with cast.house.db.transaction() as tx:
        bare = set(await tx.scalars(query))
    assert bare == set(BARE_TABLES), (
        "a table has no policy: give it `kernel.db.owner_policy` or one of its scope in its migration; or say in"
        " tests/attacks/planting.py, `BARE_TABLES`, why it needs none"
    )


async def test_no_month_and_no_part_is_open_to_whoever_names_it(cast: Cast) -> None:
    query = text("""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('supervisor', 'partner', 'user') AND c.relispartition AND c.relkind = 'r'
          AND has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    """)
    async with cast.house.db.transaction() as tx:
        assert list(await tx.scalars(query)) == []


async def row_of(cast: Cast, table: str) -> tuple[str, str, dict[str, Any]]:
    """The victim's row: its place, its text, and the same as JSON."""
    ids = [value for value in cast.things[table].values() if isinstance(value, UUID)]
    query = text(f"""
        SELECT t.tableoid || ' ' || t.ctid, t::text, to_jsonb(t) FROM {quoted(table)} t
        WHERE NOT EXISTS (SELECT FROM unnest(CAST(:ids AS text[])) one WHERE strpos(t::text, one) = 0)
    """)
    async with cast.house.db.transaction() as tx:
        found = (await tx.execute(query, {"ids": [str(one) for one in ids]})).first()
    assert found is not None, f"the victim has nothing in {table}: mend tests/attacks/planting.py"
    return found[0], found[1], found[2]


async def attempt(cast: Cast, attacker: str, attack: Callable[[Tx], Coroutine[Any, Any, object]]) -> object:
    """What the attack comes to in the attacker's scope, "refused" when PostgreSQL forbids it; leaves nothing behind."""
    result: list[object] = []

    async def tried() -> None:
        async with cast.house.db.transaction(Principal(cast.accounts[attacker])) as tx:
            result.append(await attack(tx))
            raise UndoneError

    try:
        await tried()
    except UndoneError:
        return result[0]
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        return "refused" if state == "42501" else f"{state}: {error.orig}"
    return None


@pytest.mark.parametrize("attacker", STRANGERS)
async def test_no_row_is_read(attacker: str, cast: Cast) -> None:
    for table in cast.tables:
        if attacker in READ_BY.get(table, ()):
            continue
        _, said, _ = await row_of(cast, table)

        async def look(tx: Tx, table: str = table, said: str = said) -> object:
            query = text(f"SELECT count(*) FROM {quoted(table)} t WHERE t::text = :said")
            return await tx.scalar(query, {"said": said})

        assert await attempt(cast, attacker, look) in {0, "refused"}, f"{attacker} reads {table}"


@pytest.mark.parametrize("attacker", STRANGERS)
@pytest.mark.parametrize("deed", ["UPDATE", "DELETE"])
async def test_no_row_is_changed_or_removed(deed: str, attacker: str, cast: Cast) -> None:
    for table in cast.tables:
        if attacker in WRITTEN_BY.get(table, ()):
            continue
        place, said, _ = await row_of(cast, table)
        for statement in await statements(cast, deed, table):

            async def spoil(
                tx: Tx, statement: str = statement, table: str = table, place: str = place, said: str = said
            ) -> object:
                await tx.execute(text(statement))
                await tx.execute(SCOPE, {"account": HOUSE})
                same = "t.tableoid || ' ' || t.ctid = :place AND t::text = :said"
                left = text(f"SELECT count(*) FROM {quoted(table)} t WHERE {same}")
                return await tx.scalar(left, {"place": place, "said": said})

            left = await attempt(cast, attacker, spoil)
            assert left in {1, "refused"}, f"{attacker}: {statement}: {left}"


async def statements(cast: Cast, deed: str, table: str) -> list[str]:
    """Blind statements against the whole table: as no column is read, only the policy for the deed itself holds."""
    if deed == "DELETE":
        return [f"DELETE FROM {quoted(table)}"]
    query = text("""
        SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
          AND attidentity = '' AND has_column_privilege(attrelid, attnum, 'UPDATE') ORDER BY attnum
    """)
    async with cast.house.db.transaction() as tx:
        columns = (await tx.execute(query, {"table": quoted(table)})).all()
    if not columns:
        return []
    touched = next((name for name, _ in columns if name not in {"id", "account_id", "path"}), columns[0][0])
    return [f'UPDATE {quoted(table)} SET "{touched}" = "{touched}"']


@pytest.mark.parametrize("attacker", STRANGERS)
async def test_no_row_is_forged_in_the_victims_name(attacker: str, cast: Cast) -> None:
    for table in cast.tables:
        if attacker in WRITTEN_BY.get(table, ()):
            continue
        _, _, row = await row_of(cast, table)
        names = ", ".join(f'"{column.name}"' for column in cast.ground.columns[table])
        record = f"jsonb_populate_record(CAST(NULL AS {quoted(table)}), CAST(:row AS jsonb))"
        forged = {**row, "id": str(new_id())} if "id" in row else row

        async def forge(
            tx: Tx, names: str = names, record: str = record, table: str = table, forged: Any = forged
        ) -> object:
            statement = text(f"INSERT INTO {quoted(table)} ({names}) SELECT {names} FROM {record}")
            await tx.execute(statement, {"row": msgspec.json.encode(forged).decode()})
            return "taken"

        assert await attempt(cast, attacker, forge) == "refused", f"{attacker} writes into {table}"
