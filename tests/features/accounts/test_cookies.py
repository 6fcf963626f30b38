"""Cookies over TLS: only this host can set them, and those of before are good once more."""

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import httpx
import pytest

from madang.kernel.house import House
from tests.features.accounts.conftest import PASSWORD, Join, visitor

AUTH = "/api/v1/auth"
HOST = "__Host-madang_refresh"


@pytest.fixture
async def over_tls(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(house, "https://madang.test") as client:
        yield client


def cookie_of(answer: httpx.Response, name: str) -> SimpleCookie:
    said = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        if header.startswith(f"{name}="):
            said.load(header)
    return said


async def test_over_tls_a_cookie_is_bound_to_this_host(over_tls: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    body = {"email": person.email, "password": PASSWORD, "session": "cookie"}
    answer = await over_tls.post(f"{AUTH}/login", json=body)
    said = cookie_of(answer, HOST)[HOST]
    assert (said["path"], said["domain"], said["secure"], said["httponly"]) == ("/", "", True, True)
    assert "__Host-madang_browser" in answer.cookies
    assert (await over_tls.post(f"{AUTH}/refresh")).status_code == 200
    out = await over_tls.post(f"{AUTH}/logout")
    assert HOST not in over_tls.cookies
    assert cookie_of(out, HOST)[HOST]["secure"]
    assert (await over_tls.post(f"{AUTH}/refresh")).status_code == 401


async def test_a_cookie_of_before_is_exchanged_and_goes(over_tls: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    over_tls.cookies.set("madang_refresh", person.refresh_token, domain="madang.test", path=AUTH)
    answer = await over_tls.post(f"{AUTH}/refresh")
    assert answer.status_code == 200
    assert HOST in over_tls.cookies
    assert "madang_refresh" not in over_tls.cookies
    assert (await over_tls.post(f"{AUTH}/refresh")).status_code == 200
