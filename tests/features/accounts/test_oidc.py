"""Signing in at a provider: every attack on the way there and back, by its name."""

import asyncio
import base64
import json
import re
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from madang.features.accounts.service.oidc import flows
from madang.features.accounts.service.oidc.flows import own_path
from madang.kernel.house import House
from tests.features.accounts.oidc import (
    CALLBACK,
    address,
    begin,
    come_back,
    count,
    error_of,
    school,
    set_up,
    sign_in,
    state_of,
    who_is,
)
from tests.features.accounts.provider import Provider, new_key, serve


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


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"])
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
    monkeypatch.setattr(flows, "LIFETIME_SECONDS", -1)
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
