"""The parts of one Madang on this machine: databases, models and apps, in the order in which they can start."""

import asyncio
import importlib.metadata
import importlib.util
import json
import os
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from madang import keyring
from madang.kernel.clock import now
from madang.local.child import Child, ChildError, free_port
from madang.local.database_check import look_at_database
from madang.local.postgres import PostgresServer
from madang.local.running import publish
from madang.local.secrets import secret
from madang.local.settings import LocalSettings
from madang.local.supervisor import Kept, Supervisor, ended
from madang.local.valkey import ValkeyServer

FRONT = ("api", "worker")
BACK = ("scheduler",)
EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104  # compared with only
HEALTHY = 200
PROBE_SECONDS = 3.0
POLL_SECONDS = 0.1

FRUGAL = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MALLOC_TRIM_THRESHOLD_": "262144",
}
"""One heap a process, for their threads wait for the interpreter anyway; and what is large, such as the 19 MB of a
password's hash, goes back to the system when it is done with."""


@dataclass(slots=True)
class Household:
    """What one `madang up` runs. It ends in this order: apps and models, then the databases."""

    settings: LocalSettings
    supervisor: Supervisor
    port: int
    environment: dict[str, str] = field(default_factory=dict[str, str])
    apps: list[Kept] = field(default_factory=list[Kept])
    databases: list[Kept] = field(default_factory=list[Kept])
    was_clean: bool = False
    was_early: bool = False

    @property
    def cluster(self) -> Path:
        """The files of our own PostgreSQL."""
        return self.settings.data_dir.resolve() / "postgres"

    async def open(self) -> None:
        """Start everything and wait until the first answer can be given.

        Raises ChildError when a part does not come up.
        """
        self.environment |= self._given()
        models = [self._model("language_model", "MODELS"), self._model("embeddings", "EMBEDDINGS")]
        if self.settings.local_models:
            for model, _ in models:
                await self._start(self.apps, model)
        databases = await self._start_databases()
        self.was_early = self._was_left_well()
        if self.was_early:
            await self._start_apps(*FRONT)
        for kept, ready in databases:
            await self.supervisor.wait_until(kept, ready, self.settings.start_seconds)
        if not self.was_early:
            await self._migrate()
            await self._look_at(self.settings.database_url)
            await self._start_apps(*FRONT)
        if self.settings.local_models:
            for model, port in models:
                await self._answering(model, "127.0.0.1", port, "/health")
        host = "127.0.0.1" if self.settings.host in EVERYWHERE else self.settings.host
        await self._answering(self._kept("api"), host, self.port, "/health/ready")
        with self.supervisor.going_on():
            publish(self.settings.data_dir.resolve(), self.environment)

    async def open_the_rest(self) -> None:
        """Start what the first answer does not wait for.

        Raises ChildError when the database is not of this version.
        """
        await self._start_apps(*BACK)
        if self.was_early:
            await self._look_again()

    async def setup_token(self) -> str | None:
        """What the first to register must know; None when there is an account, or nobody can tell."""
        host = "127.0.0.1" if self.settings.host in EVERYWHERE else self.settings.host
        try:
            is_first = await asyncio.to_thread(_is_first_run, host, self.port)
        except (OSError, ValueError):
            return None
        token = os.environ.get("MADANG_SETUP_TOKEN") or keyring.setup_token(self.environment["MADANG_SECRET_KEY"])
        return token if is_first else None

    async def close(self) -> None:
        """End everything that was started."""
        await self.supervisor.stop(self.apps, self.databases)

    async def _start_databases(self) -> list[tuple[Kept, Callable[[], bool]]]:
        settings, started = self.settings, list[tuple[Kept, Callable[[], bool]]]()
        if settings.database_url is None:
            postgres = PostgresServer(settings.data_dir)
            started.append((Kept(postgres.child, prepare=postgres.prepare), postgres.is_ready))
            self.environment |= {"DATABASE_URL": postgres.app_url, "MADANG_OWNER_DATABASE_URL": postgres.url}
        if settings.valkey_url is None:
            valkey = ValkeyServer(settings.data_dir)
            started.append((Kept(valkey.child, prepare=valkey.prepare), valkey.is_ready))
            self.environment |= {"VALKEY_URL": valkey.url}
        self.was_clean = not (self.cluster / "postmaster.pid").exists()
        for kept, _ in started:
            await self._start(self.databases, kept)
        return started

    async def _start_apps(self, *names: str) -> None:
        for name in names:
            await self._start(self.apps, self._python(name, f"madang.processes.{name}"))

    def _was_left_well(self) -> bool:
        """Whether the apps may load while our own database starts: it was migrated and will not have to recover."""
        mark = self.cluster / "madang.revision"
        is_ours = self.settings.database_url is None
        return is_ours and self.was_clean and mark.exists() and mark.read_text() == newest_revisions()

    async def _look_again(self) -> None:
        """Make sure of the revision that was taken on trust; the database may be down for a moment."""
        for patience in (1.0, 2.0, 4.0, 8.0):
            try:
                await self._migrate()
            except ChildError:
                await asyncio.sleep(patience)
            else:
                return
        await self._migrate()

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
        if self.settings.database_url is None:
            self.supervisor.try_to_write(self.cluster / "madang.revision", newest_revisions())

    async def _look_at(self, url: str | None) -> None:
        """Warn of what is not right with the operator's database; raises ChildError where Madang cannot work on it."""
        if url is None:
            return
        is_production = os.environ.get("MADANG_ENVIRONMENT") == "production"
        revisions = newest_revisions().split()
        troubles = await asyncio.to_thread(look_at_database, url, revisions, is_production=is_production)
        for trouble in troubles:
            if trouble.is_fatal:
                raise ChildError(trouble.text)
            self.supervisor.tell(trouble.text)

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
            environment={**FRUGAL, **self.environment},
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
            "PYTHONUNBUFFERED": "1",
            **self._secrets(data_dir),
        }

    def _secrets(self, data_dir: Path) -> dict[str, str]:
        """The secret that the operator gave, or the folder's own with those it had before."""
        if self.settings.secret_key:
            return {"MADANG_SECRET_KEY": self.settings.secret_key}
        own = secret(data_dir, keyring.CURRENT)
        keyring.retire(data_dir, now())
        ring = keyring.read(data_dir) or keyring.Ring(own)
        return {"MADANG_SECRET_KEY": ring.current, "MADANG_OLD_SECRET_KEYS": json.dumps(ring.secrets[1:])}


def newest_revisions() -> str:
    """What this version's database is at, read off the files: importing them would take longer."""
    outside = sorted(entry.value for entry in importlib.metadata.entry_points(group="madang.migrations"))
    specs = [importlib.util.find_spec(name) for name in outside]
    theirs = [Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ()]
    folders = (Path(__file__).parents[1] / "migrations" / "versions", *theirs)
    return " ".join(max(path.stem for path in folder.glob("*[0-9]*.py")) for folder in folders)


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


def _is_first_run(host: str, port: int) -> bool:
    at = f"[{host}]" if ":" in host else host
    url = f"http://{at}:{port}/api/v1/auth/setup"
    with urllib.request.urlopen(url, timeout=PROBE_SECONDS) as answer:  # our own address
        return bool(json.load(answer)["first_run"])


async def _status(host: str, port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
        return int(line.split()[1]) if line else 0
    finally:
        writer.close()
