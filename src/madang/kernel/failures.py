"""What a failure of PostgreSQL or Valkey means for whoever met it: one vocabulary, used everywhere.

Only the boundaries of this server fail in a way that is worth waiting for. An `OSError` of an agent, a time-out of
somebody's own or a file that is not there says nothing about PostgreSQL or Valkey, and repeats nothing that was paid.
"""

from enum import StrEnum

import psycopg
import psycopg_pool
from redis import exceptions as valkey
from sqlalchemy.exc import DBAPIError, PendingRollbackError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class Failure(StrEnum):
    """The kinds of failure, by what to do next."""

    UNAVAILABLE = "unavailable"
    """PostgreSQL or Valkey is away, starting, full or read-only: wait, with growing pauses, and try again."""
    CONTENDED = "contended"
    """Another transaction was in the way (deadlock, serialisation, a lock not had in time): try again at once."""
    EXHAUSTED = "exhausted"
    """No connection was free or the time of a statement was used up: nobody repeats paid work for it."""
    INPUT = "input"
    """The values cannot be stored: the same values never will."""
    BROKEN = "broken"
    """A permanent fault of ours, of the schema or of somebody's code: trying again changes nothing."""


class DatabaseUnavailableError(Exception):
    """A boundary of ours found PostgreSQL away without an error of the driver that says so."""


TEMPORARY = frozenset({Failure.UNAVAILABLE, Failure.CONTENDED, Failure.EXHAUSTED})
"""What may be otherwise a moment later."""

FAILURES_OF_OURS = (StatementError, PoolTimeoutError, PendingRollbackError, psycopg.Error, psycopg_pool.PoolTimeout)
"""Everything that PostgreSQL, its driver and its pools raise."""

_BY_STATE = {
    "25006": Failure.UNAVAILABLE,  # read-only: a replica that is not promoted yet
    "25P03": Failure.UNAVAILABLE,  # this process was silent in a transaction, and PostgreSQL closed the connection
    "25P04": Failure.EXHAUSTED,  # transaction_timeout
    "40001": Failure.CONTENDED,
    "40P01": Failure.CONTENDED,
    "40003": Failure.UNAVAILABLE,  # whether the statement was completed is not known
    "55006": Failure.CONTENDED,
    "55P03": Failure.CONTENDED,  # lock_timeout, NOWAIT
    "57014": Failure.EXHAUSTED,  # statement_timeout
    "57P01": Failure.UNAVAILABLE,
    "57P02": Failure.UNAVAILABLE,
    "57P03": Failure.UNAVAILABLE,
    "57P05": Failure.UNAVAILABLE,
}
_BY_CLASS = {
    "08": Failure.UNAVAILABLE,
    "22": Failure.INPUT,
    "23": Failure.INPUT,
    "53": Failure.UNAVAILABLE,  # disk full, out of memory, too many connections
    "58": Failure.UNAVAILABLE,  # I/O error under PostgreSQL
}
_VALKEY_AWAY = (
    valkey.ConnectionError,
    valkey.TimeoutError,
    valkey.BusyLoadingError,
    valkey.ReadOnlyError,
    valkey.OutOfMemoryError,
    valkey.ClusterDownError,
    valkey.MasterDownError,
    valkey.TryAgainError,
)


def classify(error: BaseException) -> Failure:
    """What kind of failure the error is; anything that is not of PostgreSQL or Valkey is `BROKEN`."""
    if isinstance(error, (DatabaseUnavailableError, *_VALKEY_AWAY)):
        return Failure.UNAVAILABLE
    if isinstance(error, PoolTimeoutError | psycopg_pool.PoolTimeout):
        return Failure.EXHAUSTED
    if isinstance(error, PendingRollbackError):  # a statement after the one that found the connection lost
        return Failure.UNAVAILABLE if error.code == "8s2b" else Failure.BROKEN
    if isinstance(error, StatementError):
        return _of_statement(error)
    return _of_driver(error) if isinstance(error, psycopg.Error) else Failure.BROKEN


def is_temporary(error: BaseException) -> bool:
    """Whether the same work may succeed later."""
    return classify(error) in TEMPORARY


def is_unavailable(error: BaseException) -> bool:
    """Whether PostgreSQL or Valkey is away."""
    return classify(error) is Failure.UNAVAILABLE


def of_valkey(error: BaseException) -> bool:
    """Whether it is Valkey that fails."""
    return isinstance(error, valkey.RedisError)


def _of_statement(error: StatementError) -> Failure:
    cause = error.orig
    if isinstance(cause, psycopg.Error):
        found = _of_driver(cause)
        is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
        return Failure.UNAVAILABLE if is_lost and found is Failure.BROKEN else found
    return Failure.INPUT if isinstance(cause, UnicodeError) else Failure.BROKEN


def _of_driver(error: psycopg.Error) -> Failure:
    state = error.sqlstate
    if state is not None:
        return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], Failure.BROKEN)
    if isinstance(error, psycopg.DataError):
        return Failure.INPUT
    # Without a state the error is of the driver or of libpq: the connection could not be made, or is lost.
    return Failure.UNAVAILABLE if isinstance(error, psycopg.OperationalError) else Failure.BROKEN
