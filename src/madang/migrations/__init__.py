"""The history of the database, applied by its owner under a lock.

Madang's own revisions are one line. A product of another package keeps its own in a folder that the entry point group
`madang.migrations` names; they are a branch that begins at the revision of Madang's that they depend on.
"""

from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from madang.migrations.privileges import CLOSE_FUNCTIONS

_LOCK = 0x6D61_6461_6E67
"""The advisory lock that keeps processes from migrating side by side."""


class UnknownRevisionError(Exception):
    """The database is at a revision that this installation has not: it is older, or a product is missing."""


def folders() -> tuple[Path, ...]:
    """Where revisions are: Madang's own first, then those of other packages by name."""
    outside = sorted(entry_points(group="madang.migrations"), key=lambda entry: entry.name)
    specs = [find_spec(entry.value) for entry in outside]
    found = [Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ()]
    return (Path(__file__).parent / "versions", *found)


def heads() -> frozenset[str]:
    """The newest revision of every folder; revisions are named by their files, which sort in their order."""
    return frozenset(max(path.stem for path in folder.glob("*[0-9]*.py")) for folder in folders())


def revisions_of(owner_url: str) -> frozenset[str]:
    """The revisions that the database is at, none when it is empty. Raises `psycopg.OperationalError`."""
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=5) as connection:
        known = connection.execute("SELECT to_regclass('supervisor.alembic_version')").fetchone()
        if known is None or known[0] is None:
            return frozenset()
        rows = connection.execute("SELECT version_num FROM supervisor.alembic_version").fetchall()
        return frozenset(str(row[0]) for row in rows)


def is_current(owner_url: str) -> bool:
    """Whether every revision is there; those of a product that was taken away since do not matter."""
    return heads() <= revisions_of(owner_url)


def keep_months(owner_url: str, months: Mapping[str, int | None]) -> None:
    """Write down, as the owner, for how many months each of the tables is kept; None for ever.

    The application drops nothing that is younger, whatever it is told. Raises `psycopg.Error`.
    """
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=5) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO supervisor.retention (table_name, months) VALUES (%s, %s)"
            " ON CONFLICT (table_name) DO UPDATE SET months = excluded.months"
            " WHERE retention.months IS DISTINCT FROM excluded.months",
            list(months.items()),
        )


def upgrade(owner_url: str) -> None:
    """Bring the database to this version; does nothing when it is there. Blocks.

    Raises `psycopg.Error`, and `UnknownRevisionError` when the database knows more than this installation.
    """
    from alembic import command  # noqa: PLC0415  # a database that is at its head never loads Alembic
    from alembic.config import Config  # noqa: PLC0415  # the same
    from alembic.util import CommandError  # noqa: PLC0415  # the same

    with psycopg.connect(owner_url, autocommit=True, connect_timeout=5) as lock:
        lock.execute(sql.SQL("SELECT pg_advisory_lock({})").format(sql.Literal(_LOCK)))
        if is_current(owner_url):
            return
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", "\n".join(str(folder) for folder in folders()))
        config.attributes["url"] = owner_url
        try:
            command.upgrade(config, "heads")
            lock.execute(CLOSE_FUNCTIONS)
        except CommandError as error:
            raise UnknownRevisionError(str(error)) from error
