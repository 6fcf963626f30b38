"""A database that Madang cannot work on is named before anything starts, and so is a role that may do too much."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from madang.kernel.settings import Settings
from madang.local.database_check import look_at_database
from madang.migrations import heads


@pytest.fixture
def owner_url(house_settings: Settings) -> str:
    return house_settings.owner_url


@pytest.fixture
def app_url(house_settings: Settings) -> str:
    return house_settings.database_url.get_secret_value()


@pytest.fixture
def empty_url(owner_url: str) -> Iterator[str]:
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE nothing_yet")
        yield owner_url.rpartition("/")[0] + "/nothing_yet"
        connection.execute("DROP DATABASE nothing_yet WITH (FORCE)")


def test_the_application_role_on_a_migrated_database_is_well(app_url: str):
    assert look_at_database(app_url, heads(), is_production=True) == []


@pytest.mark.parametrize("is_production", [True, False])
def test_a_privileged_role_is_refused_in_production_and_warned_of_elsewhere(owner_url: str, is_production: bool):
    (found,) = look_at_database(owner_url, heads(), is_production=is_production)
    assert (found.key, found.is_fatal) == ("db_privileged", is_production)


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        ("BYPASSRLS IN ROLE madang_app", {"db_privileged"}),
        ("IN ROLE postgres", {"db_privileged"}),
        ("IN ROLE madang_app", set()),
        ("", {"db_role"}),
    ],
)
def test_what_a_role_may_do_decides(owner_url: str, power: str, expected: set[str]):
    url = owner_url.replace("//postgres:", "//powerful:")
    password = owner_url.split(":")[2].partition("@")[0]
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE powerful LOGIN PASSWORD '{password}' {power}")
        try:
            keys = {one.key for one in look_at_database(url, heads(), is_production=True)}
        finally:
            connection.execute("DROP ROLE powerful")
    assert keys == expected


def test_an_empty_database_is_to_be_migrated(empty_url: str):
    assert "db_empty" in {one.key for one in look_at_database(empty_url, heads(), is_production=False) if one.is_fatal}


@pytest.mark.parametrize(("newest", "key"), [("9999_later", "db_old"), ("0000_before", "db_newer")])
def test_a_database_of_another_version_is_named(app_url: str, newest: str, key: str):
    (found,) = look_at_database(app_url, [newest], is_production=True)
    assert (found.key, found.is_fatal) == (key, True)


def test_one_that_is_away_is_said_to_be(app_url: str):
    with pytest.raises(psycopg.OperationalError):
        look_at_database("postgresql://nobody@127.0.0.1:1/nothing", heads(), is_production=True)


@pytest.mark.parametrize("process", ["api", "worker", "scheduler"])
@pytest.mark.parametrize(("language", "said"), [("en", "Run `madang migrate`"), ("ko", "`madang migrate`를")])
def test_no_process_starts_on_an_empty_database(
    empty_url: str, house_settings: Settings, tmp_path: Path, process: str, language: str, said: str
):
    environment = {
        **os.environ,
        "DATABASE_URL": empty_url,
        "VALKEY_URL": house_settings.valkey_url.get_secret_value(),
        "MADANG_SECRET_KEY": house_settings.secret_key.get_secret_value(),
        "MADANG_LANG": language,
    }
    command = [sys.executable, "-m", "madang.cli", process]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
