"""Who is believed about where a request comes from, and by which names a server is reached."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI, Request
from structlog.testing import capture_logs

from madang.kernel.http import SHARED_CLIENT
from madang.kernel.settings import Settings
from madang.processes.perimeter import HostGuard, TrustedProxies

type Server = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def server(house_settings: Settings) -> AsyncIterator[Server]:
    """A client from an address, of a server with these settings."""
    opened: list[httpx.AsyncClient] = []

    def open_one(peer: str = "192.0.2.7", **changed: object) -> httpx.AsyncClient:
        app = FastAPI()

        @app.get("/{path:path}")  # noqa: FAST003  # whatever it is
        async def told(request: Request) -> dict[str, object]:
            client = request.client.host if request.client else None
            shared = request.scope.get(SHARED_CLIENT, False)
            return {"client": client, "scheme": request.url.scheme, "shared": shared}

        settings = Settings.model_validate(house_settings.model_dump() | changed)
        guarded = TrustedProxies(HostGuard(app, settings), settings.trusted_proxies)
        transport = httpx.ASGITransport(guarded, client=(peer, 1))  # type: ignore[arg-type]  # an ASGI application
        opened.append(httpx.AsyncClient(transport=transport, base_url="http://localhost"))
        return opened[-1]

    yield open_one
    for client in opened:
        await client.aclose()


FORWARDED = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}


@pytest.mark.parametrize(
    ("peer", "proxies"),
    [("127.0.0.1", None), ("::1", None), ("10.1.2.3", "10.1.0.0/16, 192.0.2.1"), ("::ffff:10.1.2.3", '["10.1.2.3"]')],
)
async def test_a_trusted_proxy_is_believed(server: Server, peer: str, proxies: str | None):
    client = server(peer, **({"trusted_proxies": proxies} if proxies else {}))
    told = (await client.get("/", headers=FORWARDED)).json()
    assert told == {"client": "203.0.113.9", "scheme": "https", "shared": False}


async def test_of_several_addresses_the_last_that_is_no_proxy_counts(server: Server):
    client = server("10.0.0.1", trusted_proxies="10.0.0.0/8")
    forged = {"x-forwarded-for": "198.51.100.1, 203.0.113.9, 10.0.0.2"}
    assert (await client.get("/", headers=forged)).json()["client"] == "203.0.113.9"


@pytest.mark.parametrize(("peer", "proxies"), [("192.0.2.7", None), ("127.0.0.1", "none")])
async def test_anybody_else_is_not_believed_and_warned_of_once(server: Server, peer: str, proxies: str | None):
    client = server(peer, **({"trusted_proxies": proxies} if proxies else {}))
    with capture_logs() as logs:
        told = [(await client.get("/", headers=FORWARDED)).json() for _ in range(3)]
    assert told == [{"client": peer, "scheme": "http", "shared": True}] * 3
    assert [entry["peer"] for entry in logs if entry["event"] == "proxy_not_trusted"] == [peer]


async def test_a_plain_request_is_nobodys_shared_address(server: Server):
    told = (await server().get("/")).json()
    assert told == {"client": "192.0.2.7", "scheme": "http", "shared": False}


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("app.localhost", True),
        ("127.0.0.1:8000", True),
        ("192.168.0.12", True),
        ("[::1]:8000", True),
        ("madang.example.org", True),
        ("madang.example.org.", True),
        ("school.example.net:444", True),
        ("a.b.example.com", True),
        ("example.com", False),
        ("evil.example", False),
        ("madang.example.org.evil.example", False),
        ("localhost.evil.example", False),
        ("evil.example#localhost", False),
        ("[", False),
    ],
)
async def test_only_names_of_this_server_are_answered(server: Server, host: str, is_ours: bool):
    names = {"public_url": "https://madang.example.org", "allowed_hosts": "school.example.net, *.example.com"}
    answer = await server(**names).get("/api/v1/auth/setup", headers={"host": host})
    if is_ours:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"]) == (421, "host_not_allowed")


async def test_probes_come_by_any_name_and_a_star_lets_everything_in(server: Server):
    assert (await server().get("/health/ready", headers={"host": "pod-7.cluster"})).status_code == 200
    assert (await server(allowed_hosts="*").get("/", headers={"host": "evil.example"})).status_code == 200
