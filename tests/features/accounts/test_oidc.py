"""Signing in at a provider: the ways that work, and every attack by its name."""

import asyncio
import base64
import hmac
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import oidc_provider_mock
import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import text

from madang.features.accounts import settings
from madang.features.accounts.contracts import GROUPS, Grant
from madang.features.accounts.module import Accounts
from madang.features.accounts.service import oidc_flow, oidc_provider
from madang.features.accounts.service.oidc_flow import own_path
from madang.features.accounts.settings import OidcProvider, OidcSettings
from madang.kernel.db import Tx
from madang.kernel.house import House, open_house
from madang.kernel.http import build_app
from madang.kernel.module import Module
from madang.kernel.settings import Settings
from tests.features.accounts.conftest import PASSWORD, Join, Person, bearer
from tests.features.accounts.provider import CLIENT, SECRET, Provider, new_key, serve, slowly

START = "/api/v1/auth/oidc/school/start"
CALLBACK = "/api/v1/auth/oidc/school/callback"
IDENTITIES = "/api/v1/users/me/identities"


def set_up(patch: pytest.MonkeyPatch, *providers: OidcProvider, **changed: Any) -> None:
    chosen = OidcSettings(oidc_providers=providers, **({"oidc_registration": "open"} | changed))
    patch.setattr(settings, "load_oidc", lambda: chosen)


def school(issuer: str, **more: Any) -> OidcProvider:
    told = {"name": "school", "label": "학교", "issuer": issuer, "client_id": CLIENT, "client_secret": SECRET}
    return OidcProvider.model_validate(told | more)


@pytest.fixture
async def idp(monkeypatch: pytest.MonkeyPatch, join: Join) -> AsyncIterator[Provider]:
    """A provider of its own for each test, in a house that somebody runs already."""
    await join(supervisor=True)
    async with serve() as provider:
        set_up(monkeypatch, school(provider.url))
        yield provider


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


async def test_a_new_person_comes_in_and_comes_again(api: httpx.AsyncClient, idp: Provider, house: House) -> None:
    email = address()
    first = await sign_in(api, idp, email=email, name="김마당", sub="지민")
    told = await who_is(api, first)
    assert (told["email"], told["name"], told["role"]) == (email, "김마당", "user")
    again = await who_is(api, await sign_in(api, idp, email="another@example.org", sub="지민"))
    assert again["id"] == told["id"]
    assert again["email"] == email
    cookie = first.headers["set-cookie"]
    assert "madang_refresh=" in cookie
    assert "SameSite=strict" in cookie
    assert await count(house, email) == 1


async def test_setup_names_the_providers(api: httpx.AsyncClient, idp: Provider) -> None:
    assert (await api.get("/api/v1/auth/setup")).json()["providers"] == [{"name": "school", "label": "학교"}]
    unknown = await api.get("/api/v1/auth/oidc/nowhere/start")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "oidc_provider_not_found")


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "Ed25519"])
async def test_signatures_of_every_allowed_kind(algorithm: str, api: httpx.AsyncClient, idp: Provider) -> None:
    idp.algorithm, idp.key = algorithm, new_key("k", algorithm)
    await who_is(api, await sign_in(api, idp, email=address(), sub=algorithm))


async def test_what_only_userinfo_tells(api: httpx.AsyncClient, idp: Provider) -> None:
    email = address()
    idp.userinfo = {"email": email, "email_verified": True}
    assert (await who_is(api, await sign_in(api, idp, email_verified=None, sub="u")))["email"] == email
    idp.userinfo = {"email": address(), "email_verified": True, "sub": "somebody-else"}
    assert error_of(await sign_in(api, idp, email_verified=None, sub="u")) == "oidc_token_invalid"


async def test_ten_tabs_of_one_new_person_make_one_account(house: House, idp: Provider, api: httpx.AsyncClient) -> None:
    email = address()

    async def tab() -> httpx.Response:
        async with httpx.AsyncClient(transport=api._transport, base_url="http://madang.test") as browser:
            url = await begin(browser)
            return await come_back(browser, url, idp.sign_in(url, sub="ten", email=email))

    answers = await asyncio.gather(*(tab() for _ in range(10)))
    assert [answer.headers["location"] for answer in answers] == ["/?signed-in"] * 10
    assert await count(house, email) == 1


# Attacks on the way there and back


async def test_attack_state_missing(api: httpx.AsyncClient, idp: Provider) -> None:
    code = idp.sign_in(await begin(api), email=address())
    assert error_of(await api.get(CALLBACK, params={"code": code})) == "oidc_state_invalid"
    assert not idp.redeemed


async def test_attack_state_forged(api: httpx.AsyncClient, idp: Provider) -> None:
    for state in ("x", "x" * 43, "\x00", "가"):
        code = idp.sign_in(await begin(api), email=address())
        assert error_of(await api.get(CALLBACK, params={"code": code, "state": state})) == "oidc_state_invalid"
    assert not idp.redeemed


async def test_attack_sign_in_of_another_browser(api: httpx.AsyncClient, idp: Provider) -> None:
    url = await begin(api)
    code = idp.sign_in(url, email=address())
    async with httpx.AsyncClient(transport=api._transport, base_url="http://madang.test") as victim:
        assert error_of(await come_back(victim, url, code)) == "oidc_state_invalid"
        await begin(victim)
        assert error_of(await come_back(victim, url, code)) == "oidc_state_invalid"
    assert not idp.redeemed


async def test_attack_state_replayed(api: httpx.AsyncClient, idp: Provider) -> None:
    url = await begin(api)
    cookie = api.cookies["madang_oidc"]
    code = idp.sign_in(url, email=address())
    assert (await come_back(api, url, code)).headers["location"] == "/?signed-in"
    assert "madang_oidc" not in api.cookies
    asked = len(idp.redeemed)
    again = await api.get(
        CALLBACK, params={"state": state_of(url), "code": code}, headers={"Cookie": f"madang_oidc={cookie}"}
    )
    assert error_of(again) == "oidc_state_invalid"
    assert len(idp.redeemed) == asked


async def test_attack_state_used_by_twenty_at_once(api: httpx.AsyncClient, idp: Provider) -> None:
    url = await begin(api)
    headers = {"Cookie": f"madang_oidc={api.cookies['madang_oidc']}"}
    asked = {"state": state_of(url), "code": idp.sign_in(url, email=address())}
    async with httpx.AsyncClient(transport=api._transport, base_url="http://madang.test") as bare:
        answers = await asyncio.gather(*(bare.get(CALLBACK, params=asked, headers=headers) for _ in range(20)))
    assert [answer.headers["location"] for answer in answers].count("/?signed-in") == 1
    assert len(idp.redeemed) == 1


async def test_attack_cookie_forged_or_too_old(
    api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await begin(api)
    sealed = api.cookies["madang_oidc"]
    body, mac = sealed.split(".")
    flow = json.loads(base64.urlsafe_b64decode(body + "=="))
    flow["expires_at"] += 10
    forged = base64.urlsafe_b64encode(json.dumps(flow).encode()).decode().rstrip("=")
    for cookie in (f"{forged}.{mac}", body, "", ".", "가", sealed + "A", "." * 3000):
        api.cookies.clear()
        asked = {"state": state_of(url), "code": "c"}
        headers = {"Cookie": f"madang_oidc={cookie}".encode()}
        assert error_of(await api.get(CALLBACK, params=asked, headers=headers)) == "oidc_state_invalid"
    monkeypatch.setattr(oidc_flow, "LIFETIME_SECONDS", -1)
    url = await begin(api)
    assert error_of(await come_back(api, url, idp.sign_in(url))) == "oidc_state_invalid"
    assert not idp.redeemed


async def test_attack_code_of_another_sign_in_injected(api: httpx.AsyncClient, idp: Provider) -> None:
    async with httpx.AsyncClient(transport=api._transport, base_url="http://madang.test") as victim:
        stolen = idp.sign_in(await begin(victim), email=address(), sub="victim")
    url = await begin(api)
    assert error_of(await come_back(api, url, stolen)) == "oidc_provider_failed"
    assert len(idp.redeemed) == 1


async def test_attack_code_replayed_in_a_new_sign_in(api: httpx.AsyncClient, idp: Provider) -> None:
    url = await begin(api)
    code = idp.sign_in(url, email=address())
    await come_back(api, url, code)
    assert error_of(await come_back(api, await begin(api), code)) == "oidc_provider_failed"


async def test_attack_pkce_downgrade(api: httpx.AsyncClient, idp: Provider) -> None:
    idp.described = {"code_challenge_methods_supported": ["plain"]}
    url = await begin(api)
    asked = parse_qs(urlsplit(url).query)
    assert asked["code_challenge_method"] == ["S256"]
    await come_back(api, url, idp.sign_in(url, email=address()))
    verifier = idp.redeemed[0]["code_verifier"]
    assert re.fullmatch(r"[\w-]{43,128}", verifier)
    assert verifier not in url


async def test_attack_nonce_of_another_sign_in(api: httpx.AsyncClient, idp: Provider) -> None:
    for nonce in ("another", "", None, 7, ["x"]):
        assert error_of(await sign_in(api, idp, email=address(), nonce=nonce)) == "oidc_token_invalid"


async def test_attack_mix_up_of_providers(
    api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve() as honest:
        evil = school(idp.url, name="evil")
        set_up(monkeypatch, school(honest.url), evil)
        started = await api.get("/api/v1/auth/oidc/evil/start")
        evil_url = started.headers["location"]
        code = idp.sign_in(evil_url)
        assert error_of(await come_back(api, evil_url, code)) == "oidc_state_invalid"
        assert not honest.redeemed
        url = await begin(api)
        code = honest.sign_in(url, email=address())
        assert error_of(await come_back(api, url, code, iss=idp.url)) == "oidc_token_invalid"
        assert not honest.redeemed


async def test_attack_issuer_left_out_where_it_is_promised(api: httpx.AsyncClient, idp: Provider) -> None:
    idp.described = {"authorization_response_iss_parameter_supported": True}
    assert error_of(await sign_in(api, idp, email=address())) == "oidc_token_invalid"
    url = await begin(api)
    code = idp.sign_in(url, email=address())
    assert (await come_back(api, url, code, iss=idp.url)).headers["location"] == "/?signed-in"


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "/%2f%2fevil.example"])
async def test_attack_open_redirect(path: str, api: httpx.AsyncClient, idp: Provider) -> None:
    url = await begin(api, return_to=path)
    done = await come_back(api, url, idp.sign_in(url, email=address(), sub=path))
    assert done.headers["location"] == "/?signed-in"


async def test_return_to_a_page(api: httpx.AsyncClient, idp: Provider) -> None:
    url = await begin(api, return_to="/join/abc?x=1#y")
    done = await come_back(api, url, idp.sign_in(url, email=address(), sub="r"))
    assert done.headers["location"] == "/join/abc?x=1#y"


@example("//evil")
@example("/\\evil")
@example("/\t/evil")
@example("/..//evil")
@example("/%2e%2e/%2fevil")
@example("/%252f%252fevil")
@example("/@evil")
@example("javascript:alert(1)")
@given(st.text(st.sampled_from("/\\.:@?#%25fFeE0d\t\n\r evil가"), max_size=12).map(lambda rest: "/" + rest))
def test_attack_open_redirect_in_every_spelling(path: str) -> None:
    kept = own_path(path)
    if kept is None:
        return
    assert kept == path
    landed = urlsplit(urljoin("https://madang.test/api/v1/auth/oidc/school/callback", kept))
    assert (landed.scheme, landed.netloc) == ("https", "madang.test")
    assert not landed.path.startswith(("//", "/\\"))
    assert kept.isascii()
    assert kept.isprintable()


# Attacks with tokens


def made_by_hand(idp: Provider, algorithm: str) -> str:
    now = int(time.time())
    claims = {"iss": idp.url, "aud": CLIENT, "iat": now, "exp": now + 60} | idp.claims
    parts = [json.dumps({"alg": algorithm, "kid": "first"}), json.dumps(claims)]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


async def test_attack_algorithm_none(api: httpx.AsyncClient, idp: Provider) -> None:
    for name in ("none", "None", "NONE", ""):
        url = await begin(api)
        code = idp.sign_in(url, email=address())
        idp.raw_token = f"{made_by_hand(idp, name)}."
        assert error_of(await come_back(api, url, code)) == "oidc_token_invalid"


async def test_attack_hs256_with_the_public_key(api: httpx.AsyncClient, idp: Provider) -> None:
    for secret in (idp.key.as_pem(private=False), json.dumps(idp.key.as_dict(private=False)).encode(), SECRET.encode()):
        url = await begin(api)
        code = idp.sign_in(url, email=address())
        body = made_by_hand(idp, "HS256")
        mac = base64.urlsafe_b64encode(hmac.digest(secret, body.encode(), "sha256")).decode().rstrip("=")
        idp.raw_token = f"{body}.{mac}"
        assert error_of(await come_back(api, url, code)) == "oidc_token_invalid"


async def test_attack_signed_by_another_key_of_the_same_name(api: httpx.AsyncClient, idp: Provider) -> None:
    idp.signing_key = new_key("first")
    assert error_of(await sign_in(api, idp, email=address())) == "oidc_token_invalid"


async def test_attack_key_brought_along_in_the_header(api: httpx.AsyncClient, idp: Provider) -> None:
    own = new_key("mine")
    idp.signing_key, idp.header = own, {"kid": "mine", "jwk": own.as_dict(private=False), "jku": "http://evil.example/"}
    assert error_of(await sign_in(api, idp, email=address())) == "oidc_token_invalid"


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-client"},
        {"aud": ["another-client"]},
        {"aud": None},
        {"aud": [CLIENT, "another-client"]},
        {"aud": [CLIENT, "another-client"], "azp": "another-client"},
        {"azp": "another-client"},
        {"iss": "https://accounts.google.com"},
        {"iss": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"exp": True},
        {"iat": None},
        {"iat": 1},
        {"iat": 9_999_999_999},
        {"nbf": 9_999_999_999},
        {"at_hash": "bm90IHRoaXMgb25l"},
        {"at_hash": 1},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\nb"},
    ],
    ids=str,
)
async def test_attack_claims_that_are_not_for_us(wrong: dict[str, Any], api: httpx.AsyncClient, idp: Provider) -> None:
    assert error_of(await sign_in(api, idp, email=address(), **wrong)) == "oidc_token_invalid"


@pytest.mark.parametrize(
    "token", ["", "x", "a.b", "a.b.c", "..", "{}.{}.{}", "e30.e30.e30", "W10.W10.W10", "가.나.다", "x" * 40_000]
)
async def test_attack_malformed_tokens(token: str, api: httpx.AsyncClient, idp: Provider) -> None:
    idp.raw_token = token
    assert error_of(await sign_in(api, idp, email=address())) == "oidc_token_invalid"


async def test_key_rotation_mid_way(api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    await sign_in(api, idp, email=address(), sub="before")
    monkeypatch.setattr(oidc_provider, "REFETCH_SECONDS", 0)
    url = await begin(api)
    idp.key = new_key("second")
    code = idp.sign_in(url, email=address(), sub="after")
    assert (await come_back(api, url, code)).headers["location"] == "/?signed-in"
    assert idp.asked.count("/keys") == 2


async def test_attack_unknown_keys_do_not_make_us_ask_again_and_again(api: httpx.AsyncClient, idp: Provider) -> None:
    await sign_in(api, idp, email=address())
    idp.signing_key, idp.header = new_key("nobody's"), {"kid": "nobody's"}
    for _ in range(5):
        assert error_of(await sign_in(api, idp, email=address())) == "oidc_token_invalid"
    assert idp.asked.count("/keys") == 1
    assert idp.asked.count("/.well-known/openid-configuration") == 1


# Providers that do not do their part


async def test_provider_down(api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch, school("http://127.0.0.1:1"))
    down = await api.get(START)
    assert (down.status_code, down.json()["code"]) == (502, "oidc_provider_failed")


async def test_provider_slow(api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc_provider, "PATIENCE_SECONDS", 0.2)
    url = await begin(api)
    code = idp.sign_in(url, email=address())
    idp.misbehave = slowly
    began = time.monotonic()
    assert error_of(await come_back(api, url, code)) == "oidc_provider_failed"
    assert time.monotonic() - began < 5


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


# Whose account it is


async def test_attack_takeover_by_an_unverified_address(
    api: httpx.AsyncClient, idp: Provider, join: Join, house: House
) -> None:
    victim = await join()
    await verify_address(house, victim)
    for verified in (False, None, "false", "yes", 1, [True]):
        claims = {"email": victim.email, "email_verified": verified, "sub": "attacker"}
        assert error_of(await sign_in(api, idp, **claims)) == "oidc_email_unverified"


async def test_attack_takeover_of_whoever_registered_first_without_proof(
    api: httpx.AsyncClient, idp: Provider, join: Join
) -> None:
    squatter = await join()
    assert error_of(await sign_in(api, idp, email=squatter.email, sub="owner")) == "oidc_link_first"


async def test_both_sides_verified_are_linked(api: httpx.AsyncClient, idp: Provider, join: Join, house: House) -> None:
    person = await join("은비")
    await verify_address(house, person)
    told = await who_is(api, await sign_in(api, idp, email=person.email.upper(), sub="linked"))
    assert (told["id"], told["name"]) == (str(person.id), "은비")
    mine = await api.get(IDENTITIES, headers=bearer(person.access_token))
    assert [(one["provider"], one["label"], one["email"]) for one in mine.json()] == [("school", "학교", person.email)]


async def test_attack_linking_past_a_second_factor(
    api: httpx.AsyncClient, idp: Provider, join: Join, house: House
) -> None:
    person = await join()
    await verify_address(house, person)
    async with house.db.transaction() as tx:
        statement = text(
            'INSERT INTO "user".authenticators (account_id, sealed_secret, last_step, enabled_at)'
            " VALUES (:id, 'x', 0, now())"
        )
        await tx.execute(statement, {"id": person.id})
    assert error_of(await sign_in(api, idp, email=person.email, sub="past")) == "oidc_link_first"


async def test_registration_and_domains(api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch, school(idp.url), oidc_registration="closed")
    assert error_of(await sign_in(api, idp, email=address())) == "oidc_registration_closed"
    set_up(monkeypatch, school(idp.url), oidc_email_domains=("Example.org",))
    for email in ("a@evil.example", "a@sub.example.org", "a@example.org.evil.example", "a@notexample.org"):
        assert error_of(await sign_in(api, idp, email=email)) == "oidc_registration_closed"
    await who_is(api, await sign_in(api, idp, email=address(), sub="d"))
    set_up(monkeypatch, school(idp.url, registration="closed"))
    assert error_of(await sign_in(api, idp, email=address(), sub="e")) == "oidc_registration_closed"


async def test_nobody_founds_a_house_from_outside(
    api: httpx.AsyncClient, idp: Provider, empty: None, house: House
) -> None:
    assert error_of(await sign_in(api, idp, email=address())) == "first_run"


@pytest.mark.parametrize("column", ["disabled_at", "deleted_at"])
async def test_the_disabled_and_the_deleted_stay_out(
    column: str, api: httpx.AsyncClient, idp: Provider, house: House
) -> None:
    told = await who_is(api, await sign_in(api, idp, email=address(), sub=column))
    async with house.db.transaction() as tx:
        await tx.execute(text(f'UPDATE "user".accounts SET {column} = now() WHERE id = :id'), {"id": told["id"]})
    assert error_of(await sign_in(api, idp, email=address(), sub=column)) == "account_disabled"


# Linking and unlinking


async def link(api: httpx.AsyncClient, person: Person, idp: Provider, **claims: Any) -> httpx.Response:
    begun = await api.post(
        IDENTITIES, json={"provider": "school", "return_to": "/settings"}, headers=bearer(person.access_token)
    )
    assert begun.status_code == 200, begun.text
    url = begun.json()["url"]
    return await come_back(api, url, idp.sign_in(url, **claims))


async def test_link_sign_in_and_unlink(api: httpx.AsyncClient, idp: Provider, join: Join) -> None:
    person = await join()
    done = await link(api, person, idp, email="other@example.net", email_verified=False, sub="mine")
    assert done.headers["location"] == "/settings"
    assert "madang_refresh" not in done.headers["set-cookie"]
    assert (await who_is(api, await sign_in(api, idp, sub="mine", email=address())))["id"] == str(person.id)
    mine = (await api.get(IDENTITIES, headers=bearer(person.access_token))).json()
    gone = await api.delete(f"{IDENTITIES}/{mine[0]['id']}", headers=bearer(person.access_token))
    assert gone.status_code == 204
    assert (await api.get(IDENTITIES, headers=bearer(person.access_token))).json() == []


async def test_attack_linking_somebody_elses_identity(api: httpx.AsyncClient, idp: Provider, join: Join) -> None:
    owner, thief = await join(), await join()
    await link(api, owner, idp, sub="one", email=address())
    refused = await link(api, thief, idp, sub="one", email=address())
    assert refused.headers["location"] == "/settings?sign-in-error=oidc_identity_taken"
    mine = (await api.get(IDENTITIES, headers=bearer(owner.access_token))).json()[0]["id"]
    stranger = await api.delete(f"{IDENTITIES}/{mine}", headers=bearer(thief.access_token))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "identity_not_found")


async def test_attack_linking_after_signing_out(api: httpx.AsyncClient, idp: Provider, join: Join) -> None:
    person = await join()
    begun = await api.post(IDENTITIES, json={"provider": "school"}, headers=bearer(person.access_token))
    url = begun.json()["url"]
    await api.post("/api/v1/auth/logout", json={"refresh_token": person.refresh_token})
    assert error_of(await come_back(api, url, idp.sign_in(url, email=address()))) == "signed_out"


async def test_the_last_way_in_stays(api: httpx.AsyncClient, idp: Provider, house: House) -> None:
    told = await who_is(api, await sign_in(api, idp, email=address(), sub="only"))
    token = (await api.post("/api/v1/auth/refresh")).json()["access_token"]
    mine = (await api.get(IDENTITIES, headers=bearer(token))).json()[0]["id"]
    refused = await api.delete(f"{IDENTITIES}/{mine}", headers=bearer(token))
    assert (refused.status_code, refused.json()["code"]) == (409, "identity_last_way")
    async with house.db.transaction() as tx:
        statement = text("UPDATE \"user\".accounts SET password_hash = 'x' WHERE id = :id")
        await tx.execute(statement, {"id": told["id"]})
    assert (await api.delete(f"{IDENTITIES}/{mine}", headers=bearer(token))).status_code == 204


async def test_no_password_signs_in_to_an_account_without_one(
    api: httpx.AsyncClient, idp: Provider, house: House
) -> None:
    email = address()
    await sign_in(api, idp, email=email, sub="bare")
    for password in ("", " ", PASSWORD):
        refused = await api.post("/api/v1/auth/login", json={"email": email, "password": password})
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")


# Groups


class Granting(Module):
    """Stands where organisations stand: keeps what it was told."""

    name = "granting"
    told: ClassVar[list[tuple[str, list[Grant]]]] = []

    def offers(self) -> Any:
        async def apply(_tx: Tx, _account: Any, source: str, grants: Any) -> None:
            self.told.append((source, list(grants)))

        return (GROUPS.offer(apply),)


async def test_groups_give_and_take(
    house_settings: Settings, api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = "018f0000-0000-7000-8000-000000000001"
    mapping = {"group": "math", "scope_id": scope, "role": "instructor"}
    more: Any = {"groups_claim": "groups", "supervisor_groups": ["admins"], "memberships": [mapping]}
    set_up(monkeypatch, school(idp.url, **more))
    granting = Granting()
    granting.told.clear()
    async with open_house(house_settings, [Accounts(), granting], "test", deliver=lambda _: None) as house:
        transport = httpx.ASGITransport(build_app(house, [Accounts()]), client=("groups", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as browser:
            email = address()
            for groups, role, memberships in (
                (["admins", "math"], "supervisor", 1),
                ("math", "user", 1),
                (["admins"], "supervisor", 0),
                ({"admins": 1}, "user", 0),
                (None, "user", 0),
            ):
                told = await who_is(browser, await sign_in(browser, idp, email=email, sub="g", groups=groups))
                assert told["role"] == role
                source, grants = granting.told[-1]
                assert source == "oidc:school"
                assert len(grants) == memberships


async def test_groups_take_nothing_that_they_did_not_give(
    api: httpx.AsyncClient, idp: Provider, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    more: Any = {"groups_claim": "groups", "supervisor_groups": ["admins"]}
    set_up(monkeypatch, school(idp.url, **more))
    boss = await join(supervisor=True)
    await link(api, boss, idp, sub="boss", email=address())
    for groups in (["admins"], []):
        told = await who_is(api, await sign_in(api, idp, sub="boss", email=address(), groups=groups))
        assert told["role"] == "supervisor"


# An independent provider


async def test_with_an_independent_provider(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, join: Join
) -> None:
    await join(supervisor=True)
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        set_up(monkeypatch, school(issuer))
        email = address()
        async with httpx.AsyncClient() as browser:
            claims = {"email": email, "email_verified": True, "name": "김마당"}
            await browser.put(f"{issuer}/users/jimin", json=claims)
            url = await begin(api)
            shown = await browser.post(url, data={"sub": "jimin"})
            assert shown.status_code == 302, shown.text
            back = urlsplit(shown.headers["location"])
            assert back.path == CALLBACK
            told = await who_is(api, await api.get(f"{back.path}?{back.query}"))
            assert (told["email"], told["name"]) == (email, "김마당")
            denied = await browser.post(await begin(api), data={"action": "deny"})
            back = urlsplit(denied.headers["location"])
            assert error_of(await api.get(f"{back.path}?{back.query}")) == "oidc_denied"
