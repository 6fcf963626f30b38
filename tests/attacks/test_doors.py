"""What somebody who is not signed in can send: every flood is cut at its bound, and what fits is served."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.kernel.house import House
from madang.kernel.settings import Settings
from madang.processes import bodies, connection_limits
from madang.processes.api import guarded
from madang.processes.connection_limits import Connections
from tests.attacks.cast import Cast

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGIN = "/api/v1/auth/login"


@dataclass
class Door:
    """A server on a port of its own, and its connections."""

    port: int
    connections: Connections

    async def send(self, *pieces: bytes) -> tuple[int, dict[str, object]]:
        """What is answered to these bytes: the status and the document."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        try:
            return await answer(reader)
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
        )
        body = await reader.readexactly(length)
    return int(head.split()[1]), json.loads(body or b"{}")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in a server that tells nobody
            await asyncio.sleep(0.01)


def request(path: str, body: bytes = b"", method: str = "POST", **headers: str) -> bytes:
    given = {"host": "localhost", "content-type": "application/json", "content-length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def serving(house: House, at_most: int = 300, each: int = 300) -> AsyncIterator[Door]:
    connections = Connections(at_most, each, lambda _: False)
    config = uvicorn.Config(
        guarded(house, installed()),
        port=0,
        loop="none",
        http=connections.protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # pytest has its own
    running = asyncio.get_running_loop().create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield Door(server.servers[0].sockets[0].getsockname()[1], connections)
    finally:
        server.should_exit = True
        await running
        await until(lambda: not connections.open)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(house_settings: Settings) -> AsyncIterator[Door]:
    async with open_house(house_settings, installed(), "test", deliver=lambda _: None) as house, serving(house) as one:
        yield one


async def test_endless_headers_are_cut_at_32_kilobytes(door: Door):
    head = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n"
    for flood in (b"x-fill: " + b"a" * 200_000, b"".join(b"x-%d: a\r\n" % number for number in range(5_000))):
        status, document = await door.send(head, flood)
        assert (status, document["code"]) == (431, "request_head_too_large")


async def test_an_endless_address_or_endless_trailers_are_cut_too(door: Door):
    status, _ = await door.send(b"GET /" + b"a" * 200_000)
    assert status == 431
    chunked = request(LOGIN, transfer_encoding="chunked").replace(b"content-length: 0\r\n", b"")
    status, _ = await door.send(chunked + b"2\r\n{}\r\n0\r\nx-fill: " + b"a" * 200_000)
    assert status in {422, 431}  # the answer may be there before the trailers


async def test_requests_sent_far_ahead_are_cut(door: Door):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(request("/health/live", method="GET") * 2_000)
    answered = 0
    with suppress(ConnectionError):
        answered = (await reader.read(-1)).count(b"HTTP/1.1 ")
    writer.close()
    assert answered <= connection_limits.PIPELINED_AT_MOST + 2
    assert not any(one.pipeline for one in door.connections.open)


async def test_slow_headers_are_cut_after_their_time(door: Door):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"GET /health/live HTTP/1.1\r\nhost: loc")
    await writer.drain()
    await until(lambda: any(one._quiet_bytes for one in door.connections.open))
    for connection in list(door.connections.open):
        connection.look(time.monotonic() + connection_limits.HEAD_SECONDS - 1)
    assert not reader.at_eof()
    for connection in list(door.connections.open):
        connection.look(time.monotonic() + connection_limits.HEAD_SECONDS + 1)
    status, document = await answer(reader)
    assert (status, document["code"]) == (408, "request_too_slow")
    writer.close()


async def test_slow_bodies_are_cut_and_steady_ones_are_not(door: Door):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(request(LOGIN, content_length="60000") + b"{" + b" " * 30_000)
    await writer.drain()
    await until(lambda: any(one._body_bytes > 30_000 for one in door.connections.open))
    allowed = connection_limits.BODY_SECONDS + 30_000 / connection_limits.BODY_BYTES_A_SECOND
    (connection,) = door.connections.open
    for late, is_cut in ((allowed - 1, False), (allowed + 2, True)):
        connection.look(time.monotonic() + late)
        assert connection.transport.is_closing() == is_cut
    status, document = await answer(reader)
    assert (status, document["code"]) == (408, "request_too_slow")
    writer.close()


@pytest.mark.parametrize("bounds", [(3, 300), (300, 3)])
async def test_connections_are_bounded_in_all_and_for_each_client(bounds: tuple[int, int], house_settings: Settings):
    async with (
        open_house(house_settings, installed(), "test", deliver=lambda _: None) as house,
        serving(house, *bounds) as small,
    ):
        held = [await asyncio.open_connection("127.0.0.1", small.port) for _ in range(3)]
        await until(lambda: len(small.connections.open) == 3)
        status, document = await small.send()
        assert (status, document["code"]) == (503, "too_many_connections")
        held[0][1].close()
        await until(lambda: len(small.connections.open) == 2)
        assert (await small.send(request("/health/live", method="GET")))[0] == 200
        for _, writer in held:
            writer.close()


async def test_a_login_with_thousands_of_unknown_members_gets_a_short_answer(door: Door):
    members = b",".join(b'"m%d":1' % number for number in range(5_000))
    status, document = await door.send(request(LOGIN, b"{" + members + b"}"))
    assert status == 422
    assert len(json.dumps(document)) < 2_000
    status, document = await door.send(
        request(LOGIN, b'{"' + b'","'.join([b"a" * 900] * 40).replace(b'","', b'":1,"') + b'":1}')
    )
    assert status == 422
    assert len(json.dumps(document)) < 10_000


async def test_sixty_three_wrong_members_are_told_of_twenty_at_most(door: Door):
    body = json.dumps({f"{'m' * 500}{number}": 1 for number in range(60)}).encode()
    status, document = await door.send(request(LOGIN, body))
    errors = document["errors"]
    assert isinstance(errors, list)
    assert (status, len(errors)) == (422, 20)
    assert len(json.dumps(document)) < 8_000


@pytest.mark.parametrize("kind", ["application/json", "multipart/x", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("path", [LOGIN, "/api/v1/chat/streaming"])
async def test_a_stranger_sends_64_kilobytes_whatever_the_body_says_it_is(door: Door, path: str, kind: str):
    body = b'{"email": "' + b"a" * 100_000 + b'"}'
    status, document = await door.send(request(path, body, content_type=kind))
    assert (status, document["code"]) == (413, "request_too_large")


async def test_a_forged_token_gets_no_larger_body(door: Door):
    body = b'{"question": "' + b"a" * 100_000 + b'"}'
    status, document = await door.send(request("/api/v1/chat/streaming", body, authorization="Bearer mk_no"))
    assert (status, document["code"]) == (401, "key_invalid")


async def test_who_is_signed_in_sends_more_but_no_flood_of_values(cast: Cast, house_settings: Settings):
    bearer = cast.headers("student")["Authorization"]
    async with serving(cast.house) as own:
        body = b'{"question": "' + b"a" * 100_000 + b'"}'
        status, document = await own.send(request("/api/v1/chat/streaming", body, authorization=bearer))
        assert (status, document["code"]) == (422, "question_too_long")
        body = b'{"question": [' + b"[]," * 100_000 + b"[]]}"
        status, document = await own.send(request("/api/v1/chat/streaming", body, authorization=bearer))
        assert (status, document["code"]) == (413, "request_too_large")


async def test_deep_json_is_refused_and_no_error_of_the_server(door: Door):
    for body in (
        b"[" * 30_000 + b"]" * 30_000,
        b'{"email":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"email": ' + b"9" * 60_000 + b"}",
    ):
        status, document = await door.send(request(LOGIN, body))
        assert status in {400, 422}, document


async def test_one_client_has_so_many_unfinished_bodies_and_no_more(door: Door, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "UNFINISHED_AT_MOST", 5)
    held = []
    for _ in range(5):
        held.append(await asyncio.open_connection("127.0.0.1", door.port))
        held[-1][1].write(request(LOGIN, content_length="100") + b"{")
    await until(lambda: sum(one._body_bytes for one in door.connections.open) == 5)
    status, document = await door.send(request(LOGIN, content_length="100") + b"{")
    assert (status, document["code"]) == (429, "too_many_unfinished")
    for _, writer in held:
        writer.close()


async def test_no_body_has_an_endless_list_or_object(app: FastAPI):
    """pydantic makes an error for each wrong item, so a list without a bound is a way to have it make a million."""
    document = app.openapi()
    schemas = document["components"]["schemas"]
    bodies_of = {
        f"{method.upper()} {path}": schema["schema"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for kind, schema in operation.get("requestBody", {}).get("content", {}).items()
        if kind == "application/json"
    }
    assert len(bodies_of) > 20
    assert {name: found for name, body in bodies_of.items() if (found := unbounded(body, schemas))} == {}


def unbounded(schema: dict[str, Any], schemas: dict[str, Any], seen: frozenset[str] = frozenset()) -> list[str]:
    """Lists without a bound, and objects of which every member is looked at, whatever its name."""
    if (reference := schema.get("$ref")) is not None:
        return (
            [] if reference in seen else unbounded(schemas[reference.rpartition("/")[2]], schemas, seen | {reference})
        )
    found: list[str] = []
    if schema.get("type") == "array" and "maxItems" not in schema:
        found.append(str(schema.get("title")))
    if schema.get("type") == "object" and schema.get("additionalProperties") not in {None, False, True}:
        found.append(str(schema.get("title")))
    for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items")):
        found += unbounded(part, schemas, seen) if part else []
    return found
