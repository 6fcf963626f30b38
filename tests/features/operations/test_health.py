"""What health and metrics say, on a real house and on one whose parts are away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.operations.public import hand_in, report_alive, report_gone
from madang.kernel.house import House
from madang.kernel.http import SHARED_CLIENT, build_app
from madang.kernel.settings import Settings
from madang.kernel.telemetry import READERS, shared
from tests.features.providers.conftest import configure, upstream

__all__ = ["configure", "upstream"]


@asynccontextmanager
async def client_of(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(house, installed()))
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """What other tests of this process counted is gone."""
    shared.take()


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """An api in this process; what other tests found of workers and models is gone."""
    await house.valkey.delete(
        *(f"{house.settings.key_prefix}:{name}" for name in ("counts", "workers", "models", "models:look"))
    )
    async with client_of(house) as client:
        yield client


async def numbers(api: httpx.AsyncClient) -> dict[str, float]:
    """Every sample, by its name and labels."""
    response = await api.get("/metrics")
    assert response.status_code == 200
    families = text_string_to_metric_families(response.text)
    return {
        one.name + "".join(f"|{label}" for label in one.labels.values()): one.value
        for family in families
        for one in family.samples
    }


async def test_a_house_with_all_its_parts_is_healthy_and_ready(house, api, upstream, configure):
    await report_alive(house, "somebody")
    health = (await api.get("/health")).json()
    assert health["status"] == "healthy"
    assert set(health["services"].values()) == {"healthy"}
    assert health["environment"] == "test"
    assert (await api.get("/health/ready")).status_code == 200
    await report_gone(house, "somebody")
    degraded = (await api.get("/health")).json()
    assert (degraded["status"], degraded["services"]["worker"]) == ("degraded", "unavailable")
    assert (await api.get("/health/ready")).status_code == 503


async def test_workers_tell_how_the_models_are_however_often_one_asks(house, api, upstream, configure):
    assert (await api.get("/health")).json()["services"]["models"] == "unavailable", "nobody has looked yet"
    asked = upstream.listings
    await report_alive(house, "somebody")
    await report_alive(house, "somebody else")
    found = [(await api.get("/health")).json()["services"]["models"] for _ in range(5)]
    assert found == ["healthy"] * 5
    assert upstream.listings == asked + 1


async def test_models_that_are_away_are_looked_at_again_at_the_next_beat(house, api, configure):
    configure(openai_base_url="http://127.0.0.1:1/v1")
    await report_alive(house, "somebody")
    assert (await api.get("/health")).json()["services"]["models"] == "unavailable"
    assert await house.valkey.get(f"{house.settings.key_prefix}:models:look") is None


async def test_a_house_whose_servers_are_away_says_so_and_lives(house_settings: Settings):
    nowhere = {"database_url": "postgresql://a:b@127.0.0.1:1/x", "valkey_url": "redis://127.0.0.1:1/0"}
    settings = house_settings.model_copy(update={name: SecretStr(url) for name, url in nowhere.items()})
    async with open_house(settings, installed(), "test", lambda _: None) as house, client_of(house) as api:
        health = await api.get("/health")
        assert health.status_code == 200
        services = health.json()["services"]
        assert [services[name] for name in ("database", "valkey", "worker")] == ["unavailable"] * 3
        assert (await api.get("/health/ready")).status_code == 503
        assert (await api.get("/health/live")).json() == {"status": "alive"}
        shared.add("runs:finished")
        assert "madang_requests_total" in (await api.get("/metrics")).text
        assert shared.take() == {"runs:finished": 1}, "what could not be handed in is kept"
        answer = await api.post("/api/v1/auth/login", json={"email": "a@example.org", "password": "long enough 123"})
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] in {"database_unavailable", "valkey_unavailable"}


async def test_requests_are_counted_under_their_pattern_whatever_is_asked(api):
    before = await numbers(api)
    for path in ("/health/live", "/api/v1/runs/1", "/api/v1/runs/2", "/nowhere/1", "/nowhere/2"):
        await api.get(path)
    await api.request("BREW", "/health/live")
    now = await numbers(api)
    new = {name: value - before.get(name, 0) for name, value in now.items() if name.startswith("madang_requests_total")}
    assert new["madang_requests_total|GET|/health/live|200"] == 1
    assert new["madang_requests_total|GET|other|404"] == 4
    assert new["madang_requests_total|other|/health/live|405"] == 1
    assert len([name for name in now if "_bucket" in name]) < 12 * 250, "no more than there are patterns"


async def test_what_workers_count_is_told_by_every_api_and_added_once(house, api):
    shared.add("runs:finished", 2)
    shared.add("tokens:output", 40)
    await asyncio.gather(hand_in(house), hand_in(house), hand_in(house))
    shared.add("runs:failed")
    await report_alive(house, "somebody")
    found = await numbers(api)
    assert found["madang_runs_total|finished"] == 2
    assert found["madang_runs_total|failed"] == 1
    assert found["madang_tokens_total|output"] == 40
    assert found["madang_workers"] >= 1
    assert found["madang_outbox_dead"] >= 0
    assert (await numbers(api))["madang_runs_total|finished"] == 2, "asking again adds nothing"


async def test_open_streams_are_shown(api):
    before = (await numbers(api))["madang_stream_readers"]
    with READERS.track_inprogress():
        assert (await numbers(api))["madang_stream_readers"] == before + 1
    assert (await numbers(api))["madang_stream_readers"] == before


STRANGER = ("203.0.113.9", 1)


async def test_strangers_are_told_the_status_and_no_more(house, configure, upstream):
    transport = httpx.ASGITransport(build_app(house, installed()), client=STRANGER)
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as stranger:
        for path in ("/health", "/health/ready"):
            assert set((await stranger.get(path)).json()) == {"status"}
        for headers in ({}, {"Authorization": "Bearer a guess"}, {"Authorization": "Bearer mk_guess"}):
            refused = await stranger.get("/metrics", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "metrics_private")


async def test_the_metrics_token_opens_metrics_and_details_from_anywhere(house_settings, configure, upstream):
    settings = house_settings.model_copy(update={"metrics_token": SecretStr("a token for the metrics")})
    async with open_house(settings, installed(), "test", deliver=lambda _: None) as house:
        transport = httpx.ASGITransport(build_app(house, installed()), client=STRANGER)
        headers = {"Authorization": "Bearer a token for the metrics"}
        async with httpx.AsyncClient(transport=transport, base_url="http://madang.test", headers=headers) as scraper:
            assert (await scraper.get("/metrics")).status_code == 200
            assert "services" in (await scraper.get("/health")).json()


async def test_a_proxy_that_is_not_trusted_opens_nothing_from_this_machine(house, configure, upstream):
    async def forwarded(scope, receive, send):
        await build_app(house, installed())({**scope, SHARED_CLIENT: True}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(forwarded), base_url="http://madang.test") as client:
        assert (await client.get("/metrics")).status_code == 403
