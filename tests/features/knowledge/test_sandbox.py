"""Who takes a reader over finds nothing to open, nobody to call and nothing to start."""

import ctypes
import json
import os
import platform
import socket
import subprocess
import sys

import pytest

from madang.features.knowledge.service.sandbox import AUDIT_ARCH

HAS_LANDLOCK = sys.platform == "linux" and ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1
HAS_SECCOMP = sys.platform == "linux" and platform.machine() in AUDIT_ARCH

landlock = pytest.mark.skipif(not HAS_LANDLOCK, reason="this kernel has no Landlock")
seccomp = pytest.mark.skipif(not HAS_SECCOMP, reason="no seccomp filter for this machine")

WALLED = """
import ctypes, json, os, signal, socket, subprocess, sys, threading
from pathlib import Path
from madang.features.knowledge.service import reader, sandbox
sandbox.limit_resources(2048, 10)
walls = sandbox.wall_in(reader.readable())
def attempt():
{attempt}
try:
    found = attempt()
except OSError as error:
    found = type(error).__name__
sys.stdout.write(json.dumps([walls, found]))
"""


def inside(attempt, *arguments):
    """What comes of some lines of Python behind the walls: the walls, and the value or the error's name."""
    code = WALLED.replace("{attempt}", "".join(f"    {line}\n" for line in attempt.splitlines()))
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@landlock
@pytest.mark.parametrize("path", ["secrets", "/etc/passwd", "/proc/1/environ"])
def test_a_reader_opens_neither_secrets_nor_files_of_the_host(tmp_path, path):
    (tmp_path / "secrets").write_text("key")
    walls, found = inside("return open(sys.argv[1]).read()", str(tmp_path / path))
    assert "landlock" in walls
    assert found == "PermissionError"


@landlock
def test_a_reader_lists_no_folder_and_writes_nothing(tmp_path):
    assert inside("return os.listdir(sys.argv[1])", str(tmp_path))[1] == "PermissionError"
    assert inside("return open(sys.argv[1], 'w').close()", str(tmp_path / "new"))[1] == "PermissionError"
    assert list(tmp_path.iterdir()) == []


@seccomp
def test_a_reader_connects_to_nobody():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        attempt = "return str(socket.create_connection(('127.0.0.1', int(sys.argv[1]))))"
        assert inside(attempt, port)[1] == "PermissionError"
    assert inside("return str(socket.socket(socket.AF_UNIX))")[1] == "PermissionError"


@seccomp
@pytest.mark.parametrize(
    "attempt",
    [
        "return os.fork() and 0",
        "return subprocess.run(['/bin/true']).returncode",
        "return os.execv('/bin/true', ['true'])",
        "return os.kill(os.getppid(), 0)",
        "return os.unlink(sys.argv[1])",
    ],
)
def test_a_reader_starts_ends_and_deletes_nothing(tmp_path, attempt):
    kept = tmp_path / "kept"
    kept.write_text("here")
    walls, found = inside(attempt, str(kept))
    assert "seccomp" in walls
    assert found == "PermissionError"
    assert kept.exists()


@seccomp
def test_a_reader_cannot_loosen_its_limits():
    lines = ("import resource", "try:", "    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))", "except ValueError:")
    assert inside("\n".join((*lines, "    return 'refused'")))[1] in {"refused", "PermissionError"}


@seccomp
def test_threads_of_its_own_still_run():
    attempt = (
        "found = []\none = threading.Thread(target=found.append, args=(1,))\none.start()\none.join()\nreturn found"
    )
    assert inside(attempt)[1] == [1]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another user")
def test_root_becomes_nobody_where_there_is_no_landlock():
    attempt = "return os.getresuid()"
    code = WALLED.replace("{attempt}", f"    {attempt}\n").replace(
        "walls =", "sandbox._landlock = lambda *_: False\nreadable = reader.readable()\nwalls ="
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    walls, found = json.loads(done.stdout)
    assert "user" in walls
    assert found == [65534] * 3
