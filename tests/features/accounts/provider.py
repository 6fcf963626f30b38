"""A provider that does as a test bids, right or wrong, on a real socket: what an attacker or a broken one would do."""

import asyncio
import base64
import hashlib
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from aiohttp import web
from joserfc import jwk, jwt
from joserfc.jws import JWSRegistry

CLIENT, SECRET = "madang-client", "s3cret of the client"
ALL = ["RS256", "ES256", "PS256", "Ed25519", "EdDSA", "HS256", "none"]


def new_key(kid: str, algorithm: str = "RS256") -> Any:
    if algorithm == "ES256":
        return jwk.ECKey.generate_key("P-256", {"kid": kid})
    if algorithm in {"Ed25519", "EdDSA"}:
        return jwk.OKPKey.generate_key("Ed25519", {"kid": kid})
    return jwk.RSAKey.generate_key(2048, {"kid": kid})


@dataclass
class Provider:
    """What it says and does; a test changes it."""

    url: str = ""
    key: Any = field(default_factory=lambda: new_key("first"))
    algorithm: str = "RS256"
    signing_key: Any = None
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)
    token_answer: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    misbehave: Any = None
    raw_token: str | None = None
    redeemed: list[dict[str, str]] = field(default_factory=list)

    def sign_in(self, authorization_url: str, **claims: Any) -> str:
        """A person signs in at the address that Madang sent them to; the code that they bring back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(authorization_url).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.said)}"
        self.codes[code] = asked
        self.claims = {"sub": "subject-1", "email_verified": True, "nonce": asked["nonce"]} | claims
        self.said[code] = self.claims
        return code

    def token(self, code: str) -> str:
        if self.raw_token is not None:
            return self.raw_token
        moment = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": moment, "exp": moment + 300} | self.said[code]
        header = {"alg": self.algorithm, "kid": self.key.kid} | self.header
        shown = {name: value for name, value in claims.items() if value is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that EdDSA has another name now
            return jwt.encode(header, shown, self.signing_key or self.key, registry=JWSRegistry(algorithms=ALL))

    async def discovery(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "jwks_uri": f"{self.url}/keys",
            }
            | self.described
        )

    async def keys(self, _request: web.Request) -> web.Response:
        broken = {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "broken"}
        return web.json_response({"keys": [broken, {"kty": "oct", "k": "AAAA"}, self.key.as_dict(private=False)]})

    async def exchange(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.redeemed.append(form)
        scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(pair).decode().partition(":")
        assert (scheme, unquote_plus(user), unquote_plus(password)) == ("Basic", CLIENT, SECRET)
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(
            {"access_token": "at", "token_type": "Bearer", "id_token": self.token(form["code"])} | self.token_answer
        )

    async def tell(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer at"
        return web.json_response({"sub": self.claims["sub"]} | self.userinfo)


@asynccontextmanager
async def serve() -> AsyncIterator[Provider]:
    """Run one."""
    provider = Provider()

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
        provider.asked.append(request.path)
        if provider.misbehave is not None:
            answer: web.StreamResponse | None = await provider.misbehave(request)
            if answer is not None:
                return answer
        return await handler(request)

    app = web.Application(middlewares=[watch])
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/keys", provider.keys)
    app.router.add_post("/token", provider.exchange)
    app.router.add_get("/userinfo", provider.tell)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()


async def slowly(_request: web.Request) -> None:
    await asyncio.sleep(30)
