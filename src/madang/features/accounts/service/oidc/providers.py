"""Talking to a provider: what it says about itself, its keys, and the exchange of a code for claims.

Nothing is followed elsewhere: no redirect, no address that the provider's own description does not name, and no plain
HTTP unless the operator wrote the issuer so. Answers are small and quick or they are refused.
"""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote_plus, urlencode, urlsplit

from madang.features.accounts.service.oidc import id_tokens
from madang.features.accounts.service.oidc.flows import Secrets
from madang.features.accounts.service.oidc.id_tokens import Claims, Expected, UnknownKeyError
from madang.features.accounts.settings import OidcProvider
from madang.kernel import log
from madang.kernel.errors import BadGateway, Unauthorized

if TYPE_CHECKING:
    import aiohttp
    from joserfc.jwk import Key

    from madang.kernel.house import House

logger = log.get_logger(__name__)

PATIENCE_SECONDS = 10
LARGEST_ANSWER = 256 * 1024
FRESH_SECONDS = 3600
STALE_SECONDS = 24 * 3600
REFETCH_SECONDS = 30
RESTING_SECONDS = 5
"""So long after a failure nobody waits for the same provider again: hundreds who press the button share one wait."""

REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")

type Document = dict[str, Any]


@dataclass(slots=True)
class Kept[T]:
    """Something a provider says, and when it was asked."""

    value: T
    asked_at: float


@dataclass(slots=True)
class Provider:
    """A provider as this process knows it."""

    chosen: OidcProvider
    session: "aiohttp.ClientSession"
    description: Kept[Document] | None = None
    keys: "Kept[list[Key]] | None" = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    resting_until: float = 0.0

    async def describe(self) -> Document:
        """The provider's own description (OpenID Connect Discovery 1.0); raises `BadGateway`."""
        async with self.asking:
            self.description = await self._renewed(self.description, self._discover)
        return self.description.value

    async def known_keys(self) -> "list[Key]":
        """The provider's keys, an hour old at most while it can be reached; raises `BadGateway`."""
        uri = str((await self.describe())["jwks_uri"])
        async with self.asking:
            self.keys = await self._renewed(self.keys, lambda: self._fetch_keys(uri))
        return self.keys.value

    async def newer_keys(self) -> "list[Key]":
        """The keys, asked for again because one is missing, but not more than every `REFETCH_SECONDS`."""
        uri = str((await self.describe())["jwks_uri"])
        async with self.asking:
            if self.keys is None or monotonic() - self.keys.asked_at >= REFETCH_SECONDS:
                self.keys = Kept(await self._fetch_keys(uri), monotonic())
        return self.keys.value

    async def _renewed[T](self, kept: Kept[T] | None, fetch: "Callable[[], Any]") -> Kept[T]:
        age = monotonic() - kept.asked_at if kept else STALE_SECONDS
        if kept and age < FRESH_SECONDS:
            return kept
        try:
            if monotonic() < self.resting_until:
                raise self.failed("it did not answer a moment ago")
            return Kept(await fetch(), monotonic())
        except BadGateway:
            if monotonic() >= self.resting_until:
                self.resting_until = monotonic() + RESTING_SECONDS
            if kept is None or age >= STALE_SECONDS:
                raise
            return kept

    async def _discover(self) -> Document:
        issuer = self.chosen.issuer
        found = await self.ask("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise self.failed("it calls itself by another issuer than the one that is set up")
        for name in (*REQUIRED, "userinfo_endpoint"):
            if name in found or name in REQUIRED:
                self._permit(found.get(name))
        return found

    def _permit(self, url: object) -> None:
        parts = urlsplit(url) if isinstance(url, str) else None
        plain = parts and parts.scheme == "http" and self.chosen.issuer.startswith("http://")
        if parts is None or not parts.netloc or "@" in parts.netloc or not (parts.scheme == "https" or plain):
            raise self.failed("it names an address that is none, or is not safe")

    async def _fetch_keys(self, uri: str) -> "list[Key]":
        try:
            return id_tokens.read_keys(await self.ask("GET", uri))
        except ValueError:
            raise self.failed("its keys cannot be read") from None

    async def ask(
        self, method: str, url: str, *, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> Document:
        """A JSON object from the provider; raises `BadGateway` (oidc_provider_failed) for everything else."""
        import aiohttp  # noqa: PLC0415  # only a sign-in at a provider needs a client

        try:
            async with (
                asyncio.timeout(PATIENCE_SECONDS),
                self.session.request(method, url, data=form, headers=headers, allow_redirects=False) as response,
            ):
                status, body = response.status, b""
                async for part in response.content.iter_any():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise self.failed("its answer is too large")
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self.failed(f"it did not answer ({type(error).__name__})") from error
        return self._read(body, status)

    def _read(self, body: bytes, status: int) -> Document:
        try:
            said: Any = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        if status != 200 or not isinstance(said, dict):  # OK
            told = cast("Document", said).get("error") if isinstance(said, dict) else None
            raise self.failed(f"it answered {status}{f' ({str(told)[:80]})' if told else ''}")
        return cast("Document", said)

    def failed(self, reason: str) -> BadGateway:
        """The answer to a provider that does not do its part; the reason is for the operator's log."""
        logger.warning("oidc_provider_failed", provider=self.chosen.name, reason=reason)
        detail = f"{self.chosen.label} did not do its part: {reason}. Try again in a moment, or sign in another way."
        return BadGateway("oidc_provider_failed", detail)


@asynccontextmanager
async def open_session(house: "House") -> "AsyncGenerator[aiohttp.ClientSession]":
    """The client of this process for providers, for `house.resource`; it keeps no cookies."""
    import aiohttp  # noqa: PLC0415  # only a sign-in at a provider needs a client

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=32, ttl_dns_cache=60),
        timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS, sock_connect=5),
        headers={"User-Agent": "madang", "Accept": "application/json", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as session:
        yield session


@asynccontextmanager
async def open_providers(house: "House") -> AsyncGenerator[dict[str, Provider]]:
    """What this process knows of each provider, for `house.resource`; filled as they are used."""
    yield {}


async def provider_for(house: "House", chosen: OidcProvider) -> Provider:
    """The provider as this process knows it; one whose settings changed is met anew."""
    session, known = await house.resource(open_session), await house.resource(open_providers)
    found = known.get(chosen.name)
    if found is None or found.chosen != chosen:
        found = known[chosen.name] = Provider(chosen, session)
    return found


async def authorization_url(provider: Provider, made: Secrets, redirect_uri: str, *, asks_whom: bool = False) -> str:
    """Where the browser is sent to sign in; raises `BadGateway`.

    With `asks_whom` the provider lets the person choose an account, also when one is signed in there.
    """
    described = await provider.describe()
    endpoint = str(described["authorization_endpoint"])
    asked = {
        "response_type": "code",
        "client_id": provider.chosen.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(dict.fromkeys(("openid", *provider.chosen.scopes))),
        "state": made.state,
        "nonce": made.nonce,
        "code_challenge": made.challenge,
        "code_challenge_method": "S256",
    }
    if asks_whom:
        asked |= _prompt(described)
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"


def _prompt(described: Document) -> dict[str, str]:
    """How the provider is told to let the person choose; those that say which words they know are told one of these."""
    known = described.get("prompt_values_supported")
    words = [word for word in ("select_account", "login") if not isinstance(known, list) or word in known]
    return {"prompt": words[0]} if words else {}


async def check_issuer(provider: Provider, said: str | None) -> None:
    """Whether the answer comes from this provider and not from another (RFC 9207); raises `Unauthorized`."""
    required = (await provider.describe()).get("authorization_response_iss_parameter_supported") is True
    if said != provider.chosen.issuer and (required or said is not None):
        raise id_tokens.token_invalid("another provider gave it")


async def redeem(provider: Provider, code: str, made: Secrets, redirect_uri: str) -> Claims:
    """Exchange a code for the claims about whoever signed in; raises `BadGateway` and `Unauthorized`."""
    described = await provider.describe()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": made.verifier,
    }
    headers = _authenticate(provider.chosen, described, form)
    answer = await provider.ask("POST", str(described["token_endpoint"]), form=form, headers=headers)
    token, access = answer.get("id_token"), answer.get("access_token")
    if not isinstance(token, str):
        raise provider.failed("it gave no ID token")
    expected = Expected(
        provider.chosen.issuer, provider.chosen.client_id, made.nonce, access if isinstance(access, str) else None
    )
    claims = await _verified(provider, token, expected)
    return await _completed(provider, described, claims, expected.access_token)


async def _verified(provider: Provider, token: str, expected: Expected) -> Claims:
    try:
        return id_tokens.verify(token, await provider.known_keys(), expected)
    except UnknownKeyError:
        pass
    try:
        return id_tokens.verify(token, await provider.newer_keys(), expected)
    except UnknownKeyError:
        raise id_tokens.token_invalid("it was signed with a key that the provider does not name") from None


def _authenticate(chosen: OidcProvider, described: Document, form: dict[str, str]) -> dict[str, str]:
    """How this client shows that it is itself: by HTTP Basic, or in the form where the provider only takes that."""
    secret = chosen.client_secret.get_secret_value() if chosen.client_secret else None
    methods = described.get("token_endpoint_auth_methods_supported")
    if secret is None:
        form["client_id"] = chosen.client_id
        return {}
    if isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods:
        form |= {"client_id": chosen.client_id, "client_secret": secret}
        return {}
    pair = f"{quote_plus(chosen.client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


async def _completed(provider: Provider, described: Document, claims: Claims, access: str | None) -> Claims:
    """The claims, with those of the userinfo endpoint where one that matters is missing."""
    wanted = {"email", "email_verified", provider.chosen.groups_claim or "email"}
    endpoint = described.get("userinfo_endpoint")
    if wanted <= claims.keys() or access is None or not isinstance(endpoint, str):
        return claims
    told = await provider.ask("GET", endpoint, headers={"Authorization": f"Bearer {access}"})
    if told.get("sub") != claims["sub"]:
        raise Unauthorized("oidc_token_invalid", "The provider told about somebody else. Sign in again.")
    return {**told, **claims}
