"""A whole api on a real socket, with a worker beside it and a stand-in for the models, for tests that speak HTTP."""

import asyncio
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
import uvicorn

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.accounts import settings as account_settings
from madang.features.accounts.service import registration
from madang.features.operations.public import report_alive
from madang.features.providers import settings as provider_settings
from madang.features.providers.settings import ProviderSettings
from madang.kernel.db import Delivery
from madang.kernel.events import Reactions
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.jobs import by_name, spawn
from madang.kernel.mail import JOBS as MAIL_JOBS
from madang.kernel.settings import Settings
from madang.processes.dispatcher import Deliverer
from tests import standin

PASSWORD = "courtyard rain 7"
PATIENCE_SECONDS = 20


@dataclass
class Live:
    """A running api, seen from a test's thread."""

    settings: Settings
    url: str = ""
    ready: threading.Event = field(default_factory=threading.Event)
    loop: asyncio.AbstractEventLoop | None = None
    house: House | None = None
    server: uvicorn.Server | None = None

    def client(self, token: str | None = None) -> httpx.Client:
        """A client that speaks for whoever has the token, or for a visitor."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS)

    def join(self) -> str:
        """Make a new supervisor and return an access token of theirs."""
        assert self.house is not None
        assert self.loop is not None
        email = f"{secrets.token_hex(8)}@example.org"
        made = registration.create_supervisor(self.house, email, "Somebody", PASSWORD)
        asyncio.run_coroutine_threadsafe(made, self.loop).result(PATIENCE_SECONDS)
        with self.client() as visitor:
            signed = visitor.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
        return str(signed.json()["access_token"])


@asynccontextmanager
async def open_working_house(settings: Settings) -> AsyncIterator[House]:
    """A house in which whatever is announced or ordered is done at once, on this loop."""
    modules = installed()
    workers: list[Deliverer] = []

    def deliver(deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            for worker in workers:
                worker.take(delivery)

    async with open_house(settings, modules, "test", deliver) as house:
        jobs = by_name([*MAIL_JOBS, *(job for module in modules for job in module.jobs())])
        reactions = Reactions([reaction for module in modules for reaction in module.reactions()])
        workers.append(Deliverer(house, jobs, reactions))
        yield house


async def _serve(live: Live) -> None:
    async with standin.serve(tokens=3, rate=0) as models, open_working_house(live.settings) as house:
        chosen = ProviderSettings(
            openai_base_url=models.url,
            local_models_url=models.url,
            local_embeddings_url=models.url,
            default_model="openai/bench",
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(provider_settings, "load", lambda: chosen)
            cheap = account_settings.load().model_copy(update={"password_hash_memory_kib": 256})
            patch.setattr(account_settings, "load", lambda: cheap)
            config = uvicorn.Config(build_app(house, installed()), lifespan="off", log_config=None)
            live.server = uvicorn.Server(config)
            listening = socket.create_server(("127.0.0.1", 0))
            live.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            live.loop, live.house = asyncio.get_running_loop(), house
            live.ready.set()
            beat = spawn(_beat(house), "beat")
            await live.server.serve([listening])
            beat.cancel()
            await _let_go()


async def _let_go() -> None:
    """End what is still being delivered, as a worker does: nothing may hold a connection when the house closes."""
    others = {task for task in asyncio.all_tasks() if task.get_name().startswith(("job:", "event:"))}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others)


async def _beat(house: House) -> None:
    while True:
        await report_alive(house, "test")
        await asyncio.sleep(1)


@pytest.fixture(scope="module")
def live(house_settings: Settings) -> Iterator[Live]:
    """The api, for the tests of one module: while it stands, the whole process uses its models and cheap hashes."""
    running = Live(house_settings)
    thread = threading.Thread(target=lambda: asyncio.run(_serve(running)))
    thread.start()
    assert running.ready.wait(PATIENCE_SECONDS)
    try:
        yield running
    finally:
        assert running.server is not None
        running.server.should_exit = True
        thread.join(PATIENCE_SECONDS)


@pytest.fixture(autouse=True)
def no_budget_for_all(house_settings: Settings) -> Iterator[None]:
    """Whoever tries the api as a supervisor may set a limit of nothing for everybody; it goes with the test."""
    owner = house_settings.owner_database_url
    assert owner is not None
    with psycopg.connect(owner.get_secret_value(), autocommit=True) as connection:
        statement = "DELETE FROM partner.budgets WHERE subject_kind = 'platform'"
        connection.execute(statement)
        yield
        connection.execute(statement)


@pytest.fixture
def supervisor(live: Live) -> str:
    """The token of a supervisor who has nothing yet."""
    return live.join()


@pytest.fixture
def belongings(live: Live, supervisor: str) -> dict[str, str]:
    """Ids of things that the supervisor has, by the names that paths give them."""
    with live.client(supervisor) as person:
        session = person.post("/api/v1/chat/sessions/", json={"title": "마당"}).json()["id"]
        asked = person.post(f"/api/v1/chat/sessions/{session}/messages", json={"text": "안녕?"}).json()
        file = ("마당.txt", Path(__file__).read_bytes(), "text/plain")
        document = person.post("/api/v1/documents/", files={"file": file}).json()["id"]
        invite = person.post("/api/v1/auth/invites", json={}).json()["id"]
        account = person.get("/api/v1/auth/me").json()["id"]
        scope = person.post("/api/v1/organisations/", json={"name": "마당"}).json()["id"]
        member = person.get(f"/api/v1/scopes/{scope}/members").json()["items"][0]["id"]
        limit = {"subject_kind": "scope", "subject_id": scope, "unit": "tokens", "limit": 10**12, "window": "month"}
        budget = person.post("/api/v1/budgets/", json=limit).json()["id"]
        code = person.post(f"/api/v1/scopes/{scope}/invites", json={"role": "student"}).json()["code"]
    return {
        "session_id": session,
        "message_id": asked["message_id"],
        "run_id": asked["run_id"],
        "document_id": document,
        "budget_id": budget,
        "invite_id": invite,
        "user_id": account,
        "scope_id": scope,
        "member_id": member,
        "code": code,
        "number": "1",
    }
