"""Keeps children running: starts them again with growing patience, shows what matters of their logs, ends them."""

import asyncio
import contextlib
import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from madang.local.child import LOG_BYTES, Child, ChildError, end_leftover, read_pid
from madang.local.whole_file import write_whole
from madang.local.words import say

HEALTHY_SECONDS = 60.0
FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
EARLY_ENDS = 3
POLL_SECONDS = 0.03
LOOK_SECONDS = 0.5
IMPORTANT = {"error", "critical"}
LONGEST_REASON = 200
COMPLAINT_SECONDS = 60.0


def nothing() -> None:
    """Prepares nothing."""


@dataclass(slots=True)
class Kept:
    """A child that is kept running.

    `prepare` blocks and runs in a thread before every start. `mark` is in the command line of this program and of no
    other; with it a leftover of a killed predecessor is known.
    """

    child: Child
    mark: str = ""
    prepare: Callable[[], None] = nothing
    early_ends: int = 0
    started: float = 0.0
    seen: int = 0

    @property
    def note(self) -> Path:
        """Where the process id is kept, for whoever comes after us."""
        return self.child.log.parent.parent / "run" / f"{self.child.log.stem}.pid"


@dataclass(slots=True)
class Supervisor:
    """Children in the order of their start. `tell` shows a line to the person at the terminal."""

    tasks: asyncio.TaskGroup
    tell: Callable[[str], None]
    stop_seconds: float = 5.0
    kept: list[Kept] = field(default_factory=list[Kept])
    watches: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    complained: float = -math.inf

    async def start(self, kept: Kept) -> None:
        """Start a child and keep it running from now on."""
        log = kept.child.log
        kept.seen = log.stat().st_size if log.exists() else 0
        await self._start_once(kept)
        self.kept.append(kept)
        self.watches.append(self.tasks.create_task(self._watch(kept), name=f"keep {kept.child.name}"))

    async def wait_until(self, kept: Kept, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for a child to be of use.

        Raises ChildError when it ended for the third time or `seconds` have passed.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if kept.early_ends >= EARLY_ENDS:
                raise ChildError(kept.child.complaint("ended while it was starting"))
            if time.monotonic() > deadline:
                raise ChildError(kept.child.complaint(f"was not ready after {seconds:.0f} s"))
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self, *groups: Iterable[Kept]) -> None:
        """End everything, one group after the other, each at once: asked first, then killed."""
        for watch in self.watches:
            watch.cancel()
        for group in groups:
            await asyncio.gather(*(self._end(kept) for kept in group if kept in self.kept))

    async def watch_logs(self) -> None:
        """Show errors from the children's logs as they come, and keep the logs short. Runs until cancelled."""
        while True:
            for kept in self.kept:
                with self.going_on():
                    self._look_into(kept)
            await asyncio.sleep(LOOK_SECONDS)

    def _look_into(self, kept: Kept) -> None:
        for line in _new_lines(kept):
            if shown := _important(line):
                self.tell(f"{kept.child.name}: {shown}")
        with self.going_on():
            _shorten(kept)

    @contextlib.contextmanager
    def going_on(self) -> Generator[None]:
        """Survive a disk that takes nothing, and say so once until something worked again for a minute."""
        try:
            yield
        except OSError as error:
            now = time.monotonic()
            if now - self.complained > COMPLAINT_SECONDS:
                where = error.filename2 or error.filename or "?"
                self.tell(say("not_written", path=where, reason=error.strerror or error))
            self.complained = now

    def try_to_write(self, path: Path, text: str) -> None:
        """Write a file that Madang can do without."""
        with self.going_on():
            write_whole(path, text)

    async def _start_once(self, kept: Kept) -> None:
        await asyncio.to_thread(_clear, kept)
        kept.child.spawn()
        kept.started = time.monotonic()
        self.try_to_write(kept.note, f"{kept.child.pid}\n")

    async def _watch(self, kept: Kept) -> None:
        failures = 0
        while True:
            reason = await ended(kept.child)
            lived = time.monotonic() - kept.started
            failures = 0 if lived > HEALTHY_SECONDS else failures + 1
            kept.early_ends += 1
            delay = delay_after(failures)
            self.tell(say("restart", name=kept.child.name, reason=reason, delay=f"{delay:.0f}", log=kept.child.log))
            await asyncio.sleep(delay)
            await self._start_again(kept)

    async def _start_again(self, kept: Kept) -> None:
        """Start it as soon as that works; what else runs goes on while it does not."""
        while True:
            try:
                await self._start_once(kept)
            except (OSError, ChildError) as error:
                self.tell(say("not_started", name=kept.child.name, reason=error, delay=f"{LONGEST_DELAY:.0f}"))
                await asyncio.sleep(LONGEST_DELAY)
            else:
                return

    async def _end(self, kept: Kept) -> None:
        child = kept.child
        if child.process is None:
            return
        if child.pid is not None:
            child.process.send_signal(child.end_signal)
        try:
            await asyncio.wait_for(ended(child), self.stop_seconds)
        except TimeoutError:
            child.kill()
        kill_group(child)
        kept.note.unlink(missing_ok=True)


def delay_after(failures: int) -> float:
    """Seconds to wait after so many ends in short order: none, 1, 2, 4 … 30."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (failures - 1)) if failures else 0.0


async def ended(child: Child) -> str:
    """Wait for the child's end; returns how it ended, such as "exit code 1" or "SIGKILL"."""
    if child.process is None:
        return "never started"
    if child.process.poll() is None:
        await _wait_for(child.process.pid)
    code = child.process.wait()
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def kill_group(child: Child) -> None:
    """End what the ended child started itself and left behind."""
    if child.process is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)


async def _wait_for(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(handle, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _clear(kept: Kept) -> None:
    kill_group(kept.child)
    kept.note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if kept.mark:
        end_leftover(read_pid(kept.note), kept.mark, (signal.SIGTERM, signal.SIGKILL))
    kept.prepare()


def _new_lines(kept: Kept) -> list[str]:
    log = kept.child.log
    size = log.stat().st_size if log.exists() else 0
    if size <= kept.seen:
        kept.seen = size
        return []
    with log.open("rb") as file:
        file.seek(max(kept.seen, size - 65536))
        text = file.read()
    kept.seen = size
    return text.decode(errors="replace").splitlines()


def _shorten(kept: Kept) -> None:
    """Put a long log aside as `NAME.1`. The child goes on writing to the end of this very file, so it is emptied.

    Where the copy does not fit it is emptied all the same: a full disk has no use for 5 MB of a log.
    """
    log = kept.child.log
    if not log.exists() or log.stat().st_size <= LOG_BYTES:
        return
    try:
        shutil.copyfile(log, log.with_name(log.name + ".1"))
    finally:
        os.truncate(log, 0)
        kept.seen = 0


def _important(line: str) -> str | None:
    if not line.startswith("{"):
        return line if "PANIC" in line else None
    try:
        entry: dict[str, object] = json.loads(line)
    except ValueError:
        return None
    if entry.get("level") not in IMPORTANT:
        return None
    why = entry.get("error") or last_line(str(entry.get("exception", "")))
    what = str(entry.get("event")).partition("\n")[0]
    return f"{entry.get('level')}: {what} {why}".strip()


def last_line(traceback: str) -> str:
    """What went wrong, which a traceback says at its end; no longer than a line of a terminal bears."""
    lines = traceback.splitlines()
    return lines[-1][:LONGEST_REASON] if lines else ""
