"""Limits on connections before anybody is known: their number, the size and time of a request's head, slow bodies.

uvicorn bounds none of these with httptools, so this is its protocol with counters. The times of all connections are
looked at once a second, which costs a request nothing.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import ClassVar, cast, override

from prometheus_client import Counter as Metric
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from madang.kernel import log
from madang.kernel.telemetry import REGISTRY

logger = log.get_logger(__name__)

LOOK_SECONDS = 1.0
HEAD_BYTES = 32_768
"""Of the request line and the headers together; also of what else comes without any of the body, such as trailers."""
HEADERS_AT_MOST = 128
PIPELINED_AT_MOST = 16
"""Requests that one connection may send ahead while another is being answered."""
HEAD_SECONDS = 10.0
"""From the connection, or the first byte of a further request, to the end of the headers."""
BODY_SECONDS, BODY_BYTES_A_SECOND = 20.0, 1_000
"""A body has this long, and a second more for every so many bytes that came."""
READ_SECONDS = 60.0
"""How long a client may read nothing of what is waiting for it."""

REFUSED = Metric("madang_connections_refused", "Connections that were refused or cut.", ("reason",), registry=REGISTRY)

_TITLES = {408: "Request Timeout", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}
_DETAILS = {
    "too_many_connections": "There are too many connections. Close some, or try again in a moment.",
    "request_head_too_large": "The address or the headers of the request are too large.",
    "request_too_slow": "The request came too slowly. Send it again.",
}


@dataclass(slots=True)
class Connections:
    """What one process knows of its open connections.

    `is_proxy` says whether an address is that of a trusted proxy, which speaks for many people.
    """

    at_most: int
    each_at_most: int
    is_proxy: Callable[[str], bool]
    open: "set[LimitedProtocol]" = field(default_factory=set)
    by_client: Counter[str] = field(default_factory=Counter[str])

    def protocol(self) -> type[HttpToolsProtocol]:
        """The protocol to give uvicorn as `http`."""
        return type("Protocol", (LimitedProtocol,), {"table": self})

    def has_room(self, client: str) -> bool:
        """Whether one more connection of this client is taken."""
        if len(self.open) >= self.at_most:
            return False
        return not client or self.by_client[client] < self.each_at_most or self.is_proxy(client)

    def add(self, connection: "LimitedProtocol") -> None:
        """Count a connection until it is dropped."""
        self.open.add(connection)
        self.by_client[connection.key] += 1

    def drop(self, connection: "LimitedProtocol") -> None:
        """Count it no more; does nothing for one that is not counted."""
        if connection not in self.open:
            return
        self.open.discard(connection)
        self.by_client[connection.key] -= 1
        if not self.by_client[connection.key]:
            del self.by_client[connection.key]

    async def watch(self) -> None:
        """Cut what is too slow, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            for connection in list(self.open):
                connection.look(now)


class LimitedProtocol(HttpToolsProtocol):
    """One connection that is cut when its client sends too much, or too slowly, of what nobody has asked for."""

    table: ClassVar[Connections]
    key: str = ""
    _in_head: bool = True
    _idle: bool = False
    _since: float = 0.0
    _body_bytes: int = 0
    _quiet_bytes: int = 0
    _stuck_since: float = 0.0

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.key = client_network(self.client[0]) if self.client else ""
        self._since = time.monotonic()
        if not self.table.has_room(self.client[0] if self.client else ""):
            self.refuse(503, "too_many_connections")
            return
        self.table.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.table.drop(self)
        super().connection_lost(exc)

    @override
    def handle_websocket_upgrade(self) -> None:
        self.table.drop(self)
        super().handle_websocket_upgrade()

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._idle:
            self._idle, self._in_head, self._since = False, True, time.monotonic()
        self._quiet_bytes += len(data)
        super().data_received(data)
        if self._quiet_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.refuse(431, "request_head_too_large")

    @override
    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():  # it was refused already, and parsing stopped for that
            super().send_400_response(msg)

    @override
    def on_message_begin(self) -> None:
        self._idle, self._in_head = False, True
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= HEADERS_AT_MOST:
            self._stop_parsing(431, "request_head_too_large")
        super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > HEAD_BYTES:
            self._stop_parsing(431, "request_head_too_large")
        if len(self.pipeline) >= PIPELINED_AT_MOST:
            self._stop_parsing(503, "too_many_connections")
        self._in_head, self._body_bytes, self._quiet_bytes = False, 0, 0
        self._since = time.monotonic()
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._quiet_bytes = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._idle, self._quiet_bytes = True, 0
        super().on_message_complete()

    def look(self, now: float) -> None:
        """Cut the connection if its client has been too slow at `now`, in seconds of the monotonic clock."""
        if self.transport.is_closing():  # it was refused, and the client does not even take that
            self.transport.abort()
            return
        if self.flow.write_paused:
            self._stuck_since = self._stuck_since or now
            if now - self._stuck_since > READ_SECONDS:
                REFUSED.labels("response_not_read").inc()
                self.transport.abort()
            return
        self._stuck_since = 0.0
        if self._idle:
            return
        if self.flow.read_paused:  # it is we who are slow
            self._since += LOOK_SECONDS
            return
        allowed = HEAD_SECONDS if self._in_head else BODY_SECONDS + self._body_bytes / BODY_BYTES_A_SECOND
        if now - self._since > allowed:
            self.refuse(408, "request_too_slow")

    def refuse(self, status: int, code: str) -> None:
        """Say why, where no response has begun, and close the connection."""
        REFUSED.labels(code).inc()
        cycle = cast("RequestResponseCycle | None", self.cycle)  # none before the first request
        is_open = cycle is not None and not cycle.response_complete
        if not (is_open and (self.cycle.response_started or self.pipeline)):
            document = {"type": "about:blank", "title": _TITLES[status], "status": status, "code": code}
            body = json.dumps({**document, "detail": _DETAILS[code]}).encode()
            head = (
                f"HTTP/1.1 {status} {_TITLES[status]}\r\ncontent-type: application/problem+json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def _stop_parsing(self, status: int, code: str) -> None:
        """Refuse and leave the parser, which ends with what is raised out of its callbacks."""
        self.refuse(status, code)
        raise ConnectionAbortedError(code)


def client_network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 network of an IPv6 one."""
    with suppress(ValueError):
        found = ip_address(address.partition("%")[0])
        if found.version == 6:
            return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return address


def raise_file_limit() -> None:
    """Let this process open as many files, and so connections, as the system lets it."""
    import resource

    with suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
