"""Children come back when they die, ever more slowly, and all of them end with their keeper."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from madang.local import supervisor as keeping
from madang.local.child import LOG_BYTES, Child, ChildError, keep_short
from madang.local.secrets import secret
from madang.local.supervisor import Kept, Supervisor
from tests.local.deadline import alive, until

STAYS = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
time.sleep(600)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


def kept(folder: Path, code: str, name: str = "part") -> Kept:
    child = Child(name, [sys.executable, "-c", code], folder / "logs" / f"{name}.log")
    return Kept(child, mark=code[:20])


async def eventually(condition, seconds: float = 15.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for is outside of this process
            await asyncio.sleep(0.01)


def test_a_killed_child_starts_again_with_growing_delays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    monkeypatch.setattr(keeping, "FIRST_DELAY", 0.01)

    async def scene():
        part = kept(tmp_path, STAYS)
        async with asyncio.TaskGroup() as tasks:
            keeper = Supervisor(tasks, told.append)
            await keeper.start(part)
            for _ in range(3):
                pid = part.child.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await eventually(lambda: part.child.pid not in {None, pid})  # noqa: B023  # this turn's
            await keeper.stop([part])
        assert part.child.pid is None

    asyncio.run(scene())
    assert len(told) == 3
    assert all("SIGKILL" in line and "part.log" in line for line in told)
    assert [keeping.delay_after(failures) for failures in (1, 2, 3, 4, 30)] == [0.01, 0.02, 0.04, 0.08, 30.0]


def test_what_a_child_started_itself_ends_with_it(tmp_path: Path):
    async def scene() -> list[int]:
        part = kept(tmp_path, STAYS)
        async with asyncio.TaskGroup() as tasks:
            keeper = Supervisor(tasks, print)
            await keeper.start(part)
            pid = part.child.pid
            await eventually(lambda: below(pid))
            family = [pid, *below(pid)]
            await keeper.stop([part])
        return family

    family = asyncio.run(scene())
    assert len(family) == 2
    until(lambda: not any(alive(pid) for pid in family))


def below(pid: int | None) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_child_that_does_not_listen_is_killed_in_time(tmp_path: Path):
    async def scene():
        part = kept(tmp_path, STUBBORN)
        async with asyncio.TaskGroup() as tasks:
            keeper = Supervisor(tasks, print, stop_seconds=0.2)
            await keeper.start(part)
            await eventually(lambda: "deaf" in part.child.log.read_text())
            async with asyncio.timeout(30):
                await keeper.stop([part])
        assert part.child.process is not None
        assert part.child.process.returncode == -signal.SIGKILL

    asyncio.run(scene())


def test_a_part_that_cannot_start_is_given_up_with_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeping, "FIRST_DELAY", 0.01)

    async def scene():
        part = kept(tmp_path, "raise SystemExit('no key in the lock')")
        async with asyncio.TaskGroup() as tasks:
            keeper = Supervisor(tasks, [].append)
            await keeper.start(part)
            with pytest.raises(ChildError, match="no key in the lock"):
                await keeper.wait_until(part, lambda: False, 20)
            await keeper.stop([part])

    asyncio.run(scene())


def test_the_next_keeper_ends_what_a_killed_one_left(tmp_path: Path):
    part = kept(tmp_path, STAYS)
    with subprocess.Popen([*part.child.command], stdin=subprocess.DEVNULL) as leftover:
        part.note.parent.mkdir(parents=True)
        part.note.write_text(f"{leftover.pid}\n")

        async def scene():
            async with asyncio.TaskGroup() as tasks:
                keeper = Supervisor(tasks, print)
                await keeper.start(part)
                assert leftover.wait(30) == -signal.SIGTERM
                await keeper.stop([part])

        asyncio.run(scene())


def test_errors_in_a_log_reach_the_terminal_and_long_logs_are_cut(tmp_path: Path):
    told: list[str] = []
    part = kept(tmp_path, STAYS)
    log = part.child.log
    log.parent.mkdir(parents=True)
    quiet = json.dumps({"level": "info", "event": "all is well"})
    loud = json.dumps({"level": "error", "event": "disk_full", "error": "no space"})
    trace = "Traceback (most recent call last):\n  File …\nKeyError: " + "x" * 9000
    broken = json.dumps({"level": "error", "event": "task_failed", "exception": trace})

    async def scene():
        async with asyncio.TaskGroup() as tasks:
            keeper = Supervisor(tasks, told.append)
            keeper.kept.append(part)
            watch = tasks.create_task(keeper.watch_logs())
            log.write_text(f"{quiet}\n{loud}\n{broken}\n")
            await eventually(lambda: len(told) == 2)
            with log.open("a") as file:
                file.write("x" * LOG_BYTES + "\n")
            await eventually(lambda: log.stat().st_size == 0)
            watch.cancel()

    asyncio.run(scene())
    assert told[0] == "part: error: disk_full no space"
    assert told[1].startswith("part: error: task_failed KeyError: xxx")
    assert len(told[1]) < 300
    assert log.with_name("part.log.1").stat().st_size > LOG_BYTES
    keep_short(log)


def test_a_log_that_cannot_be_put_aside_is_emptied_and_nothing_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`/dev/full` takes nothing, as a full disk does."""
    monkeypatch.setenv("MADANG_LANG", "en")
    told: list[str] = []
    part = kept(tmp_path, STAYS)
    log = part.child.log
    log.parent.mkdir(parents=True)
    log.with_name("part.log.1").symlink_to("/dev/full")

    async def scene():
        async with asyncio.TaskGroup() as tasks:
            keeper = Supervisor(tasks, told.append)
            keeper.kept.append(part)
            watch = tasks.create_task(keeper.watch_logs())
            for _ in range(2):
                log.write_text("x" * (LOG_BYTES + 1))
                await eventually(lambda: log.stat().st_size == 0)
            assert not watch.done()
            watch.cancel()

    asyncio.run(scene())
    assert len(told) == 1
    assert "cannot be written (No space left on device). Madang goes on" in told[0]


def test_a_child_that_cannot_be_prepared_again_is_tried_until_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeping, "LONGEST_DELAY", 0.01)
    told: list[str] = []
    failures = [OSError(28, "No space left on device"), ChildError("no room for its files")]
    part = kept(tmp_path, STAYS)

    async def scene():
        async with asyncio.TaskGroup() as tasks:
            keeper = Supervisor(tasks, told.append)
            await keeper.start(part)

            def prepare():
                if failures:
                    raise failures.pop(0)

            part.prepare = prepare
            pid = part.child.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: part.child.pid not in {None, pid})
            await keeper.stop([part])

    asyncio.run(scene())
    assert not failures
    assert ["No space" in line for line in told] == [False, True, False]


WRITES = """
import pathlib, resource, sys
from madang.local.running import publish
from madang.local.valkey import ValkeyServer
folder = pathlib.Path(sys.argv[1])
first, second = ValkeyServer(folder, 20001), ValkeyServer(folder, 20002)
first.prepare()
publish(folder, {"NAME": "first"})
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
first.prepare()
for write in (second.prepare, lambda: publish(folder, {"NAME": "second"})):
    try:
        write()
    except OSError:
        print("refused")
"""


def test_where_nothing_can_be_written_files_stay_as_they_were(tmp_path: Path):
    """A bound of no bytes a file fails where a full disk does."""
    done = subprocess.run([sys.executable, "-c", WRITES, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", "refused"]
    assert "port 20001" in (tmp_path / "valkey" / "valkey.conf").read_text()
    assert json.loads((tmp_path / "run" / "environment.json").read_text()) == {"NAME": "first"}
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_secrets_are_made_once_and_differ(tmp_path: Path):
    first, second = secret(tmp_path, "a"), secret(tmp_path, "b")
    assert first != second
    assert secret(tmp_path, "a") == first
    assert len(first) == 43
    assert stat.S_IMODE((tmp_path / "secrets" / "a").stat().st_mode) == 0o600
