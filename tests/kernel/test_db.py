"""Transactions: whose rows they see, what they owe when they commit, and that they owe nothing when they do not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, cast
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import bindparam, column, table, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.pool import QueuePool

from madang.adapters.opening import open_house
from madang.kernel.auth import Principal
from madang.kernel.db import APP_ROLE, Delivery, Tx, owner_policy, posting
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn
from madang.kernel.settings import Settings
from tests.kernel.conftest import Workshop, open_workshop

ADD = text("INSERT INTO partner.test_notes (id, account_id, body) VALUES (:id, :account_id, :body)")
BODIES = text("SELECT body FROM partner.test_notes ORDER BY body")


@dataclass(frozen=True)
class Noted:
    name: ClassVar[str] = "test.noted"
    body: str


@pytest.fixture(scope="module", autouse=True)
def notes(house_settings: Settings) -> Iterator[None]:
    """A tenant table, made as a migration makes one."""
    with psycopg.connect(house_settings.owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE partner.test_notes (id uuid PRIMARY KEY, account_id uuid NOT NULL, body text)")
        for statement in owner_policy("partner.test_notes"):
            owner.execute(statement)  # type: ignore[arg-type]  # a statement of the code under test
        yield
        owner.execute("DROP TABLE partner.test_notes")


@pytest.fixture
async def people(house: House) -> tuple[Principal, Principal]:
    """Two accounts, each with two notes."""
    async with house.db.transaction() as tx:
        await tx.execute(text("DELETE FROM partner.test_notes"))
    pair = Principal(new_id()), Principal(new_id())
    for name, who in zip("ab", pair, strict=True):
        async with house.db.transaction(who) as tx:
            for number in range(2):
                await add(tx, who.account_id, f"{name}{number}")
    return pair


async def add(tx: Tx, account_id: UUID, body: str) -> None:
    await tx.execute(ADD, {"id": new_id(), "account_id": account_id, "body": body})


async def bodies(house: House, who: Principal | None) -> list[str]:
    async with house.db.transaction(who) as tx:
        return [str(body) for body in await tx.scalars(BODIES)]


async def test_everybody_sees_their_own_and_the_house_sees_all(house: House, people: tuple[Principal, Principal]):
    mine, theirs = people
    for _ in range(3):
        found = await asyncio.gather(*(bodies(house, who) for who in (mine, theirs, None, Principal(new_id()))))
        assert found == [["a0", "a1"], ["b0", "b1"], ["a0", "a1", "b0", "b1"], []]


async def test_nobody_writes_reads_or_removes_for_others(house: House, people: tuple[Principal, Principal]):
    mine, theirs = people
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with house.db.transaction(mine) as tx:
            await add(tx, theirs.account_id, "planted")
    async with house.db.transaction(mine) as tx:
        for statement in ("UPDATE partner.test_notes SET body = 'x'", "DELETE FROM partner.test_notes"):
            changed = await tx.execute(text(f"{statement} WHERE account_id = :it"), {"it": theirs.account_id})
            assert changed.rowcount == 0
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with house.db.transaction(mine) as tx:
            await tx.execute(text("UPDATE partner.test_notes SET account_id = :it"), {"it": theirs.account_id})
    assert await bodies(house, theirs) == ["b0", "b1"]


async def test_single_statements_see_what_a_transaction_sees(house: House, people: tuple[Principal, Principal]):
    """The house all rows, somebody their own; and neither leaves its scope to the next transaction."""
    count = text("SELECT count(*) FROM partner.test_notes")
    keyed = Principal(people[0].account_id, key_id=new_id())
    for _ in range(3):
        found = [await house.db.once(count, {})]
        found += [await house.db.look(who, count, {}) for who in (*people, keyed, Principal(new_id()))]
        assert [row and row[0] for row in found] == [4, 2, 2, 2, 0]
        assert await bodies(house, people[1]) == ["b0", "b1"]
        async with house.db.engine.connect() as connection:
            assert (await connection.execute(BODIES)).all() == []


async def test_looking_that_fails_leaves_the_connection_good(house: House, people: tuple[Principal, Principal]):
    with pytest.raises(DBAPIError, match="division by zero"):
        await house.db.look(people[0], text("SELECT 1 / 0"), {})
    assert await bodies(house, people[0]) == ["a0", "a1"]
    assert cast("QueuePool", house.db.engine.pool).checkedout() == 0


NOTES = table("test_notes", column("body"), schema="partner")
RENAME = posting(
    update(NOTES)
    .where(NOTES.c.body == bindparam("old"))
    .values(body=bindparam("new"))
    .returning(NOTES.c.body)
    .cte("renamed")
)


async def test_an_event_of_a_single_statement_is_announced_if_it_changed_anything(
    house_settings: Settings, house: House, people: tuple[Principal, Principal]
):
    told: list[Delivery] = []
    async with open_house(house_settings, [], "test", deliver=told.extend) as telling:
        assert await telling.db.once(RENAME, {"old": "nobody", "new": "x"}, Noted("x")) is None
        assert not told
        with pytest.raises(DBAPIError, match="NUL"):
            await telling.db.once(RENAME, {"old": "a0", "new": "y\x00"}, Noted("y"))
        assert not told
        assert await telling.db.once(RENAME, {"old": "a0", "new": "z"}, Noted("z")) is not None
    assert await bodies(house, people[0]) == ["a1", "z"]
    (delivery,) = told
    kept = await house.db.once(
        text("DELETE FROM supervisor.outbox WHERE id = :id RETURNING kind, name, payload, attempts, due_at > now()"),
        {"id": delivery.id},
    )
    assert kept is not None
    assert tuple(kept) == ("event", "test.noted", {"body": "z"}, 0, True)


async def test_a_connection_that_says_nobody_sees_nothing(house: House, people: tuple[Principal, Principal]):
    async with house.db.engine.connect() as connection:
        assert (await connection.execute(BODIES)).all() == []
        role = (await connection.execute(text("SELECT current_user"))).scalar()
        assert role == APP_ROLE


async def test_the_scope_ends_with_its_transaction(house: House, people: tuple[Principal, Principal]):
    for who in (*people, None):
        await bodies(house, who)
        async with house.db.engine.connect() as connection:
            scope = await connection.execute(text("SELECT current_setting('madang.account', true)"))
            assert scope.scalar() in {None, ""}


async def test_the_application_cannot_lift_the_rule(house: House):
    async with house.db.transaction() as tx:
        with pytest.raises(ProgrammingError, match="must be owner"):
            await tx.execute(text("ALTER TABLE partner.test_notes DISABLE ROW LEVEL SECURITY"))


async def test_every_table_with_an_account_has_the_rule(house: House):
    """A migration that forgets the policy would leave one wall only."""
    query = text("""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped
        WHERE n.nspname IN ('supervisor', 'partner', 'user') AND c.relkind IN ('r', 'p')
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity) AND NOT c.relispartition
    """)
    async with house.db.transaction() as tx:
        assert list(await tx.scalars(query)) == []


@pytest.fixture
async def shop(house_settings: Settings):
    async with open_workshop(house_settings) as opened:
        opened.lost = True
        yield opened


async def announce(tx: Tx) -> None:
    await tx.announce(Noted("a"))
    await add(tx, new_id(), "with a fact")


async def in_a_transaction(shop: Workshop, then: Callable[[Tx], Awaitable[None]]) -> None:
    async with shop.house.db.transaction() as tx:
        await announce(tx)
        await then(tx)


async def forget(tx: Tx) -> None:
    raise LookupError


async def test_facts_are_delivered_after_the_commit_and_not_before(shop: Workshop):
    async with shop.house.db.transaction() as tx:
        await announce(tx)
        assert shop.delivered == []
    assert [delivery.payload for delivery in shop.delivered] == [{"body": "a"}]
    assert [row["name"] for row in await shop.outbox()] == ["test.noted"]


async def test_what_is_rolled_back_announces_nothing(shop: Workshop):
    with pytest.raises(LookupError):
        await in_a_transaction(shop, forget)
    assert (shop.delivered, await shop.outbox()) == ([], [])


async def test_what_the_database_refuses_announces_nothing(shop: Workshop):
    same = {"id": new_id(), "account_id": new_id(), "body": "twice"}

    async def twice(tx: Tx) -> None:
        await tx.execute(ADD, same)
        await tx.execute(ADD, same)

    with pytest.raises(IntegrityError):
        await in_a_transaction(shop, twice)
    assert (shop.delivered, await shop.outbox()) == ([], [])


async def test_a_transaction_that_is_cancelled_announces_nothing_and_gives_its_connection_back(shop: Workshop):
    async def hang(tx: Tx) -> None:
        await asyncio.sleep(60)

    hanging = [spawn(in_a_transaction(shop, hang), "hang") for _ in range(5)]
    await asyncio.sleep(0.2)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    assert (shop.delivered, await shop.outbox()) == ([], [])
    assert shop.house.db.engine.pool.checkedout() == 0


async def test_a_connection_that_the_database_cut_is_replaced(shop: Workshop, house_settings: Settings):
    async def cut(tx: Tx) -> None:
        pid = await tx.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(house_settings.owner_url, autocommit=True) as owner:
            owner.execute("SELECT pg_terminate_backend(%s)", [pid])
        await tx.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError):
        await in_a_transaction(shop, cut)
    assert (shop.delivered, await shop.outbox()) == ([], [])


async def test_closing_waits_for_what_is_in_use(house_settings: Settings):
    async with open_house(house_settings, [], "test", lambda _: None) as house:
        pool, begun = cast("QueuePool", house.db.engine.pool), asyncio.Event()

        async def work() -> None:
            async with house.db.transaction() as tx:
                begun.set()
                await tx.execute(text("SELECT pg_sleep(0.1)"))

        working = spawn(work(), "work")
        await begun.wait()
    await working
    assert (pool.checkedout(), pool.checkedin()) == (0, 0), "what was given back later would stay open"
