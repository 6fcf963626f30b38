"""Who is in front of this server and by which name it is reached, before anything else looks at a request."""

import socket
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from madang.kernel import log
from madang.kernel.errors import Problem
from madang.kernel.http import PROBES, SHARED_CLIENT
from madang.kernel.problems import problem_response
from madang.kernel.settings import Networks, Settings

logger = log.get_logger(__name__)

FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"forwarded", b"x-real-ip"})
WARNED_AT_MOST = 100
"""Of so many addresses the log says that they forward and are not trusted; anybody can send such headers."""


class TrustedProxies:
    """Believes trusted proxies where a request comes from, and marks what others forwarded. Pure ASGI, outermost.

    The address of a proxy that is not trusted is that of everybody behind it: `scope[SHARED_CLIENT]` says so.
    """

    def __init__(self, app: ASGIApp, networks: Networks) -> None:
        self._app = app
        self._networks = networks
        self._believing = ProxyHeadersMiddleware(app, [str(one) for one in networks])  # type: ignore[arg-type]  # the same under uvicorn's own names
        self._warned: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        client = scope.get("client") or ("", 0)
        peer = plain_address(client[0])
        if is_within(peer, self._networks):
            scope["client"] = (peer, client[1])
            await self._believing(scope, receive, send)  # type: ignore[arg-type]  # as above
            return
        if FORWARDED & {name for name, _ in scope.get("headers", ())}:
            scope[SHARED_CLIENT] = True
            self._warn(peer)
        await self._app(scope, receive, send)

    def _warn(self, peer: str) -> None:
        if peer in self._warned or len(self._warned) >= WARNED_AT_MOST:
            return
        self._warned.add(peer)
        logger.warning(
            "proxy_not_trusted",
            peer=peer,
            mend=f"If {peer} is your proxy, add it to MADANG_TRUSTED_PROXIES; until then all behind it count as one.",
        )


def plain_address(address: str) -> str:
    """The address without its zone, and as IPv4 where a socket for both kinds wrote it as IPv6."""
    bare = address.partition("%")[0]
    try:
        mapped = IPv6Address(bare).ipv4_mapped
    except ValueError:
        return bare
    return str(mapped) if mapped else bare


def is_within(address: str, networks: Networks) -> bool:
    """Whether an address is in one of the networks."""
    try:
        found = ip_address(plain_address(address))
    except ValueError:
        return False
    return any([found in one for one in networks])  # noqa: C419  # a handful; a generator costs more


class HostGuard:
    """Answers only to names that are this server's, so that no other name can be pointed at it (DNS rebinding).

    An address is always good: a browser that was lured elsewhere says the name that it was lured by.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._any = "*" in settings.allowed_hosts
        given = [name.lower() for name in settings.allowed_hosts]
        self._names = frozenset(own_names(settings)) | {name for name in given if "*" not in name}
        self._endings = (".localhost", *(name.removeprefix("*") for name in given if name.startswith("*.")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in {"http", "websocket"} or self._any or scope["path"].startswith(PROBES):
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        if self._is_ours(given):
            await self._app(scope, receive, send)
            return
        logger.info("host_not_allowed", host=given[:200])
        detail = (
            "This server is not known by that name. Open it by its address, or let its operator set MADANG_PUBLIC_URL"
            " or MADANG_ALLOWED_HOSTS."
        )
        problem = Problem("host_not_allowed", detail)
        problem.status = 421  # type: ignore[misc]  # no route raises it
        if scope["type"] == "http":
            await problem_response(problem)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _is_ours(self, given: str) -> bool:
        try:
            name = (urlsplit(f"//{given}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return not name or name in self._names or name.endswith(self._endings) or _is_address(name)


def own_names(settings: Settings) -> Iterable[str]:
    """The names of this server that nobody has to set."""
    yield "localhost"
    machine = socket.gethostname().lower()
    yield machine
    yield f"{machine.partition('.')[0]}.local"
    if settings.public_url:
        yield (urlsplit(settings.public_url).hostname or "").lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
