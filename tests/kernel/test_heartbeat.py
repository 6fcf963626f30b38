"""Who judges leases knows since when PostgreSQL has answered without a gap."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, text

from madang.kernel.heartbeat import trusted
from madang.kernel.house import House
from madang.processes.scheduler import beat

AWAY = "now()"


async def sql(house: House, statement: str, **values: object) -> Any:
    async with house.db.transaction() as tx:
        result = await tx.execute(text(statement), values)
        return result.scalar_one() if result.returns_rows else None


async def is_trusted(house: House, lease: float) -> bool:
    async with house.db.transaction() as tx:
        return bool(await tx.scalar(select(trusted(lease))))


async def beaten(house: House, ago: str, since: str) -> None:
    """Let the last beat be so long ago, and PostgreSQL answer since so long."""
    await beat(house)
    await sql(
        house,
        "UPDATE supervisor.heartbeat SET beaten_at = now() - CAST(:ago AS text)::interval,"
        " answering_since = now() - CAST(:since AS text)::interval",
        ago=ago,
        since=since,
    )


@pytest.fixture(autouse=True)
async def no_row_for_others(house: House) -> AsyncIterator[None]:
    """The other tests of this process know of no beats."""
    yield
    await sql(house, "DELETE FROM supervisor.heartbeat")


@pytest.mark.parametrize(("ago", "since"), [("1 second", "answering_since"), ("7 s", "answering_since"), ("9 s", AWAY)])
async def test_without_a_beat_for_eight_seconds_it_is_away(house: House, ago: str, since: str) -> None:
    await beaten(house, ago, "10 milliseconds")
    async with house.db.transaction() as tx:
        said, held = (
            await tx.execute(text(f"SELECT supervisor.answering_since(), {since} FROM supervisor.heartbeat"))
        ).one()
    assert said == held


async def test_an_expiry_is_believed_after_a_lease_of_answers(house: House) -> None:
    await beaten(house, "1 second", "300 milliseconds")
    assert await is_trusted(house, lease=0.2)
    assert not await is_trusted(house, lease=60)


async def test_before_the_first_beat_the_start_of_postgresql_counts(house: House) -> None:
    assert await sql(house, "SELECT supervisor.answering_since() = pg_postmaster_start_time()")
    assert await is_trusted(house, lease=0.001)


async def test_a_gap_between_two_beats_counts_as_away_until_the_later_one(house: House) -> None:
    await beaten(house, "9 seconds", "1 hour")
    before = await sql(house, "SELECT clock_timestamp()")
    await beat(house)
    assert before <= await sql(house, "SELECT answering_since FROM supervisor.heartbeat")


async def test_beats_in_time_leave_the_moment_as_it_was(house: House) -> None:
    await beaten(house, "5 seconds", "1 hour")
    since = await sql(house, "SELECT answering_since FROM supervisor.heartbeat")
    await beat(house)
    assert await sql(house, "SELECT answering_since FROM supervisor.heartbeat") == since


async def test_a_clock_that_was_set_back_counts_as_away(house: House) -> None:
    await beaten(house, "-1 hour", "2 hours")
    before = await sql(house, "SELECT clock_timestamp()")
    await beat(house)
    assert before <= await sql(house, "SELECT answering_since FROM supervisor.heartbeat")
