"""`madang up`: the whole of Madang on one machine, as children of one small process."""

import asyncio
import errno
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from madang.local.child import Child, ChildError, free_port
from madang.local.postgres import PostgresServer
from madang.local.running import holder, publish
from madang.local.secrets import private_folder, secret
from madang.local.settings import LocalSettings
from madang.local.supervisor import Kept, Supervisor, ended
from madang.local.valkey import ValkeyServer
from madang.local.words import say

APPS = ("api", "worker", "scheduler")
EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104  # compared with only
HEALTHY = 200
PROBE_SECONDS = 3.0
POLL_SECONDS = 0.03


class CannotStart(Exception):  # noqa: N818  # a sentence for the person at the terminal
    """Madang cannot start; the message says why and what to do next."""


@dataclass(slots=True)
class Household:
    """What one `madang up` runs. It ends in this order: apps and models, then the databases."""

    settings: LocalSettings
    supervisor: Supervisor
    port: int
    environment: dict[str, str] = field(default_factory=dict[str, str])
    apps: list[Kept] = field(default_factory=list[Kept])
    databases: list[Kept] = field(default_factory=list[Kept])

    async def open(self) -> None:
        """Start everything and wait until the first answer can be given.

        Raises ChildError when a part does not come up.
        """
        self.environment |= self._given()
        models = [self._model("language_model", "MODELS"), self._model("embeddings", "EMBEDDINGS")]
        if self.settings.local_models:
            for model, _ in models:
                await self._start(self.apps, model)
        await self._open_databases()
        await self._migrate()
        publish(self.settings.data_dir.resolve(), self.environment)
        for name in APPS:
            await self._start(self.apps, self._python(name, f"madang.processes.{name}"))
        if self.settings.local_models:
            for model, port in models:
                await self._answering(model, "127.0.0.1", port, "/health")
        host = "127.0.0.1" if self.settings.host in EVERYWHERE else self.settings.host
        await self._answering(self._kept("api"), host, self.port, "/health/ready")

    async def close(self) -> None:
        """End everything that was started."""
        await self.supervisor.stop(self.apps, self.databases)

    async def _open_databases(self) -> None:
        settings, wanted = self.settings, list[tuple[Kept, Callable[[], bool]]]()
        if settings.database_url is None:
            postgres = PostgresServer(settings.data_dir)
            wanted.append((Kept(postgres.child, prepare=postgres.prepare), postgres.is_ready))
            self.environment |= {"DATABASE_URL": postgres.app_url, "MADANG_OWNER_DATABASE_URL": postgres.url}
        if settings.valkey_url is None:
            valkey = ValkeyServer(settings.data_dir)
            wanted.append((Kept(valkey.child, prepare=valkey.prepare), valkey.is_ready))
            self.environment |= {"VALKEY_URL": valkey.url}
        for kept, _ in wanted:
            await self._start(self.databases, kept)
        for kept, ready in wanted:
            await self.supervisor.wait_until(kept, ready, settings.start_seconds)

    async def _migrate(self) -> None:
        """Bring the database to this version, in a process of its own: what it imports is not kept."""
        child = self._python("migrate", "madang.migrations").child
        child.spawn()
        try:
            how = await asyncio.wait_for(ended(child), self.settings.start_seconds)
        except TimeoutError:
            child.kill()
            how = "too slow"
        if how != "exit code 0":
            raise ChildError(child.complaint(f"could not bring the database to this version ({how})"))

    async def _start(self, group: list[Kept], kept: Kept) -> None:
        group.append(kept)
        await self.supervisor.start(kept)

    async def _answering(self, kept: Kept, host: str, port: int, path: str) -> None:
        answers = asyncio.Event()
        probe = self.supervisor.tasks.create_task(_probe(host, port, path, answers))
        try:
            await self.supervisor.wait_until(kept, answers.is_set, self.settings.start_seconds)
        finally:
            probe.cancel()

    def _kept(self, name: str) -> Kept:
        return next(kept for kept in self.apps if kept.child.name == name)

    def _python(self, name: str, module: str) -> Kept:
        child = Child(
            name=name,
            command=[sys.executable, "-P", "-m", module],
            log=self.settings.data_dir.resolve() / "logs" / f"{name}.log",
            environment=self.environment,
        )
        return Kept(child, mark=module)

    def _model(self, module: str, variable: str) -> tuple[Kept, int]:
        port = free_port()
        self.environment[f"MADANG_LOCAL_{variable}_PORT"] = str(port)
        if self.settings.local_models:
            self.environment[f"MADANG_LOCAL_{variable}_URL"] = f"http://127.0.0.1:{port}/v1"
        return self._python(module.replace("_", "-"), f"madang.local.{module}"), port

    def _given(self) -> dict[str, str]:
        data_dir = self.settings.data_dir.resolve()
        return {
            "MADANG_DATA_DIR": str(data_dir),
            "MADANG_MODELS_DIR": str(self.settings.models_folder),
            "MADANG_HOST": self.settings.host,
            "MADANG_PORT": str(self.port),
            "MADANG_SECRET_KEY": self.settings.secret_key or secret(data_dir, "secret-key"),
            "PYTHONUNBUFFERED": "1",
        }


async def live(settings: LocalSettings) -> int:
    """Run Madang until a signal asks it to end; returns the exit code.

    Raises CannotStart when something that the person can mend is in the way.
    """
    port = settings.port or free_port()
    check_port(settings.host, port)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        household = Household(settings, Supervisor(tasks, tell, settings.stop_seconds), port)
        try:
            return await _live(household, stop, tasks)
        finally:
            tell(say("stopping"))
            await household.close()
            tell(say("stopped"))


async def _live(household: Household, stop: asyncio.Event, tasks: asyncio.TaskGroup) -> int:
    data_dir = household.settings.data_dir.resolve()
    tell(say("starting", folder=data_dir))
    if not (data_dir / "postgres").exists():
        tell(say("first"))
    asked = tasks.create_task(stop.wait())
    opening = tasks.create_task(_settled(household))
    logs = tasks.create_task(household.supervisor.watch_logs())
    try:
        await asyncio.wait((asked, opening), return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            if trouble := opening.result():
                tell(say("gave_up", reason=trouble))
                return 1
            url = address(household.settings.host, household.port)
            note_address(data_dir, url)
            tell(f"Madang is ready at {url}")
            tell(say("stop_hint", folder=data_dir / "logs"))
            await asked
        return 0
    finally:
        for task in (asked, opening, logs):
            task.cancel()


async def _settled(household: Household) -> str | None:
    """None when everything is up, else what is wrong."""
    try:
        await household.open()
    except ChildError as error:
        return str(error)
    return None


async def _probe(host: str, port: int, path: str, answers: asyncio.Event) -> None:
    """Ask until the answer is 200."""
    while True:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                if await _status(host, port, path) == HEALTHY:
                    answers.set()
                    return
        except (OSError, ValueError, EOFError):
            pass
        await asyncio.sleep(POLL_SECONDS)


async def _status(host: str, port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
        return int(line.split()[1]) if line else 0
    finally:
        writer.close()


def address(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    shown = "localhost" if host in EVERYWHERE | {"127.0.0.1"} else host
    return f"http://{shown}:{port}"


def tell(line: str) -> None:
    """Show a line at the terminal at once; nobody may be there any more."""
    try:
        print(line, flush=True)  # noqa: T201  # this is what the terminal is for
    except OSError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # for the rest of this process


def check_port(host: str, port: int) -> None:
    """Raise CannotStart if nothing can listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(say("port_taken", port=port, other=port + 1)) from error
            raise CannotStart(say("port_refused", host=host, port=port, reason=error.strerror)) from error


@contextmanager
def only_one(data_dir: Path) -> Generator[None]:
    """Hold the data folder; raises CannotStart, saying where the other one is, when it is held already."""
    try:
        private_folder(data_dir)
        note = (data_dir / "up.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise CannotStart(say("folder_refused", folder=data_dir, reason=error.strerror)) from error
    with note:
        try:
            fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid, url = holder(data_dir) or ("?", "?")
            raise CannotStart(say("running", folder=data_dir, pid=pid, url=url)) from error
        note_address(data_dir, "…")
        yield


def note_address(data_dir: Path, url: str) -> None:
    """Leave word of who holds the data folder, for the next one who asks."""
    (data_dir / "up.lock").write_text(f"{os.getpid()}\n{url}\n", encoding="utf-8")


def _read_settings() -> LocalSettings:
    try:
        return LocalSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"MADANG_{str(first['loc'][0]).upper()}" if first["loc"] else "MADANG_*"
        raise CannotStart(say("setting", name=name, reason=first["msg"])) from error


def main() -> int:
    """Run in the foreground; returns the exit code."""
    try:
        settings = _read_settings()
        with only_one(settings.data_dir.resolve()):
            return asyncio.run(live(settings))
    except CannotStart as error:
        print(error, file=sys.stderr)  # noqa: T201  # this is what the terminal is for
        return 1


if __name__ == "__main__":
    sys.exit(main())
