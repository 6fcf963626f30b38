"""A whole Madang of real processes, any of which a test can kill."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from madang.features.agents.public import prepare_checkpoints
from madang.local.child import free_port
from madang.local.postgres import PostgresServer
from madang.local.valkey import ValkeyServer
from madang.migrations import upgrade

STANDIN = Path(__file__).parent / "standin.py"
SETUP_TOKEN = "the set-up token of a live Madang"
EMAIL, PASSWORD = "asker@example.com", "a long enough password"


async def eventually(condition: Callable[[], Awaitable[object]], within: float = 30.0) -> None:
    """Return once the condition holds; what it raises on the way counts as not yet."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        with suppress(aiohttp.ClientError, OSError, AssertionError, TimeoutError):
            if await condition():
                return
        assert asyncio.get_running_loop().time() < deadline, f"not so within {within} s: {condition}"
        await asyncio.sleep(0.02)


@dataclass
class Live:
    """PostgreSQL, Valkey, a stand-in model, an api, workers and a scheduler, each a process of its own."""

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)
    per_process: dict[str, dict[str, str]] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.postgres = PostgresServer(self.data_dir, durable=False)
        self.valkey = ValkeyServer(self.data_dir)
        self.port, self.model_port = free_port(), free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v1"

    def environment(self, name: str) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.postgres.app_url,
            "VALKEY_URL": self.valkey.url,
            "MADANG_SECRET_KEY": "a secret for tests that is long enough",
            "MADANG_DATA_DIR": str(self.data_dir),
            "MADANG_PORT": str(self.port),
            "MADANG_ENVIRONMENT": "test",
            "MADANG_REGISTRATION": "open",
            "MADANG_SETUP_TOKEN": SETUP_TOKEN,
            "MADANG_LOG_LEVEL": "WARNING",
            "OPENAI_API_KEY": "key",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self.model_port}/v1",
            "MADANG_DEFAULT_MODEL": "openai/bench",
            **self.settings,
            **self.per_process.get(name, {}),
        }

    def open(self, *names: str) -> None:
        self.postgres.start()
        self.valkey.start()
        with ThreadPoolExecutor() as aside:
            aside.submit(asyncio.run, prepare_checkpoints(self.postgres.url)).result()
        upgrade(self.postgres.url)
        for name in ("model", *names):
            self.start(name)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.valkey.stop()
        self.postgres.stop()

    def start(self, name: str) -> None:
        """Start a process, such as `api`, `worker-1` or `model`, without waiting for it."""
        kind = name.partition("-")[0]
        command = [sys.executable, "-P", "-m", f"madang.processes.{kind}"]
        if kind == "model":
            command = [sys.executable, str(STANDIN), str(self.model_port)]
        log = (self.data_dir / f"{name}.log").open("ab")
        with log:
            self.processes[name] = subprocess.Popen(command, env=self.environment(name), stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """`kill -9`, and wait until it is gone."""
        if name in {"postgres", "valkey"}:
            server = self.postgres if name == "postgres" else self.valkey
            server.child.kill()
            return
        self.processes[name].kill()
        self.processes[name].wait()

    def restart(self, name: str) -> None:
        """Start again what was killed; blocks for the databases only."""
        if name == "postgres":
            self.postgres.start()
        elif name == "valkey":
            self.valkey.start()
        else:
            self.start(name)

    async def ready(self) -> None:
        """Wait until the first answer can be given."""

        async def answers() -> bool:
            async with aiohttp.ClientSession() as http, http.get(f"{self.url}/health/ready") as response:
                return response.status == 200

        await eventually(answers, within=180)

    def logs(self) -> str:
        """The end of every process's log, for a failing test."""
        logs = sorted(self.data_dir.glob("*.log"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in logs)


@contextmanager
def open_live(
    data_dir: Path,
    *names: str,
    settings: dict[str, str] | None = None,
    per_process: dict[str, dict[str, str]] | None = None,
) -> Iterator[Live]:
    """A running Madang with these processes beside the databases and the model."""
    live = Live(data_dir, settings or {}, per_process or {})
    try:
        live.open(*names)
        yield live
    finally:
        live.close()


async def sign_in(live: Live, http: aiohttp.ClientSession, email: str = EMAIL) -> dict[str, str]:
    """Register and log in; the headers of this account's requests."""
    who = {"email": email, "password": PASSWORD}
    body = {**who, "name": "Asker", "setup_token": SETUP_TOKEN}
    async with http.post(f"{live.api_url}/auth/register", json=body) as response:
        assert response.status in {201, 409}, await response.text()
    async with http.post(f"{live.api_url}/auth/login", json=who) as response:
        assert response.status == 200, await response.text()
        return {"Authorization": f"Bearer {(await response.json())['access_token']}"}
