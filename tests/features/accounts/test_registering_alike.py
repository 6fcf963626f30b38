"""Registering a taken address does what registering a free one does, and leaves nothing of it."""

import secrets
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import event, text

from madang.features.accounts.contracts import WRITE
from madang.features.accounts.service import registration
from madang.features.accounts.service.registration import Application
from madang.kernel.house import House
from tests.features.accounts.conftest import PASSWORD, Join, only, visitor


@pytest.fixture
def asked(house: House, writing: House) -> Iterator[list[str]]:
    """Every statement that the house sends to PostgreSQL, without its values."""
    statements: list[str] = []
    engine = writing.db.engine.sync_engine

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


async def count(house: House, table: str) -> int:
    async with house.db.transaction() as tx:
        return int(await tx.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


async def test_timing_a_taken_address_is_the_work_of_a_free_one_and_leaves_nothing(
    writing: House, house: House, asked: list[str], join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, registration="open")
    person, done = await join(), []
    tables = ('"user".accounts', "supervisor.audit", "supervisor.outbox")
    before = {table: await count(house, table) for table in tables}
    for email in (f"{secrets.token_hex(6)}@example.org", person.email):
        asked.clear()
        await registration.register(writing, Application(email, PASSWORD, "학생"), "test")
        done.append([statement.split()[0:3] for statement in asked])
    free, taken = done
    assert sum(words[0] == "INSERT" for words in free) == sum(words[0] == "INSERT" for words in taken) == 4
    assert len(free) == len(taken)
    after = {table: await count(house, table) for table in tables}
    assert {table: after[table] - before[table] for table in tables} == {
        '"user".accounts': 1,
        "supervisor.audit": 1,
        "supervisor.outbox": 3,
    }, "the free one's account, deed and news, and a letter for each"


async def test_nobody_hears_of_an_account_that_was_not_made(
    writing: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, registration="open")
    person = await join()
    heard: list[str] = []
    monkeypatch.setattr(writing.db, "_deliver", lambda found: heard.extend(one.name for one in found))
    async with visitor(writing) as client:
        await answered(client, person.email)
    assert heard == [WRITE.name]


async def answered(client: httpx.AsyncClient, email: str) -> None:
    answer = await client.post("/api/v1/auth/register", json={"email": email, "password": PASSWORD, "name": "학생"})
    assert answer.status_code == 201
