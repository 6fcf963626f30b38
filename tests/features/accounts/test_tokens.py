"""Attacks on access and refresh tokens, each by its name."""

import base64
import hmac
import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from madang.features.accounts.service import tokens
from madang.kernel.clock import now
from madang.kernel.errors import Unauthorized

KEYS = tokens.derive_keys("a secret of this test, long enough")
OTHER = tokens.derive_keys("another house's secret, long enough")
CLAIMS = tokens.AccessClaims(uuid4(), uuid4())


def forged(header: dict[str, Any] | None = None, key: bytes = KEYS.access, **claims: Any) -> str:
    """A token like ours, with something different about it."""
    payload = {
        "iss": tokens.ISSUER,
        "aud": tokens.AUDIENCE,
        "sub": str(CLAIMS.account_id),
        "sid": str(CLAIMS.login_id),
        "iat": now(),
        "exp": now() + timedelta(minutes=5),
    } | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key, "HS256", headers={"kid": KEYS.kid} | (header or {}))


def unpadded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def unsigned(algorithm: str) -> str:
    head, body, _ = forged().split(".")
    plain = json.loads(base64.urlsafe_b64decode(head + "=="))
    swapped = base64.urlsafe_b64encode(json.dumps(plain | {"alg": algorithm}).encode()).decode().rstrip("=")
    return f"{swapped}.{body}."


def code_of(token: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        tokens.read_access_token(KEYS, token)
    return caught.value.code


def test_our_own_token_is_read() -> None:
    token = tokens.make_access_token(KEYS, CLAIMS, timedelta(minutes=1))
    assert tokens.read_access_token(KEYS, token) == CLAIMS


def test_expired() -> None:
    assert code_of(forged(exp=now() - timedelta(minutes=1))) == "token_expired"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "HS512", "RS256"])
def test_algorithm_none_and_confusion(algorithm: str) -> None:
    assert code_of(unsigned(algorithm)) == "token_invalid"


def test_another_algorithm_with_the_right_key() -> None:
    token = jwt.encode({"sub": "x"}, KEYS.access + KEYS.access, "HS512", headers={"kid": KEYS.kid})
    assert code_of(token) == "token_invalid"


def test_rs256_with_hmac_confusion() -> None:
    """Neither a token of somebody's own RSA key passes, nor one whose HMAC was made with a public key."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = forged().split(".")[1]
    for kid in (KEYS.kid, OTHER.kid):
        for algorithm in ("RS256", "HS256"):
            header = json.dumps({"alg": algorithm, "typ": "JWT", "kid": kid}).encode()
            body = f"{unpadded(header)}.{claims}"
            for mac in (
                private.sign(body.encode(), PKCS1v15(), SHA256()),
                hmac.digest(public, body.encode(), "sha256"),
            ):
                assert code_of(f"{body}.{unpadded(mac)}") == "token_invalid"


def test_signed_by_another_house() -> None:
    assert code_of(tokens.make_access_token(OTHER, CLAIMS, timedelta(minutes=1))) == "token_invalid"


def test_forged_signature_under_our_kid() -> None:
    assert code_of(forged(key=OTHER.access)) == "token_invalid"


@pytest.mark.parametrize(
    "kid", ["", "../../dev/null", "/etc/passwd", "file:///dev/null", "\x00", "no-such-key", "' OR 1=1 --", OTHER.kid]
)
def test_kid_path_traversal_and_unknown_kid(kid: str) -> None:
    assert code_of(forged({"kid": kid})) == "token_invalid"


def test_key_smuggled_in_the_header() -> None:
    smuggled = {"jwk": {"kty": "oct", "k": "AAAA"}, "jku": "https://example.org/keys", "kid": OTHER.kid}
    assert code_of(forged(smuggled, key=b"A" * 32)) == "token_invalid"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-api"},
        {"aud": None},
        {"iss": "elsewhere"},
        {"iss": None},
        {"exp": None},
        {"sub": None},
        {"sid": None},
        {"sub": "not an id"},
        {"sid": "not an id"},
        {"exp": "tomorrow"},
    ],
    ids=str,
)
def test_wrong_or_missing_claims(claims: dict[str, Any]) -> None:
    assert code_of(forged(**claims)) == "token_invalid"


def test_a_refresh_token_is_no_access_token() -> None:
    assert code_of(tokens.make_refresh_token(KEYS, uuid4(), 1, b"salt")) == "token_invalid"


@given(st.text(max_size=200))
def test_garbage_is_refused_and_never_breaks(garbage: str) -> None:
    assert code_of(garbage) == "token_invalid"
    with pytest.raises(Unauthorized):
        tokens.read_refresh_token(garbage)


@given(st.binary(min_size=52, max_size=52))
def test_a_refresh_token_cannot_be_made_up(body: bytes) -> None:
    made_up = tokens.read_refresh_token(base64.urlsafe_b64encode(body).decode())
    assert not tokens.is_genuine(KEYS, made_up, b"salt")


def test_neither_the_key_nor_the_salt_alone_makes_a_refresh_token() -> None:
    login = uuid4()
    token = tokens.read_refresh_token(tokens.make_refresh_token(KEYS, login, 3, b"salt"))
    assert (token.login_id, token.generation) == (login, 3)
    assert tokens.is_genuine(KEYS, token, b"salt")
    assert not tokens.is_genuine(KEYS, token, b"other salt")
    assert not tokens.is_genuine(OTHER, token, b"salt")


def test_every_purpose_has_its_own_key() -> None:
    assert len({KEYS.access, KEYS.refresh, OTHER.access, OTHER.refresh, b"a secret of this test, long enough"}) == 5


def test_reading_an_access_token_is_cheap() -> None:
    token = tokens.make_access_token(KEYS, CLAIMS, timedelta(minutes=1))
    began = time.process_time()
    for _ in range(200):
        tokens.read_access_token(KEYS, token)
    assert (time.process_time() - began) / 200 < 0.001
