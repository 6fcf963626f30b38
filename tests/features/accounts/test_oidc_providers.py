"""Providers that do not do their part: away, slow, or answering what makes no sense."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from aiohttp import web

from madang.features.accounts.service.oidc import providers
from madang.kernel.house import House
from tests.features.accounts.oidc import (
    CALLBACK,
    START,
    address,
    begin,
    come_back,
    error_of,
    school,
    set_up,
    state_of,
)
from tests.features.accounts.provider import Provider, slowly


async def test_provider_down(api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch, school("http://127.0.0.1:1"))
    down = await api.get(START)
    assert (down.status_code, down.json()["code"]) == (502, "oidc_provider_failed")


async def test_provider_slow(api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PATIENCE_SECONDS", 0.2)
    url = await begin(api)
    code = idp.sign_in(url, email=address())
    idp.misbehave = slowly
    began = time.monotonic()
    assert error_of(await come_back(api, url, code)) == "oidc_provider_failed"
    assert time.monotonic() - began < 20, "of the thirty that the provider takes"


async def test_provider_slow_for_everybody_at_once(
    api: httpx.AsyncClient, idp: Provider, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "PATIENCE_SECONDS", 0.3)
    idp.misbehave = slowly
    began = time.monotonic()
    answers = await asyncio.gather(*(api.get(START) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {502}
    assert time.monotonic() - began < 20, "of the thirty that the provider takes"
    assert len(idp.asked) == 1
    monkeypatch.setattr(providers, "RESTING_SECONDS", 0)
    idp.misbehave = None
    known = await house.resource(providers.open_providers)
    known["school"].resting_until = 0.0
    assert (await api.get(START)).status_code == 303


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(64):
        await response.write(b" " * 65_536)
    return response


async def _elsewhere(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"})


async def _nonsense(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"[" * 200_000, content_type="application/json")


async def _list(_request: web.Request) -> web.StreamResponse:
    return web.json_response([1, 2])


@pytest.mark.parametrize("answer", [_huge, _elsewhere, _nonsense, _list])
async def test_provider_answers_wrongly(answer: Any, api: httpx.AsyncClient, idp: Provider) -> None:
    url = await begin(api)
    code = idp.sign_in(url, email=address())
    idp.misbehave = answer
    assert error_of(await come_back(api, url, code)) == "oidc_provider_failed"


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://accounts.google.com"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": None},
        {"jwks_uri": "gopher://127.0.0.1"},
        {"authorization_endpoint": "https://user:password@evil.example"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
    ids=str,
)
async def test_attack_description_that_leads_elsewhere(
    described: dict[str, Any], api: httpx.AsyncClient, idp: Provider
) -> None:
    idp.described = described
    refused = await api.get(START)
    assert (refused.status_code, refused.json()["code"]) == (502, "oidc_provider_failed")


async def test_cancelled_or_refused_at_the_provider(api: httpx.AsyncClient, idp: Provider) -> None:
    for error, code in (("access_denied", "oidc_denied"), ("server_error", "oidc_provider_failed")):
        asked = {"state": state_of(await begin(api)), "error": error}
        assert error_of(await api.get(CALLBACK, params=asked)) == code
