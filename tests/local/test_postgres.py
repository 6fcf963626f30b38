"""PostgreSQL as a child: it starts, loses nothing when it is killed, and never outlives whoever started it."""

import os
import random
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from madang.local.child import ChildError
from madang.local.postgres import PostgresServer
from tests.local.deadline import alive, until

CHILD = """
import sys, time, pathlib
from madang.local.postgres import PostgresServer
server = PostgresServer(pathlib.Path(sys.argv[1]), durable=False)
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def running(server: PostgresServer):
    if server.pid is None:
        server.start()


def test_the_application_is_bound_by_row_level_security_and_the_owner_makes_its_tables(server: PostgresServer):
    with psycopg.connect(server.url) as owner:
        role = owner.execute("select rolsuper, rolbypassrls from pg_roles where rolname = 'madang_app'").fetchone()
        extensions = owner.execute("select name from pg_available_extensions where name in ('vector', 'pg_trgm')")
        assert len(extensions.fetchall()) == 2
    with psycopg.connect(server.app_url) as app:
        database, user = app.execute("select current_database(), current_user").fetchone() or ()
    assert role == (False, False)
    assert (database, user) == ("madang", "madang_app")


def test_a_wrong_password_is_refused(server: PostgresServer):
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://madang_app:wrong@127.0.0.1:{server.port}/madang")


def test_passwords_are_for_the_owner_of_the_folder_alone(server: PostgresServer):
    secrets = server.data_dir / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o600}
    assert stat.S_IMODE(server.cluster.stat().st_mode) == 0o700


def test_what_was_acknowledged_survives_a_kill_at_any_moment(server: PostgresServer):
    dice = random.Random(20261121)
    with psycopg.connect(server.url, autocommit=True) as owner:
        owner.execute("create table kept (number int primary key)")
    acknowledged: list[int] = []
    for _ in range(5):
        goal = len(acknowledged) + dice.randrange(1, 60)
        writer = threading.Thread(target=write, args=(server.url, acknowledged))
        writer.start()
        until(lambda: len(acknowledged) >= goal)  # noqa: B023  # used within this turn only
        server.kill()
        writer.join(20)
        server.start()
        with psycopg.connect(server.url) as owner:
            found = {row[0] for row in owner.execute("select number from kept")}
        assert set(acknowledged) <= found


def write(url: str, acknowledged: list[int]) -> None:
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            while True:
                number = (acknowledged[-1] if acknowledged else 0) + 2
                connection.execute("insert into kept values (%s) on conflict do nothing", (number,))
                acknowledged.append(number)
    except psycopg.Error:
        return


def test_the_next_one_ends_what_a_killed_predecessor_left_running(server: PostgresServer):
    old = server.pid
    heir = PostgresServer(server.data_dir, durable=False)
    heir.start()
    try:
        assert old is not None
        assert not alive(old)
        with psycopg.connect(heir.app_url) as app:
            assert app.execute("select 1").fetchone() == (1,)
    finally:
        heir.stop()


def test_a_stale_note_whose_number_another_program_got_does_not_keep_it_from_starting(server: PostgresServer):
    server.kill()
    note = server.cluster / "postmaster.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        note.write_text("\n".join([str(stranger.pid), *note.read_text().splitlines()[1:]]) + "\n")
        server.start()
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_lost_passwords_are_made_anew(server: PostgresServer):
    server.stop()
    (server.data_dir / "secrets" / "postgres-madang_app").unlink()
    server.start()
    with psycopg.connect(server.app_url) as app:
        assert app.execute("select current_user").fetchone() == ("madang_app",)


def test_it_ends_with_whoever_started_it(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
        until(lambda: not alive(pid))


def test_a_start_that_was_cut_off_leaves_nothing_half_made(tmp_path: Path):
    draft = tmp_path / "postgres.new"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    server = PostgresServer(tmp_path, durable=False)
    server.start()
    server.stop()
    assert not draft.exists()
    assert server.is_ready() is False


def test_a_port_that_is_taken_is_told_with_the_log(server: PostgresServer, tmp_path: Path):
    other = PostgresServer(tmp_path, port=server.port, durable=False)
    with pytest.raises(ChildError, match=r"(?s)ended while it was starting.*Address already in use"):
        other.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="a normal user needs no user namespace")
def test_root_without_user_namespaces_runs_it_as_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MADANG_NO_USER_NAMESPACE", "1")
    server = PostgresServer(tmp_path, durable=False)
    server.start()
    try:
        assert server.cluster.stat().st_uid == 65534
        with psycopg.connect(server.app_url) as app:
            assert app.execute("select 1").fetchone() == (1,)
    finally:
        server.stop()
    monkeypatch.delenv("MADANG_NO_USER_NAMESPACE")
    server.start()
    server.stop()
