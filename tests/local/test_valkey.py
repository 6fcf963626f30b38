"""Valkey as a child: nothing that was answered is lost, nobody without the password gets in."""

import random
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from madang.local.valkey import ValkeyServer
from tests.local.deadline import alive, until

CHILD = """
import sys, pathlib
from madang.local.valkey import ValkeyServer
server = ValkeyServer(pathlib.Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path)
    server.start()
    yield server
    server.stop()


def client(server: ValkeyServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def test_every_answered_write_survives_a_kill(server: ValkeyServer):
    dice = random.Random(7)
    written = 0
    for _ in range(5):
        with client(server) as valkey:
            for _ in range(dice.randrange(1, 300)):
                written += 1
                valkey.xadd("log", {"number": written})
        server.kill()
        server.start()
        with client(server) as valkey:
            assert [int(entry["number"]) for _, entry in valkey.xrange("log")] == [*range(1, written + 1)]


def test_it_asks_for_the_password_and_listens_on_loopback_only(server: ValkeyServer):
    with redis.Redis(port=server.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with client(server) as valkey:
        assert valkey.config_get("bind") == {"bind": "127.0.0.1"}
        assert valkey.config_get("appendonly") == {"appendonly": "yes"}
    assert stat.S_IMODE((server.folder / "valkey.conf").stat().st_mode) == 0o600


def test_the_next_one_ends_what_a_killed_predecessor_left_running(server: ValkeyServer):
    with client(server) as valkey:
        valkey.set("kept", "1")
    old = server.pid
    heir = ValkeyServer(server.data_dir)
    heir.start()
    try:
        assert old is not None
        assert not alive(old)
        with client(heir) as valkey:
            assert valkey.get("kept") == "1"
    finally:
        heir.stop()


def test_it_ends_with_whoever_started_it(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        until(lambda: not alive(pid))
