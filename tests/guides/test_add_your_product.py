"""The product of the guide joins from outside by its entry points, and does what the guide says."""

import secrets
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from madang import catalog
from madang.adapters.opening import open_house
from madang.features.agents.public import Turn, list_agents, run_agent
from madang.features.providers.public import Message
from madang.kernel.auth import AUTHENTICATOR
from madang.kernel.db import Delivery
from madang.kernel.events import Reactions
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.ids import new_id
from madang.kernel.settings import Settings
from madang.migrations import folders, upgrade

PACKAGE = Path(__file__).parents[2] / "docs/guides/glossary"


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package as an installer leaves it: importable, with metadata that names its entry points."""
    site = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    info = site / "madang_glossary-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    sys.path[:0] = [str(site), str(PACKAGE)]
    catalog.installed.cache_clear()
    yield
    sys.path[:2] = []
    catalog.installed.cache_clear()


@pytest.fixture
def announced() -> list[Delivery]:
    """What committed transactions told."""
    return []


@pytest.fixture
async def house(joined: None, house_settings: Settings, announced: list[Delivery]) -> AsyncIterator[House]:
    """A house that the product has joined, with its table."""
    upgrade(house_settings.owner_url)
    async with open_house(house_settings, catalog.installed(), "test", deliver=announced.extend) as opened:
        yield opened


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(house, catalog.installed()), client=(secrets.token_hex(4), 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test/api/v1") as client:
        yield client


async def join(api: httpx.AsyncClient, house: House) -> dict[str, str]:
    """Make somebody through the operator's door and sign them in; returns the header to send."""
    from madang.features.accounts.service import registration

    email, password = f"{secrets.token_hex(6)}@example.org", "courtyard rain 7"
    await registration.create_supervisor(house, email, "", password)
    signed = (await api.post("/auth/login", json={"email": email, "password": password})).json()
    return {"Authorization": f"Bearer {signed['access_token']}"}


@dataclass
class Heard:
    """An emitter that remembers."""

    text: str = ""
    steps: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.steps.append(name)

    def delta(self, text: str) -> None:
        self.text += text


def test_it_joins_by_its_entry_points(joined: None) -> None:
    assert [module.name for module in catalog.installed()][-1] == "glossary"
    assert PACKAGE / "madang_glossary/migrations" in folders()


async def test_words_are_kept_and_found_by_their_owner_alone(api: httpx.AsyncClient, house: House) -> None:
    mine, other = await join(api, house), await join(api, house)
    kept = await api.put("/glossary/대청", json={"meaning": "the open hall"}, headers=mine)
    assert (kept.status_code, kept.json()["word"]) == (200, "대청")
    again = await api.put("/glossary/대청", json={"meaning": "the wooden hall"}, headers=mine)
    assert again.json()["id"] == kept.json()["id"]
    query = {"text": "대청에서 쉬었다"}
    found = (await api.get("/glossary/", params=query, headers=mine)).json()
    assert [(term["word"], term["meaning"]) for term in found] == [("대청", "the wooden hall")]
    assert (await api.get("/glossary/", params=query, headers=other)).json() == []
    assert (await api.get("/glossary/", params=query)).status_code == 401


async def test_everybody_begins_with_one_word_and_only_one(
    api: httpx.AsyncClient, house: House, announced: list[Delivery]
) -> None:
    headers = await join(api, house)
    reactions = Reactions([reaction for module in catalog.installed() for reaction in module.reactions()])
    (registered,) = [delivery for delivery in announced if delivery.name == "accounts.registered"]
    for _ in range(2):
        await reactions.tell(house, registered)
    found = (await api.get("/glossary/", params={"text": "a Madang"}, headers=headers)).json()
    assert [term["word"] for term in found] == ["madang"]


async def test_the_agent_explains_the_words_of_the_question(api: httpx.AsyncClient, house: House) -> None:
    headers = await join(api, house)
    await api.put("/glossary/maru", json={"meaning": "a wooden floor"}, headers=headers)
    who = await house.offers.one(AUTHENTICATOR)(house, headers["Authorization"].removeprefix("Bearer "))
    assert "glossary" in [spec.name for spec in list_agents(house)]
    heard = Heard()
    turn = Turn(new_id(), who, [Message("user", "What is a maru?")], agent="glossary")
    outcome = await run_agent(house, turn, heard)  # type: ignore[arg-type]  # it tells no more than this
    assert heard.steps == ["explain"]
    assert outcome.text == heard.text == "**maru**: a wooden floor\n\n"
