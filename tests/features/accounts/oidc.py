"""What the tests of OpenID Connect do again and again."""

import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import text

from madang.features.accounts import settings
from madang.features.accounts.settings import OidcProvider, OidcSettings
from madang.kernel.house import House
from tests.features.accounts.conftest import Person
from tests.features.accounts.provider import CLIENT, SECRET, Provider

START = "/api/v1/auth/oidc/school/start"
CALLBACK = "/api/v1/auth/oidc/school/callback"
IDENTITIES = "/api/v1/users/me/identities"


def set_up(patch: pytest.MonkeyPatch, *providers: OidcProvider, **changed: Any) -> None:
    chosen = OidcSettings(oidc_providers=providers, **({"oidc_registration": "open"} | changed))
    patch.setattr(settings, "load_oidc", lambda: chosen)


def school(issuer: str, **more: Any) -> OidcProvider:
    told: dict[str, Any] = {"name": "school", "label": "학교", "issuer": issuer}
    told |= {"client_id": CLIENT, "client_secret": SECRET, "email_domains": ("example.org", "school.example")}
    return OidcProvider.model_validate(told | more)


async def begin(api: httpx.AsyncClient, **asked: str) -> str:
    started = await api.get(START, params=asked)
    assert started.status_code == 303, started.text
    cookie = started.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Path=/api/v1/auth/oidc"))
    return str(started.headers["location"])


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


async def come_back(api: httpx.AsyncClient, url: str, code: str, **more: str) -> httpx.Response:
    return await api.get(CALLBACK, params={"state": state_of(url), "code": code} | more)


async def sign_in(api: httpx.AsyncClient, idp: Provider, **claims: Any) -> httpx.Response:
    url = await begin(api)
    return await come_back(api, url, idp.sign_in(url, **claims))


def error_of(response: httpx.Response) -> str:
    """The code that the browser is sent back with, which is never signed in then."""
    assert response.status_code == 303, response.text
    assert "madang_refresh" not in response.headers.get("set-cookie", "")
    return parse_qs(urlsplit(response.headers["location"]).query)["sign-in-error"][0]


async def who_is(api: httpx.AsyncClient, response: httpx.Response) -> dict[str, Any]:
    assert (response.status_code, response.headers["location"]) == (303, "/?signed-in"), response.headers
    refreshed = await api.post("/api/v1/auth/refresh")
    assert refreshed.status_code == 200, refreshed.text
    told: dict[str, Any] = refreshed.json()["user"]
    return told


def address() -> str:
    return f"{secrets.token_hex(6)}@example.org"


async def verify_address(house: House, person: Person) -> None:
    async with house.db.transaction() as tx:
        statement = text('UPDATE "user".accounts SET email_verified_at = now() WHERE id = :id')
        await tx.execute(statement, {"id": person.id})


async def count(house: House, email: str) -> int:
    async with house.db.transaction() as tx:
        query = text('SELECT count(*) FROM "user".accounts WHERE email = :email')
        return int(await tx.scalar(query, {"email": email}) or 0)
