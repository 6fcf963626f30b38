"""The audit log is only added to: not even the application can change, remove or hide what it says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text

from madang.kernel.audit import Target, record
from madang.kernel.db import APP_ROLE
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.settings import Settings

SPOILING = (
    "UPDATE {} SET action = 'innocent'",
    "DELETE FROM {}",
    "TRUNCATE {}",
    "DROP TABLE {}",
    "ALTER TABLE {} DISABLE ROW LEVEL SECURITY",
    "MERGE INTO {} USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
)
READING = ("SELECT * FROM {}", "INSERT INTO {} SELECT * FROM {}", "COPY {} TO STDOUT")


@pytest.fixture
def owner(house_settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(house_settings.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def application(house_settings: Settings) -> Iterator[psycopg.Connection]:
    """The application's own connection, in the house's scope, which sees every row."""
    url = house_settings.database_url.get_secret_value()
    with psycopg.connect(url, autocommit=True, options=f"-c role={APP_ROLE} -c madang.account=house") as connection:
        yield connection


def partitions(owner: psycopg.Connection, table: str = "supervisor.audit") -> list[str]:
    found = owner.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [table])
    return sorted(str(row[0]) for row in found)


def written(statement: str, table: str) -> sql.Composed:
    return sql.SQL(statement).format(*[sql.Identifier(*table.split("."))] * statement.count("{}"))


async def note(house: House, action: str) -> None:
    async with house.db.transaction() as tx:
        await record(tx, None, action, Target("test"))


async def test_nobody_changes_or_removes_what_it_says(
    house: House, application: psycopg.Connection, owner: psycopg.Connection
) -> None:
    await note(house, "test.kept")
    for table in ("supervisor.audit", *partitions(owner)):
        for statement in SPOILING:
            with pytest.raises(InsufficientPrivilege):
                application.execute(written(statement, table))
    left = application.execute("SELECT count(*) FROM supervisor.audit WHERE action = 'test.kept'").fetchone()
    assert left is not None
    assert left[0] >= 1


def test_a_month_is_reached_only_through_the_whole(application: psycopg.Connection, owner: psycopg.Connection) -> None:
    months = partitions(owner)
    assert len(months) >= 4
    for table in months:
        for statement in READING:
            with pytest.raises(InsufficientPrivilege):
                application.execute(written(statement, table))


@pytest.fixture
def diary(owner: psycopg.Connection) -> Iterator[str]:
    """A table in months, like the audit log, with nothing opened yet."""
    owner.execute(
        "CREATE TABLE supervisor.diary (word text CHECK (word <> ''), created_at timestamptz NOT NULL)"
        " PARTITION BY RANGE (created_at)"
    )
    owner.execute("CREATE TABLE supervisor.diary_rest PARTITION OF supervisor.diary DEFAULT")
    yield "supervisor.diary"
    owner.execute("DROP TABLE supervisor.diary")
    owner.execute("DELETE FROM supervisor.retention WHERE table_name = 'supervisor.diary'")


def test_months_that_are_opened_later_are_as_closed_and_take_in_what_came_before_them(
    diary: str, application: psycopg.Connection, owner: psycopg.Connection
) -> None:
    now = datetime.now(UTC)
    strangest = now - timedelta(days=4000)
    for moment in (now, strangest):
        application.execute("INSERT INTO supervisor.diary VALUES ('early', %s)", [moment])
    count = "SELECT supervisor.count_strays('supervisor', 'diary')"
    assert application.execute(count).fetchone() == (2,)
    for _ in range(2):
        application.execute("SELECT supervisor.open_months('supervisor', 'diary')")
    assert application.execute(count).fetchone() == (1,)
    assert len(partitions(owner, diary)) == 4
    assert application.execute("SELECT count(*) FROM supervisor.diary").fetchone() == (2,)
    for table in partitions(owner, diary):
        with pytest.raises(InsufficientPrivilege):
            application.execute(written("DELETE FROM {}", table))


def test_old_months_go_and_the_last_three_never_do(
    diary: str, application: psycopg.Connection, owner: psycopg.Connection
) -> None:
    application.execute("SELECT supervisor.open_months('supervisor', 'diary')")
    owner.execute(
        "CREATE TABLE supervisor.diary_2001_01 PARTITION OF supervisor.diary"
        " FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')"
    )
    with pytest.raises(psycopg.errors.RaiseException, match="last three months"):
        application.execute("SELECT supervisor.drop_months('supervisor', 'diary', 2)")
    drop = "SELECT supervisor.drop_months('supervisor', 'diary', 3)"
    assert application.execute(drop).fetchone() == (0,)  # the owner has never said that anything of it may go
    with pytest.raises(InsufficientPrivilege):
        application.execute("INSERT INTO supervisor.retention VALUES ('supervisor.diary', 3)")
    owner.execute("INSERT INTO supervisor.retention VALUES ('supervisor.diary', 1200)")
    assert application.execute(drop).fetchone() == (0,)
    owner.execute("UPDATE supervisor.retention SET months = 3 WHERE table_name = 'supervisor.diary'")
    assert application.execute(drop).fetchone() == (1,)
    assert application.execute(drop).fetchone() == (0,)
    assert len(partitions(owner, diary)) == 4


async def test_what_is_undone_was_never_noted(house: House) -> None:
    action = f"test.{new_id().hex}"

    async def fail() -> None:
        async with house.db.transaction() as tx:
            await record(tx, None, action, Target("test"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with house.db.transaction() as tx:
        found = text("SELECT count(*) FROM supervisor.audit WHERE action = :action")
        assert await tx.scalar(found, {"action": action}) == 0
