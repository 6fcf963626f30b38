"""Whether a database is one that Madang can work on, asked before anything else is: its version, and who is asking."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg.rows import TupleRow, class_row

from madang.kernel.db import APP_ROLE
from madang.local.words import say

TRIED_MAJOR = 18
LEAST_VECTOR = (0, 8)
"""pgvector 0.8 brought `hnsw.iterative_scan`; `halfvec` is of 0.7."""
SECONDS = 5

LOOK = """
    SELECT current_setting('server_version_num')::int / 10000 AS major,
           current_setting('server_version') AS version,
           (SELECT default_version FROM pg_available_extensions WHERE name = 'vector') AS offered,
           (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS installed,
           EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'supervisor' AND c.relname = 'alembic_version') AS is_made,
           coalesce((SELECT pg_has_role(r.oid, a.oid, 'MEMBER') FROM pg_roles a WHERE a.rolname = %(app)s), true)
               AS is_member,
           session_user AS name,
           r.rolsuper AS is_superuser,
           r.rolbypassrls AS bypasses,
           EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname IN ('supervisor', 'partner', 'user') AND c.relkind IN ('r', 'p')
                     AND pg_has_role(r.oid, c.relowner, 'MEMBER')) AS owns
    FROM pg_roles r WHERE r.rolname = session_user
"""


type Key = Literal["db_version", "db_vector", "db_empty", "db_role", "db_old", "db_newer", "db_privileged"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What `LOOK` answers."""

    major: int
    version: str
    offered: str | None
    installed: str | None
    is_made: bool
    is_member: bool
    name: str
    is_superuser: bool
    bypasses: bool
    owns: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a database, and whether one can go on all the same."""

    key: Key
    text: str
    is_fatal: bool


def look_at_database(url: str, heads: Iterable[str], *, is_production: bool) -> list[Trouble]:
    """What is wrong with the database at `url` for an installation whose newest revisions are `heads`.

    Raises `psycopg.OperationalError` when it does not answer.
    """
    with psycopg.connect(url, autocommit=True, connect_timeout=SECONDS) as connection:
        with connection.cursor(row_factory=class_row(_Seen)) as cursor:
            seen = cursor.execute(LOOK, {"app": APP_ROLE}).fetchone()
        assert seen is not None  # noqa: S101  # a role that is connected is there
        vector = seen.installed or seen.offered
        troubles: list[Trouble] = []
        if seen.major < TRIED_MAJOR:
            troubles.append(_trouble("db_version", is_fatal=False, version=seen.version))
        if vector is None or _numbers(vector) < LEAST_VECTOR:
            troubles.append(_trouble("db_vector", is_fatal=True, version=vector or "-"))
        if not seen.is_made:
            troubles.append(_trouble("db_empty", is_fatal=True))
        elif not seen.is_member:
            troubles.append(_trouble("db_role", is_fatal=True, name=seen.name, app=APP_ROLE))
        else:
            troubles += _revisions(connection, frozenset(heads))
        if seen.is_superuser or seen.bypasses or seen.owns:
            troubles.append(_trouble("db_privileged", is_fatal=is_production, name=seen.name))
    return troubles


def _revisions(connection: psycopg.Connection[TupleRow], heads: frozenset[str]) -> list[Trouble]:
    try:
        rows = connection.execute("SELECT version_num FROM supervisor.alembic_version").fetchall()
    except psycopg.errors.InsufficientPrivilege:
        return []
    there = frozenset(str(row[0]) for row in rows)
    if heads <= there:
        return []
    ours, theirs = max(heads, default=""), max(there, default="")
    return [_trouble("db_newer" if theirs > ours else "db_old", is_fatal=True, there=theirs, here=ours)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _trouble(key: Key, *, is_fatal: bool, **values: str) -> Trouble:
    return Trouble(key, say(key, tried=TRIED_MAJOR, **values), is_fatal)
