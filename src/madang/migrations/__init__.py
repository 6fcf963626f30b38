"""One linear history of the database, applied by its owner under a lock."""

from pathlib import Path

import psycopg
from psycopg import sql

HEAD = max(path.stem for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))
"""The newest revision; revisions are named by their files, which sort in their order."""

_LOCK = 0x6D61_6461_6E67
"""The advisory lock that keeps processes from migrating side by side."""


def revision_of(owner_url: str) -> str | None:
    """The revision that the database is at, None when it is empty. Raises `psycopg.OperationalError`."""
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=5) as connection:
        known = connection.execute("SELECT to_regclass('supervisor.alembic_version')").fetchone()
        if known is None or known[0] is None:
            return None
        row = connection.execute("SELECT version_num FROM supervisor.alembic_version").fetchone()
        return None if row is None else str(row[0])


def upgrade(owner_url: str) -> None:
    """Bring the database to this version; does nothing when it is there. Blocks. Raises `psycopg.Error`."""
    from alembic import command  # noqa: PLC0415  # a database that is at its head never loads Alembic
    from alembic.config import Config  # noqa: PLC0415  # the same

    with psycopg.connect(owner_url, autocommit=True, connect_timeout=5) as lock:
        lock.execute(sql.SQL("SELECT pg_advisory_lock({})").format(sql.Literal(_LOCK)))
        if revision_of(owner_url) == HEAD:
            return
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        config.attributes["url"] = owner_url
        command.upgrade(config, "head")
