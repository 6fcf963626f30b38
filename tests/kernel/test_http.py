"""The api's frame: ids that follow a request, errors that say what to do, answers that promise only what is stored."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from fastapi import APIRouter
from pydantic import SecretStr
from sqlalchemy import text

from madang.adapters.opening import open_house
from madang.kernel import log
from madang.kernel.auth import AUTHENTICATOR, Principal
from madang.kernel.errors import NotFound, Unauthorized
from madang.kernel.house import House
from madang.kernel.http import HouseDep, Page, Strict, Who, Whole, WriteTx, build_app, decode_cursor
from madang.kernel.ids import new_id
from madang.kernel.jobs import Job, JobKind
from madang.kernel.module import Module, Offer
from madang.kernel.settings import Settings
from madang.processes.web import serve_web
from tests.kernel.conftest import open_workshop

HEX = re.compile(r"^[0-9a-f]{32}$")


@dataclass(frozen=True)
class Bake:
    loaves: int


BAKE = JobKind("test.bake", Bake)


class Dough(Strict):
    loaves: Whole


async def known(house: House, bearer: str) -> Principal:
    if bearer != "good":
        raise Unauthorized("token_invalid", "Sign in again.")
    return Principal(new_id())


router = APIRouter()


@router.post("/bread", status_code=202)
async def bake(dough: Dough, tx: WriteTx, who: Who) -> Page[int]:
    await tx.enqueue(BAKE, Bake(dough.loaves))
    if dough.loaves > 99:
        raise NotFound("oven_not_found", "Use the other oven.", loaves=dough.loaves)
    return Page[int](items=[dough.loaves])


@router.get("/broken")
async def broken(house: HouseDep) -> None:
    raise RuntimeError("a detail that nobody outside should read")


@router.get("/valkey")
async def uses_valkey(house: HouseDep) -> int:
    return int(await house.valkey.exists("anything"))


@router.get("/database")
async def uses_database(tx: WriteTx) -> int:
    return int(await tx.scalar(text("SELECT 1")) or 0)


@router.get("/list")
async def lists(cursor: str | None = None) -> str:
    return str(decode_cursor(cursor))


class Bakery(Module):
    name: ClassVar[str] = "bakery"

    def routes(self) -> Sequence[APIRouter]:
        return (router,)

    def offers(self) -> Sequence[Offer[object]]:
        return (AUTHENTICATOR.offer(known),)  # type: ignore[return-value]  # an offer is covariant in all but name


@pytest.fixture
async def api(house_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with open_house(house_settings, [Bakery()], "test", lambda _: None) as house:
        async with client_of(house) as client:
            yield client
        async with house.db.transaction() as tx:
            await tx.execute(text("DELETE FROM supervisor.outbox WHERE name = 'test.bake'"))


def client_of(house: House) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build_app(house, [Bakery()]), raise_app_exceptions=False)
    headers = {"Authorization": "Bearer good"}
    return httpx.AsyncClient(transport=transport, base_url="http://madang.test/api/v1", headers=headers)


def check_problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["detail"]
    return body


async def test_every_answer_has_an_id_and_a_time(api: httpx.AsyncClient):
    ids = set()
    for path in ("/bread", "/broken", "/nowhere", "/list"):
        response = await api.get(path)
        ids.add(response.headers["x-request-id"])
        assert float(response.headers["x-process-time"]) >= 0
    assert len(ids) == 4
    assert all(HEX.match(one) for one in ids)


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-123", True), ("x" * 128, True), ("x" * 129, False), ("", False), ("한글", False)]
)
async def test_a_good_id_of_the_caller_is_kept_and_a_bad_one_replaced(api: httpx.AsyncClient, given: str, kept: bool):
    response = await api.get("/list", headers={"X-Request-ID": given.encode()})
    assert (response.headers["x-request-id"] == given) is kept


async def test_the_id_follows_the_work_into_the_worker(house_settings: Settings):
    seen: list[str | None] = []

    async def handle(house: House, order: Bake) -> None:
        await asyncio.sleep(0)
        seen.append(log.request_id())

    async with open_workshop(house_settings, [Job(BAKE, handle, timedelta(seconds=30))]) as shop:
        opening = open_house(house_settings, [Bakery()], "test", shop.house.deliver)
        async with opening as house, client_of(house) as api:
            for given in ("morning", "evening"):
                await api.post("/bread", json={"loaves": 2}, headers={"X-Request-ID": given})
        await shop.settled()
        assert sorted(map(str, seen)) == ["evening", "morning"]
        assert log.request_id() is None


async def test_the_answer_promises_only_what_is_stored(api: httpx.AsyncClient, house: House):
    async def stored() -> int:
        async with house.db.transaction() as tx:
            query = text("SELECT count(*) FROM supervisor.outbox WHERE name = 'test.bake'")
            return int(await tx.scalar(query) or 0)

    for loaves in range(5):
        before = await stored()
        assert (await api.post("/bread", json={"loaves": loaves})).status_code == 202
        assert await stored() == before + 1
    refused = await api.post("/bread", json={"loaves": 100})
    assert check_problem(refused, 404, "oven_not_found")["loaves"] == 100
    assert await stored() == 5


async def test_what_goes_wrong_inside_stays_inside(api: httpx.AsyncClient):
    broken = await api.get("/broken")
    check_problem(broken, 500, "internal_error")
    assert "nobody outside" not in broken.text


@pytest.mark.parametrize("body", [{"loaves": "2"}, {"loaves": True}, {"loaves": 1, "salt": 1}, {}, [], None])
async def test_values_that_are_not_acceptable_are_named(api: httpx.AsyncClient, body: object):
    problem = check_problem(await api.post("/bread", json=body), 422, "request_invalid")
    assert problem["errors"]


async def test_who_is_not_signed_in_learns_how(api: httpx.AsyncClient):
    for header, code in (("", "not_signed_in"), ("Basic YTpi", "not_signed_in"), ("Bearer bad", "token_invalid")):
        response = await api.post("/bread", json={"loaves": 1}, headers={"Authorization": header})
        check_problem(response, 401, code)
        assert response.headers["www-authenticate"] == "Bearer"


async def test_wrong_addresses_methods_and_cursors(api: httpx.AsyncClient):
    check_problem(await api.get("/nowhere"), 404, "not_found")
    response = await api.delete("/bread")
    check_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
    check_problem(await api.get("/list", params={"cursor": "made up"}), 400, "cursor_invalid")


async def test_while_a_server_is_away_the_answer_is_to_come_again(house_settings: Settings):
    nowhere = {"database_url": "postgresql://a:b@127.0.0.1:1/x", "valkey_url": "redis://127.0.0.1:1/0"}
    settings = house_settings.model_copy(update={name: SecretStr(url) for name, url in nowhere.items()})
    async with open_house(settings, [Bakery()], "test", lambda _: None) as house, client_of(house) as api:
        for part in ("database", "valkey"):
            response = await api.get(f"/{part}")
            check_problem(response, 503, f"{part}_unavailable")
            assert response.headers["retry-after"] == "2"


@pytest.mark.parametrize(("scheme", "is_strict"), [("http", False), ("https", True)])
async def test_every_answer_has_security_headers_and_over_tls_asks_for_tls_alone(
    house: House, scheme: str, is_strict: bool
):
    transport = httpx.ASGITransport(build_app(house, []), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://madang.test") as client:
        answer = await client.get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert ("strict-transport-security" in answer.headers) == is_strict


async def test_a_page_that_has_not_changed_keeps_the_headers_that_it_came_with(house: House, tmp_path: Path):
    """What a 304 says replaces what the browser kept, and the api's policy would leave a page without its scripts."""
    (tmp_path / "index.html").write_text("<!doctype html>")
    app = build_app(house, [])
    serve_web(app, tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://madang.test") as client:
        page = await client.get("/")
        again = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert again.status_code == 304
    assert "content-security-policy" not in again.headers
