"""A token of a directory asks so often and not more, whatever it asks, and is told so in SCIM's own words."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import httpx
import pytest
from pydantic import SecretStr
from scim2_models import Error

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.organisations import settings
from madang.kernel.house import House
from tests.features.organisations.conftest import Api, World
from tests.features.organisations.directory import System, system_of

MOST = 4

type Limit = Callable[[int], None]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Let a token ask so often a minute."""

    def limit(most: int) -> None:
        chosen = settings.load().model_copy(update={"scim_requests_per_minute": most})
        monkeypatch.setattr(settings, "load", lambda: chosen)

    return limit


@pytest.fixture
async def a(house: House, world: World, api: Api) -> System:
    return await system_of(house, world, api, "a", "a admin")


async def test_of_many_requests_at_once_exactly_the_quota_passes(a: System, limit: Limit) -> None:
    limit(MOST)
    answers = await asyncio.gather(*(a("GET", "/Users") for _ in range(5 * MOST)))
    assert sorted({answer.status_code for answer in answers}) == [200, 429]
    assert [answer.status_code for answer in answers].count(200) == MOST
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["content-type"] == "application/scim+json"
    said = Error.model_validate(refused.json())
    assert (said.status, said.scim_type) == (429, None)
    assert said.detail is not None
    assert "Try again in" in said.detail
    assert 0 < int(refused.headers["retry-after"]) <= 60 / MOST
    assert refused.headers["ratelimit-policy"] == f'"scim";q={MOST};w=60'
    assert refused.headers["ratelimit"].startswith('"scim";r=0;')


async def test_what_is_left_is_told_with_every_answer_and_errors_count_too(a: System, limit: Limit) -> None:
    limit(MOST)
    asked = [("GET", "/Users"), ("GET", "/Users/nobody"), ("POST", "/Users"), ("GET", "/ServiceProviderConfig")]
    answers = [await a(method, path, b"{" if method == "POST" else None) for method, path in asked]
    assert [answer.status_code for answer in answers] == [200, 404, 400, 200]
    left = [answer.headers["ratelimit"].split(";")[1] for answer in answers]
    assert left == ["r=3", "r=2", "r=1", "r=0"]
    assert (await a("GET", "/Users")).status_code == 429


async def test_a_refused_request_changes_nothing(a: System, limit: Limit) -> None:
    limit(1)
    assert (await a("GET", "/Users")).status_code == 200
    made = await a("POST", "/Users", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "x@y.org"})
    assert made.status_code == 429
    limit(0)
    assert (await a("GET", "/Users")).json()["totalResults"] == 0


async def test_nothing_is_read_of_what_a_stranger_or_somebody_too_fast_sends(a: System, limit: Limit) -> None:
    limit(1)
    read = 0

    async def sent() -> AsyncGenerator[bytes]:
        nonlocal read
        for part in (b"{", b"}"):
            read += 1
            yield part

    async def post(token: str) -> int:
        async with httpx.AsyncClient(transport=a.transport) as client:
            headers = {"Authorization": f"Bearer {token}"}
            return (await client.post(a.url + "/Users", content=sent(), headers=headers)).status_code

    assert (await post("ms_unknown"), read) == (401, 0)
    assert (await post(a.token), read) == (400, 2)
    assert (await post(a.token), read) == (429, 2)


async def test_each_token_has_its_own_and_a_wrong_one_uses_nothing_up(
    house: House, world: World, api: Api, a: System, limit: Limit
) -> None:
    limit(1)
    other = await system_of(house, world, api, "a", "a owner")
    stranger = System(house, a.url, a.token[:-1] + ("A" if a.token[-1] != "A" else "B"))
    assert [(await stranger("GET", "/Users")).status_code for _ in range(3)] == [401] * 3
    assert (await a("GET", "/Users")).status_code == 200
    assert (await a("GET", "/Users")).status_code == 429
    assert (await other("GET", "/Users")).status_code == 200


async def test_without_a_limit_nothing_is_said_of_one(a: System, limit: Limit) -> None:
    limit(0)
    assert "ratelimit" not in (await a("GET", "/Users")).headers


async def test_without_valkey_directories_go_on(house: House, a: System, limit: Limit) -> None:
    limit(1)
    away = house.settings.model_copy(update={"valkey_url": SecretStr("redis://127.0.0.1:1/0")})
    async with open_house(away, installed(), "test", lambda _: None) as lonely:
        system = System(lonely, a.url, a.token)
        assert [(await system("GET", "/Users")).status_code for _ in range(2)] == [200, 200]
