"""The history of the database: one line, safe to begin from many processes at once, and what the code expects."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text

import madang.features
from madang import migrations
from madang.kernel.db import APP_ROLE, Row
from madang.kernel.settings import Settings
from madang.migrations import UnknownRevisionError, heads, is_current, revisions_of, upgrade

FEATURES = Path(madang.features.__file__).parent


@pytest.fixture
def empty(house_settings: Settings) -> Iterator[str]:
    """The owner's URL of an empty database."""
    name = f"history_{uuid4().hex[:8]}"
    with psycopg.connect(house_settings.owner_url, autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]  # a name of our own
        yield make_url(house_settings.owner_url).set(database=name).render_as_string(hide_password=False)
        owner.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]  # the same


def test_the_history_is_one_line_named_in_order():
    folder = Path(migrations.__file__).parent
    history = list(ScriptDirectory(str(folder), version_locations=[str(folder / "versions")]).walk_revisions())
    names = [script.revision for script in reversed(history)]
    assert names == sorted(names)
    assert [script.down_revision for script in reversed(history)] == [None, *names[:-1]]
    assert [Path(script.path).stem for script in reversed(history)] == names
    assert names[-1] in heads()


def test_many_processes_may_begin_at_once(empty: str):
    code = f"from madang.migrations import upgrade; upgrade({empty!r})"
    started = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors.decode()
    assert is_current(empty)
    upgrade(empty)
    assert revisions_of(empty) == heads()


def test_an_empty_database_is_not_current_and_a_newer_one_is_told(empty: str):
    assert revisions_of(empty) == frozenset()
    assert not is_current(empty)
    upgrade(empty)
    with psycopg.connect(empty, autocommit=True) as owner:
        owner.execute("UPDATE supervisor.alembic_version SET version_num = '9999_from_the_future'")
    with pytest.raises(UnknownRevisionError, match="9999_from_the_future"):
        upgrade(empty)


@pytest.mark.filterwarnings("ignore:Did not recognize type:sqlalchemy.exc.SAWarning")
def test_the_tables_are_those_that_the_code_describes(house_settings: Settings):
    for path in FEATURES.glob("*/tables.py"):
        import_module(f"madang.features.{path.parent.name}.tables")
    engine = create_engine(make_url(house_settings.owner_url).set(drivername="postgresql+psycopg"))
    ours = {(table.schema, table.name) for table in Row.metadata.tables.values()}

    def is_ours(thing, name, kind, reflected, compare_to):
        return kind != "table" or (thing.schema, name) in ours

    with engine.connect() as connection:
        options = {"include_schemas": True, "include_object": is_ours, "compare_type": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), Row.metadata)
    engine.dispose()
    unlike = [one for one in found if isinstance(one, list) or one[0] in {"add_table", "add_column"}]
    assert unlike == []


def test_the_application_may_use_every_table_and_change_none(house_settings: Settings):
    engine = create_engine(make_url(house_settings.owner_url).set(drivername="postgresql+psycopg"))
    query = text("""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('supervisor', 'partner', 'user') AND c.relkind IN ('r', 'p')
          AND c.relname <> 'alembic_version' AND NOT c.relispartition
          AND (NOT has_table_privilege(:role, c.oid, 'SELECT') OR pg_get_userbyid(c.relowner) = :role)
    """)
    with engine.connect() as connection:
        assert list(connection.scalars(query, {"role": APP_ROLE})) == []
    engine.dispose()
