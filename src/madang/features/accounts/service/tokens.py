"""Access and refresh tokens: how they are made and read. Nothing here touches the database.

Every purpose has a key of its own, derived from `MADANG_SECRET_KEY` by HKDF (RFC 5869). A refresh token names its
sign-in and its generation and carries a MAC over both and the sign-in's salt. It can be made again but not guessed:
neither the database without the key nor the key without the database yields one.
"""

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from madang.kernel.clock import now
from madang.kernel.errors import Unauthorized
from madang.kernel.without import without

with without("cryptography"):  # 8 MB for kinds of signatures that are never accepted here
    import jwt

ALGORITHM = "HS256"
ISSUER = "madang"
AUDIENCE = "madang-api"
LEEWAY_SECONDS = 5
REFRESH_PREFIX = "mr1."
_REFRESH = struct.Struct(">16sI32s")


@dataclass(frozen=True, slots=True)
class Keys:
    """The derived keys; `kid` names the access key in the tokens it signed. What the `former` ones signed is good."""

    access: bytes
    refresh: bytes
    browser: bytes
    kid: str
    former: "tuple[Keys, ...]" = ()


def derive_keys(secret: str, *former: str) -> Keys:
    """One key for each purpose from the house's secret, and from those that it had before."""
    access = expand(secret, b"access-token")
    return Keys(
        access=access,
        refresh=expand(secret, b"refresh-token"),
        browser=expand(secret, b"browser"),
        kid=hashlib.sha256(b"kid" + access).hexdigest()[:12],
        former=tuple(derive_keys(one) for one in former),
    )


def expand(secret: str, purpose: bytes) -> bytes:
    """The key for one purpose: HKDF-SHA256 of one block."""
    extracted = hmac.digest(b"madang", secret.encode(), "sha256")
    return hmac.digest(extracted, b"madang/" + purpose + b"\x01", "sha256")


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """Whom an access token speaks for."""

    account_id: UUID
    login_id: UUID


def make_access_token(keys: Keys, claims: AccessClaims, lifetime: timedelta) -> str:
    """A signed token that is good for `lifetime` from now."""
    moment = now()
    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(claims.account_id),
        "sid": str(claims.login_id),
        "iat": moment,
        "exp": moment + lifetime,
    }
    return jwt.encode(payload, keys.access, ALGORITHM, headers={"kid": keys.kid})


def read_access_token(keys: Keys, token: str) -> AccessClaims:
    """The claims of a token that this house signed and that is still good; raises `Unauthorized` otherwise."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        signer = next((one for one in (keys, *keys.former) if one.kid == kid), None)
        if signer is None:
            raise _not_ours()
        payload = jwt.decode(
            token,
            signer.access,
            [ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud", "sub", "sid"]},
        )
        return AccessClaims(UUID(payload["sub"]), UUID(payload["sid"]))
    except jwt.ExpiredSignatureError as error:
        detail = "The access token has expired. Get a new one from POST /api/v1/auth/refresh."
        raise Unauthorized("token_expired", detail) from error
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise _not_ours() from error


def _not_ours() -> Unauthorized:
    return Unauthorized("token_invalid", "The access token is not one of this server's. Sign in again.")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token taken apart; nothing about it is proved before `is_genuine`."""

    login_id: UUID
    generation: int
    mac: bytes


def make_refresh_token(keys: Keys, login_id: UUID, generation: int, salt: bytes) -> str:
    """The token of one generation of a sign-in; the same every time it is asked for."""
    mac = _mac(keys, login_id, generation, salt)
    packed = _REFRESH.pack(login_id.bytes, generation, mac)
    return REFRESH_PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_refresh_token(token: str) -> RefreshToken:
    """Take a token apart; raises `Unauthorized` when it has not the shape of one."""
    try:
        body = token.removeprefix(REFRESH_PREFIX)
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        login, generation, mac = _REFRESH.unpack(packed)
    except (ValueError, struct.error) as error:
        raise refresh_invalid() from error
    return RefreshToken(UUID(bytes=login), generation, mac)


def is_genuine(keys: Keys, token: RefreshToken, salt: bytes) -> bool:
    """Whether this house made the token, for whichever generation."""
    macs = [_mac(one, token.login_id, token.generation, salt) for one in (keys, *keys.former)]
    return any(hmac.compare_digest(token.mac, mac) for mac in macs)


def _mac(keys: Keys, login_id: UUID, generation: int, salt: bytes) -> bytes:
    return hmac.digest(keys.refresh, login_id.bytes + generation.to_bytes(4) + salt, "sha256")


def refresh_invalid() -> Unauthorized:
    """The answer to every refresh token that is not good, whatever the reason."""
    return Unauthorized("refresh_invalid", "This sign-in cannot be continued. Sign in again.")
