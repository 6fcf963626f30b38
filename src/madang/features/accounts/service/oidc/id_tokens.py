"""ID tokens: whose they are, for whom, and whether they are good (OpenID Connect Core 1.0, section 3.1.3.7)."""

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from madang.kernel.clock import now
from madang.kernel.errors import Unauthorized

if TYPE_CHECKING:
    from joserfc.jwk import Key

ALGORITHMS = {"RS256": "sha256", "ES256": "sha256", "PS256": "sha256", "EdDSA": "sha512", "Ed25519": "sha512"}
"""The signatures that are taken, with the digest that `at_hash` is made with. Never none, never a shared secret."""

SMALLEST_RSA_BITS = 2048
LEEWAY_SECONDS = 60
OLDEST_SECONDS = 3600
LONGEST_TOKEN = 32_768
LONGEST_SUBJECT = 255

type Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say to be the answer to what was asked."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str | None


class UnknownKeyError(Exception):
    """The token was signed with a key that is not among those given."""


def token_invalid(reason: str) -> Unauthorized:
    """The answer to a token that is not good; `reason` is for the operator."""
    return Unauthorized("oidc_token_invalid", f"The provider's answer cannot be trusted: {reason}. Sign in again.")


def read_keys(keys: object) -> "list[Key]":
    """The public keys of a JWKS document that can sign what we take; others are passed over.

    Raises ValueError when it is no such document.
    """
    from joserfc.jwk import JWKRegistry  # noqa: PLC0415  # only a sign-in at a provider needs the library

    listed = cast("dict[str, object]", keys).get("keys") if isinstance(keys, dict) else None
    if not isinstance(listed, list):
        msg = "this is not a set of keys"
        raise ValueError(msg)  # noqa: TRY004  # the caller asks whether the document is good
    found: list[Key] = []
    for one in cast("list[object]", listed):
        if not isinstance(one, dict):
            continue
        described = {str(name): value for name, value in cast("dict[object, Any]", one).items() if name != "d"}
        if described.get("kty") not in {"RSA", "EC", "OKP"} or described.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(described)
            if described["kty"] != "RSA" or cast("Any", key).raw_value.key_size >= SMALLEST_RSA_BITS:
                found.append(key)
        except Exception:  # noqa: BLE001, S112  # whatever is wrong with one key, the others are still good
            continue
    return found


def verify(token: str, keys: "Sequence[Key]", expected: Expected) -> Claims:
    """The claims of a good token.

    Raises `UnknownKeyError` when none of the keys has the name that it was signed under, and `Unauthorized`
    (oidc_token_invalid) when it is not good.
    """
    algorithm, kid = _header(token)
    fitting = [key for key in keys if (kid is None or key.kid == kid) and _fits(key, algorithm)]
    if not fitting:
        raise UnknownKeyError
    if len(fitting) > 1:
        raise token_invalid("it does not say which key signed it")
    claims = _signed(token, fitting[0], algorithm)
    _check_parties(claims, expected)
    _check_times(claims)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(errors="replace"), expected.nonce.encode()):
        raise token_invalid("it answers another sign-in")
    _check_access_token(claims, expected.access_token, ALGORITHMS[algorithm])
    return claims


def _header(token: str) -> tuple[str, str | None]:
    if len(token) > LONGEST_TOKEN or token.count(".") != 2:
        raise token_invalid("it is not a signed token")
    first = token.split(".", 1)[0]
    try:
        header: Any = json.loads(base64.b64decode(first + "=" * (-len(first) % 4), b"-_", validate=True))
    except (ValueError, RecursionError):
        raise token_invalid("it is not a signed token") from None
    if not isinstance(header, dict):
        raise token_invalid("it is not a signed token")
    said = cast("dict[str, Any]", header)
    algorithm, kid = said.get("alg"), said.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise token_invalid("its signature is of a kind that is not taken here")
    if "crit" in said or "b64" in said or not isinstance(kid, str | None):
        raise token_invalid("its header asks for what is not known here")
    return algorithm, kid


def _fits(key: "Key", algorithm: str) -> bool:
    kind = {"R": "RSA", "P": "RSA", "E": "OKP"}[algorithm[0]] if algorithm != "ES256" else "EC"
    intended: object = key.as_dict(private=False).get("alg")
    names = {"EdDSA", "Ed25519"}  # RFC 9864 gave the one the other name
    same = intended == algorithm or (intended in names and algorithm in names)
    return key.key_type == kind and (intended is None or same)


def _signed(token: str, key: "Key", algorithm: str) -> Claims:
    from joserfc import jwt  # noqa: PLC0415  # as above
    from joserfc.errors import JoseError  # noqa: PLC0415  # as above
    from joserfc.jws import JWSRegistry  # noqa: PLC0415  # as above

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that RFC 9864 gave EdDSA another name; providers still use the old one
            claims: Claims = jwt.decode(token, key, registry=JWSRegistry(algorithms=[algorithm])).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        raise token_invalid("its signature is wrong") from None
    return claims


def _check_parties(claims: Claims, expected: Expected) -> None:
    audience: Any = claims.get("aud")
    audiences: list[object] = cast("list[object]", audience) if isinstance(audience, list) else [audience]
    if claims.get("iss") != expected.issuer:
        raise token_invalid("another provider made it")
    if expected.client_id not in audiences:
        raise token_invalid("it is for another client")
    azp = claims.get("azp")
    if azp != expected.client_id and (azp is not None or len(audiences) > 1):
        raise token_invalid("it was given to another client")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise token_invalid("it does not say whose it is")


def _check_times(claims: Claims) -> None:
    moment = now().timestamp()
    issued, ends, begins = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
    for one in (issued, ends, begins):
        if isinstance(one, bool) or not isinstance(one, int | float):
            raise token_invalid("it does not say when it is good")
    times = cast("tuple[float, float, float]", (issued, ends, begins))
    if not times[1] > moment - LEEWAY_SECONDS:
        raise token_invalid("it has expired")
    begun, latest = times[2] <= moment + LEEWAY_SECONDS, moment + LEEWAY_SECONDS
    if not begun or not moment - OLDEST_SECONDS < times[0] <= latest:
        raise token_invalid("it was not made just now; compare this server's clock with the provider's")


def _check_access_token(claims: Claims, access_token: str | None, digest: str) -> None:
    said = claims.get("at_hash")
    if said is None or access_token is None:
        return
    whole = hashlib.new(digest, access_token.encode()).digest()
    half = base64.urlsafe_b64encode(whole[: len(whole) // 2]).decode().rstrip("=")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(errors="replace"), half.encode()):
        raise token_invalid("its access token is not the one that came with it")
