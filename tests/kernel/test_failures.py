"""What each failure means for whoever met it, as the drivers themselves raise it."""

import psycopg
import psycopg_pool
import pytest
from redis import exceptions as valkey
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from madang.kernel.failures import Failure, classify
from madang.kernel.house import House


@pytest.mark.parametrize(
    ("state", "failure"),
    [
        ("08006", Failure.UNAVAILABLE),
        ("57P01", Failure.UNAVAILABLE),
        ("57P03", Failure.UNAVAILABLE),
        ("57P05", Failure.UNAVAILABLE),
        ("53100", Failure.UNAVAILABLE),
        ("53300", Failure.UNAVAILABLE),
        ("25006", Failure.UNAVAILABLE),
        ("25P03", Failure.UNAVAILABLE),
        ("58030", Failure.UNAVAILABLE),
        ("40001", Failure.CONTENDED),
        ("40P01", Failure.CONTENDED),
        ("55P03", Failure.CONTENDED),
        ("57014", Failure.EXHAUSTED),
        ("22021", Failure.INPUT),
        ("23505", Failure.INPUT),
        ("25P02", Failure.BROKEN),
        ("42P01", Failure.BROKEN),
        ("42501", Failure.BROKEN),
        ("XX000", Failure.BROKEN),
    ],
)
def test_each_state_of_postgresql_has_its_meaning_from_either_library(state: str, failure: Failure) -> None:
    raised = psycopg.errors.lookup(state)("told")
    assert classify(raised) is failure
    assert classify(DBAPIError("SELECT", {}, raised)) is failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), Failure.UNAVAILABLE),
        (psycopg.errors.ConnectionTimeout(), Failure.UNAVAILABLE),
        (psycopg.DataError("text fields cannot contain NUL"), Failure.INPUT),
        (psycopg.ProgrammingError("no result"), Failure.BROKEN),
        (OperationalError("SELECT", {}, psycopg.OperationalError()), Failure.UNAVAILABLE),
        (DBAPIError("SELECT", {}, psycopg.InterfaceError(), connection_invalidated=True), Failure.UNAVAILABLE),
        (StatementError("no", "SELECT", {}, UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate")), Failure.INPUT),
        (PoolTimeoutError("none was free"), Failure.EXHAUSTED),
        (psycopg_pool.PoolTimeout(), Failure.EXHAUSTED),
        (valkey.ConnectionError(), Failure.UNAVAILABLE),
        (valkey.TimeoutError(), Failure.UNAVAILABLE),
        (valkey.OutOfMemoryError(), Failure.UNAVAILABLE),
        (valkey.ResponseError("WRONGTYPE"), Failure.BROKEN),
        (FileNotFoundError("prompt.txt"), Failure.BROKEN),
        (ConnectionResetError(), Failure.BROKEN),
        (TimeoutError(), Failure.BROKEN),
        (SQLAlchemyError(), Failure.BROKEN),
    ],
)
def test_errors_without_a_state_are_told_apart_by_who_raised_them(error: Exception, failure: Failure) -> None:
    assert classify(error) is failure


async def test_what_postgresql_really_raises_is_classified(house: House) -> None:
    async def failing(statement: str) -> Failure:
        with pytest.raises(SQLAlchemyError) as raised:
            async with house.db.transaction() as tx:
                await tx.execute(text(statement))
        return classify(raised.value)

    assert await failing("SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)") is Failure.EXHAUSTED
    assert await failing("SELECT pg_terminate_backend(pg_backend_pid())") is Failure.UNAVAILABLE
    assert await failing("SELECT * FROM supervisor.no_such_table") is Failure.BROKEN
    assert await failing("SELECT 1 / 0") is Failure.INPUT
