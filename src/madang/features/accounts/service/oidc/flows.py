"""One way to a provider and back, bound to the browser that began it.

The browser holds a cookie with a random seed and what the way is for, under a MAC. State, nonce and the PKCE verifier
are made from the seed with this server's key whenever they are needed, so nothing is stored, and the cookie gives none
of them away. A way is gone once: the seed is noted as used before the code is exchanged.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from urllib.parse import unquote
from uuid import UUID

import msgspec

from madang.features.accounts.service import tokens
from madang.kernel.clock import now
from madang.kernel.errors import BadRequest
from madang.kernel.house import House

LIFETIME_SECONDS = 600
LONGEST_RETURN = 2000
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?#\[\]-]*")


@dataclass(frozen=True, slots=True)
class Flow:
    """What a way is for. `login_id` is the sign-in whose account is to be linked, None for signing in.

    `key` names the key of this server that everything of the way is made with.
    """

    provider: str
    seed: str
    return_to: str | None
    expires_at: int
    account_id: UUID | None = None
    login_id: UUID | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a way is proved by; texts of 43 characters that URLs take as they are."""

    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """The S256 challenge of the verifier (RFC 7636)."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())


def begin(
    house: House, provider: str, return_to: str | None, *, account_id: UUID | None = None, login_id: UUID | None = None
) -> Flow:
    """A new way."""
    expires_at = int(now().timestamp()) + LIFETIME_SECONDS
    seed, key = secrets.token_urlsafe(24), next(iter(_keys(house)))
    return Flow(provider, seed, own_path(return_to), expires_at, account_id, login_id, key)


def secrets_of(house: House, flow: Flow) -> Secrets:
    """State, nonce and verifier of a way; the same every time."""
    key = _keys(house)[flow.key]
    made = [_text(hmac.digest(key, f"{purpose}:{flow.seed}".encode(), "sha256")) for purpose in ("s", "n", "v")]
    return Secrets(*made)


def seal(house: House, flow: Flow) -> str:
    """The way as a cookie's value."""
    body = msgspec.json.encode(flow)
    return f"{_text(body)}.{_text(hmac.digest(_keys(house)[flow.key], b'cookie:' + body, 'sha256'))}"


def open_sealed(house: House, sealed: str | None, provider: str, state: str | None) -> Flow:
    """The way that this browser began to this provider with this state.

    Raises `BadRequest` (oidc_state_invalid) when there is none, it took too long, or the answer belongs to another.
    """
    flow = _unseal(house, sealed or "")
    if flow is None or flow.provider != provider or flow.expires_at < now().timestamp():
        raise state_invalid()
    if not state or not hmac.compare_digest(secrets_of(house, flow).state.encode(), state.encode(errors="replace")):
        raise state_invalid()
    return flow


async def use_up(house: House, flow: Flow) -> None:
    """Go this way for good; raises `BadRequest` (oidc_state_invalid) when it was gone before."""
    digest = hashlib.sha256(flow.seed.encode()).hexdigest()[:32]
    key = f"{house.settings.key_prefix}:oidc:used:{digest}"
    if not await house.valkey.set(key, b"1", nx=True, ex=LIFETIME_SECONDS + 60):
        raise state_invalid()


def state_invalid() -> BadRequest:
    """The answer to everything that this browser did not begin here a moment ago."""
    detail = "This sign-in was not begun in this browser, took too long or was used already. Begin it again."
    return BadRequest("oidc_state_invalid", detail)


def own_path(path: str | None) -> str | None:
    """The path if it leads to a page of this server and nowhere else, else None."""
    if path is None or len(path) > LONGEST_RETURN or not _PLAIN_PATH.fullmatch(path):
        return None
    decoded = unquote(re.split("[?#]", path, maxsplit=1)[0])
    odd = "//" in decoded or "\\" in decoded or "/../" in f"{decoded}/" or "/./" in f"{decoded}/"
    is_api = decoded.startswith(("/api/", "/v1/", "/mcp"))
    return None if odd or is_api or not decoded.isprintable() or "%" in decoded else path


def _unseal(house: House, sealed: str) -> Flow | None:
    try:
        body, mac = (
            base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True) for part in sealed.split(".")
        )
        for name, key in _keys(house).items():
            if hmac.compare_digest(mac, hmac.digest(key, b"cookie:" + body, "sha256")):
                flow = msgspec.json.decode(body, type=Flow)
                return flow if flow.key == name else None
    except ValueError:
        pass
    return None


def _keys(house: House) -> dict[str, bytes]:
    """The key of new ways, and those of ways that were begun before it, by their names."""
    keys = [tokens.expand(secret, b"oidc-flow") for secret in house.settings.secrets]
    return {hashlib.sha256(b"name" + key).hexdigest()[:12]: key for key in keys}


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
