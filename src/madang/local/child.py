"""One process of ours: started so that it cannot outlive us, found again if it did, and ended in good time."""

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_BYTES = 5_000_000
LOWEST_PORT = 12_000
FIRST_FOR_CONNECTIONS = 32_768
"""Where the system does not say: Linux's, and less than any other's."""
PORTS_TRIED = 50


class ChildError(Exception):
    """A child could not be started; the message says why and what to do next."""


@dataclass(slots=True)
class Child:
    """A program that runs beside us.

    `command[0]` is an absolute path. `end_signal` asks the program to end well; it also gets it when we die.
    `owned` is a folder that the program insists on owning without being root. Output goes to the end of `log`.
    """

    name: str
    command: Sequence[str]
    log: Path
    end_signal: signal.Signals = signal.SIGTERM
    owned: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None
    log_start: int = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def spawn(self) -> None:
        """Start the program without waiting for it to be of use."""
        keep_short(self.log)
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # our own programs, no shell
                launch_command(self.command, self.end_signal, self.owned),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Block until `ready()`; raises ChildError when the program ends or `timeout` seconds pass before."""
        deadline = time.monotonic() + timeout
        while not ready():
            if self.pid is None:
                raise ChildError(self.complaint("ended while it was starting"))
            if time.monotonic() > deadline:
                self.kill()
                raise ChildError(self.complaint(f"was not ready after {timeout:.0f} s"))
            time.sleep(0.01)

    def stop(self, timeout: float = 8.0) -> None:
        """Ask it to end, and after `timeout` seconds end it."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.end_signal)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def complaint(self, what: str) -> str:
        """An error text about this child with the last lines that it wrote to its log since it was started."""
        tail = "\n".join(last_lines(self.log, 5, self.log_start))
        return f"{self.name} {what}. Its log is {self.log}; the last lines are:\n{tail}"


def launch_command(command: Sequence[str], end_signal: signal.Signals, owned: Path | None = None) -> list[str]:
    """The command line that runs `command` tied to the life of the calling process (see launch.py)."""
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(end_signal))]
    return [*launcher, str(owned) if owned else "-", *command]


def keep_short(log: Path) -> None:
    """Put a log of more than 5 MB aside as `NAME.1`, in place of the one before."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def last_lines(log: Path, count: int, since: int = 0) -> list[str]:
    """The last lines of a log after its first `since` bytes, none if there is no log; of a log cut since, any."""
    if not log.exists():
        return []
    size = log.stat().st_size
    with log.open("rb") as file:
        file.seek(max(since if since <= size else 0, size - 8192))
        return file.read().decode(errors="replace").splitlines()[-count:]


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now, and that the system gives to nobody who has not asked for it.

    So a server that had it finds it free when it starts again, however many connections were opened meanwhile.
    """
    ours = range(LOWEST_PORT, _first_for_connections())
    for _ in range(PORTS_TRIED if ours else 0):
        if _is_free(port := secrets.choice(ours)):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_for_connections() -> int:
    """The first port that the system takes for outgoing connections."""
    setting = Path("/proc/sys/net/ipv4/ip_local_port_range")
    try:
        return int(setting.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return FIRST_FOR_CONNECTIONS


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def end_leftover(pid: int | None, mark: str, signals: Sequence[signal.Signals], patience: float = 5.0) -> None:
    """End the process `pid` if `mark` is in its command line, by one signal after the other.

    For what a killed predecessor left behind. Each signal has `patience` seconds to work.
    """
    for number in signals:
        if pid is None or not runs(pid, mark):
            return
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while runs(pid, mark) and time.monotonic() < deadline:
            time.sleep(0.02)


def runs(pid: int, mark: str) -> bool:
    """Whether a process of this number lives with `mark` in its command line."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return mark.encode() in command


def read_pid(path: Path) -> int | None:
    """The number on the first line of a pid file, or None."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def wheel_folder(package: str) -> Path:
    """Where a package of the `local` extra is installed; it is not imported, which would take 0.2 s.

    Raises ChildError when it is missing.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        msg = f"The package {package} is not installed. Install the local parts: pip install 'madang[local]'."
        raise ChildError(msg)
    return Path(found.submodule_search_locations[0])
