"""How often: quotas that hold at once, refill evenly, and never stand in the way when Valkey is away."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import APIRouter
from pydantic import SecretStr

from madang.adapters.opening import open_house
from madang.features.accounts.module import Accounts
from madang.features.usage.module import Usage
from madang.features.usage.service import rates
from madang.features.usage.settings import UsageSettings
from madang.kernel.auth import AUTHENTICATOR, Principal
from madang.kernel.errors import TooMany
from madang.kernel.house import House
from madang.kernel.http import Who, build_app
from madang.kernel.ids import new_id
from madang.kernel.module import Module, Offer
from madang.kernel.settings import Settings

type Limit = Callable[..., None]

SAID = re.compile(r'"([a-z-]+)";r=(\d+);t=(\d+)')
STALL_SECONDS = 15
"""How long the machine may stand still between two requests of a test."""


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Run the test with these limits a minute, and no others."""

    def limit(**changed: int) -> None:
        off = {"requests_per_minute": 0, "questions_per_minute": 0, "scope_questions_per_minute": 0}
        chosen = UsageSettings(**{**off, **changed})
        monkeypatch.setattr(rates, "load", lambda: chosen)

    limit()
    return limit


async def test_of_many_requests_at_once_exactly_the_quota_passes(house: House, limit: Limit):
    limit(requests_per_minute=40)
    who, began = Principal(new_id()), time.monotonic()
    done = await asyncio.gather(
        *(rates.limit_request(house, who, "requests") for _ in range(100)), return_exceptions=True
    )
    refused = [one for one in done if isinstance(one, TooMany)]
    came_back = (time.monotonic() - began) / 1.5
    assert 40 <= len(done) - len(refused) <= 40 + came_back
    assert {one.code for one in refused} == {"rate_limited"}
    assert all(1 <= int(one.headers["Retry-After"]) <= 2 for one in refused)
    await rates.limit_request(house, Principal(new_id()), "requests")


async def test_a_refused_request_is_charged_to_nothing(house: House, limit: Limit):
    limit(requests_per_minute=3, questions_per_minute=1)
    who = Principal(new_id())
    await rates.limit_request(house, who, "questions")
    for _ in range(5):
        with pytest.raises(TooMany):
            await rates.limit_request(house, who, "questions")
    (_, (name, left)) = await rates.limit_request(house, who, "requests")
    assert (name, left.split(b";t=")[0]) == (b"ratelimit", b'"requests";r=1'), "of three, of which two were made"


async def test_the_quota_comes_back_evenly(house: House, limit: Limit):
    limit(requests_per_minute=600)
    who = Principal(new_id())
    began = time.monotonic()
    passed = 0
    while time.monotonic() - began < 1.0:
        try:
            await rates.limit_request(house, who, "requests")
            passed += 1
        except TooMany:
            await asyncio.sleep(0.01)
    took = time.monotonic() - began
    assert passed <= 600 + 10 * took + 1


async def test_a_key_has_a_quota_of_its_own_within_its_account(house: House, limit: Limit):
    limit(requests_per_minute=3)
    account = new_id()
    key, other = (Principal(account, key_id=new_id()) for _ in range(2))
    (policy, _) = await rates.limit_request(house, key, "requests")
    assert policy == (b"ratelimit-policy", b'"requests";q=3;w=60, "key-requests";q=3;w=60')
    await rates.limit_request(house, key, "requests")
    await rates.limit_request(house, other, "requests")
    with pytest.raises(TooMany):
        await rates.limit_request(house, other, "requests")


async def test_members_of_an_organisation_share_a_quota(house: House, limit: Limit):
    limit(scope_questions_per_minute=2)
    school = new_id()
    await rates.limit_questions(house, (school, new_id()))
    await rates.limit_questions(house, (school,))
    with pytest.raises(TooMany):
        await rates.limit_questions(house, (school, new_id()))
    await rates.limit_questions(house, ())


async def test_without_valkey_everything_passes(house_settings: Settings, limit: Limit):
    limit(requests_per_minute=1)
    away = house_settings.model_copy(update={"valkey_url": SecretStr("redis://127.0.0.1:1/0")})
    async with open_house(away, [], "test", lambda _: None) as house:
        who = Principal(new_id())
        for _ in range(3):
            assert await rates.limit_request(house, who, "requests") == []


class Asking(Module):
    """A route that asks who is there, and one that has a model answer."""

    name = "asking"

    def routes(self) -> list[APIRouter]:
        """`/ping` and `/ask`."""
        router = APIRouter(tags=["asking"])

        @router.get("/ping")
        async def ping(who: Who) -> str:
            return str(who.account_id)

        @router.post("/ask", openapi_extra={"x-rate-limit": "questions"})
        async def ask(who: Who) -> str:
            return str(who.account_id)

        return [router]

    def offers(self) -> list[Offer[object]]:
        """Everybody is the account that their token names."""

        async def authenticate(_house: House, bearer: str) -> Principal:
            return Principal(ACCOUNTS[bearer])

        return [AUTHENTICATOR.offer(authenticate)]


ACCOUNTS = {"a": new_id(), "b": new_id()}


@pytest.fixture
async def api(house_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an api with limits."""
    modules = [Accounts(), Usage(), Asking()]
    async with open_house(house_settings, modules, "test", lambda _: None) as house:
        transport = httpx.ASGITransport(build_app(house, modules), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://madang.test/api/v1") as client:
            yield client


def says(answer: httpx.Response, **expected: tuple[int, int]) -> bool:
    """Whether the answer says of each rule how many are left and in how many seconds all are back, or what is left."""
    found = {name: (int(left), int(back)) for name, left, back in SAID.findall(answer.headers["RateLimit"])}
    assert {name: left for name, (left, _) in found.items()} == {name: left for name, (left, _) in expected.items()}
    return all(back - STALL_SECONDS <= found[name][1] <= back for name, (_, back) in expected.items())


async def test_every_answer_says_what_is_left_and_a_refusal_when_to_come_back(api: httpx.AsyncClient, limit: Limit):
    limit(requests_per_minute=3, questions_per_minute=1)
    a, b = ({"Authorization": f"Bearer {name}"} for name in "ab")
    answer = await api.post("/ask", headers=a)
    assert answer.headers["RateLimit-Policy"] == '"requests";q=3;w=60, "questions";q=1;w=60'
    assert says(answer, requests=(2, 20), questions=(0, 60))
    refused = await api.post("/ask", headers=a)
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate_limited"
    assert 60 - STALL_SECONDS <= int(refused.headers["Retry-After"]) <= 60
    assert says(refused, requests=(1, 40), questions=(0, 60))
    assert says(await api.get("/ping", headers=a), requests=(1, 40))
    assert says(await api.get("/ping", headers=b), requests=(2, 20))


async def test_visitors_are_not_counted(api: httpx.AsyncClient, limit: Limit):
    limit(requests_per_minute=1)
    for _ in range(3):
        assert "RateLimit" not in (await api.get("/ping")).headers
