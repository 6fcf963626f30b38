"""PostgreSQL ends what takes too long, what waits too long and whoever falls silent; we end what it does not answer."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from madang.adapters import postgres
from madang.adapters.opening import open_house
from madang.kernel import transaction_guard
from madang.kernel.db import set_statement_timeout
from madang.kernel.failures import Failure, classify
from madang.kernel.house import House
from madang.kernel.jobs import spawn
from madang.kernel.settings import Settings
from madang.kernel.transaction_guard import NestedTransactionError
from tests.pace import ticking

SHORT_SECONDS = 0.3
LIMITS = {
    "database_request_seconds": SHORT_SECONDS,
    "database_lock_seconds": SHORT_SECONDS,
    "database_idle_seconds": SHORT_SECONDS,
}


@pytest.fixture
async def hasty(house_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house that waits for nothing."""
    monkeypatch.setattr(postgres, "MARGIN_SECONDS", SHORT_SECONDS)
    async with open_house(house_settings.model_copy(update=LIMITS), [], "api", deliver=lambda _: None) as opened:
        yield opened


async def failure_of(house: House, *statements: str, pause: float = 0) -> Failure:
    try:
        async with house.db.transaction() as tx:
            for statement in statements:
                await tx.execute(text(statement))
                await asyncio.sleep(pause)
    except DBAPIError as error:
        return classify(error)
    pytest.fail("nothing failed")


async def test_a_statement_that_takes_too_long_is_ended(hasty: House) -> None:
    assert await failure_of(hasty, "SELECT pg_sleep(60)") is Failure.EXHAUSTED


async def test_who_waits_too_long_for_a_lock_is_told_that_another_has_it(hasty: House, house: House) -> None:
    async with house.db.transaction() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(28)"))
        await set_statement_timeout(tx, 60)
        waiting = spawn(failure_of(hasty, "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(28)"), "waits")
        assert await waiting is Failure.CONTENDED


async def test_who_falls_silent_in_a_transaction_loses_it_and_its_locks(hasty: House, house: House) -> None:
    silent = spawn(failure_of(hasty, "SELECT pg_advisory_xact_lock(29)", "SELECT 1", pause=4 * SHORT_SECONDS), "silent")
    assert await silent is Failure.UNAVAILABLE
    async with house.db.transaction() as tx:
        assert await tx.scalar(text("SELECT pg_try_advisory_xact_lock(29)"))


async def test_a_statement_that_is_given_longer_may_take_it_and_the_next_transaction_may_not(hasty: House) -> None:
    async with hasty.db.transaction() as tx:
        await set_statement_timeout(tx, 30)
        await tx.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": 3 * SHORT_SECONDS})
    assert await failure_of(hasty, "SELECT pg_sleep(60)") is Failure.EXHAUSTED


@pytest.fixture
async def frozen(hasty: House) -> AsyncIterator[int]:
    """The process of PostgreSQL that serves the one connection of the pool; a test freezes it."""
    async with hasty.db.transaction() as tx:
        pid = await tx.scalar(text("SELECT pg_backend_pid()"))
    assert isinstance(pid, int)
    yield pid
    os.kill(pid, signal.SIGCONT)


async def test_a_postgresql_that_does_not_answer_fails_in_bounded_time_and_the_next_connection_is_another(
    hasty: House, frozen: int
) -> None:
    os.kill(frozen, signal.SIGSTOP)
    async with ticking() as clock:
        assert await failure_of(hasty, "SELECT 1") is Failure.UNAVAILABLE
        assert clock.seconds() < 10 * SHORT_SECONDS
    async with hasty.db.transaction() as tx:
        assert await tx.scalar(text("SELECT pg_backend_pid()")) != frozen


async def commit_frozen(house: House, pid: int) -> None:
    async with house.db.transaction() as tx:
        await tx.execute(text("SELECT 1"))
        os.kill(pid, signal.SIGSTOP)


async def test_a_commit_that_is_not_answered_is_no_success_and_the_pool_is_whole(hasty: House, frozen: int) -> None:
    with pytest.raises(DBAPIError) as raised:
        await commit_frozen(hasty, frozen)
    assert classify(raised.value) is Failure.UNAVAILABLE
    async with hasty.db.transaction() as tx:
        assert await tx.scalar(text("SELECT 1")) == 1


async def test_who_is_cancelled_while_postgresql_is_frozen_ends_in_bounded_time(hasty: House, frozen: int) -> None:
    os.kill(frozen, signal.SIGSTOP)
    asking = spawn(failure_of(hasty, "SELECT 1"), "asking")
    await asyncio.sleep(SHORT_SECONDS / 3)
    asking.cancel()
    async with asyncio.timeout(20):
        await asyncio.wait({asking})
    assert hasty.db.engine.pool.checkedout() == 0


async def test_every_connection_has_the_limits(house: House) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    async with house.db.transaction() as tx:
        limits = [await tx.scalar(text(f"SHOW {name}")) for name in (*names, "client_connection_check_interval")]
    assert limits == ["1min", "8s", "20s", "5s"]


async def nest(house: House) -> None:
    async with house.db.transaction(), house.db.transaction():
        pass


async def test_a_transaction_within_another_of_the_same_task_is_refused(house: House) -> None:
    with pytest.raises(NestedTransactionError, match=r"test_postgres:\d+ opens"):
        await nest(house)
    async with house.db.transaction() as tx:
        await spawn(one(house), "beside")
        assert await tx.scalar(text("SELECT 1")) == 1
    await one(house)


async def one(house: House) -> None:
    async with house.db.transaction() as tx:
        await tx.execute(text("SELECT 1"))


async def test_valkey_is_not_asked_within_a_transaction(house: House) -> None:
    async with house.db.transaction():
        with pytest.raises(NestedTransactionError, match="Valkey"):
            await house.valkey.ping()
    assert await house.valkey.ping()


async def test_in_production_a_transaction_within_another_is_logged_once_and_works(
    house_settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_guard, "_told", set())
    settings = house_settings.model_copy(update={"environment": "production"})
    async with open_house(settings, [], "test", deliver=lambda _: None) as house:
        await nest(house)
        await nest(house)
    assert len(transaction_guard._told) == 1


async def test_a_connection_that_is_given_back_after_closing_is_closed(
    house_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "GIVE_BACK_SECONDS", 0.01)
    engine = postgres.open_engine(house_settings, "test")
    held = await engine.connect()
    driver = (await held.get_raw_connection()).driver_connection
    await postgres.close_engine(engine)
    assert driver is not None
    assert not driver.closed
    await held.close()
    assert driver.closed
