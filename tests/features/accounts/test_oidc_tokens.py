"""Every attack with the tokens of a provider, by its name, and its keys when they change."""

import base64
import hmac
import json
import time
from typing import Any

import httpx
import pytest

from madang.features.accounts.service.oidc import providers
from tests.features.accounts.oidc import (
    address,
    begin,
    come_back,
    error_of,
    sign_in,
)
from tests.features.accounts.provider import CLIENT, SECRET, Provider, new_key


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
    monkeypatch.setattr(providers, "REFETCH_SECONDS", 0)
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
