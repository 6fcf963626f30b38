"""The web app as the api serves it: its own files and nothing else, kept for ever or asked for afresh."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from madang.processes.web import serve_web

PAGE = "<!doctype html><title>Madang</title>"


@pytest.fixture
def static(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text(PAGE)
    (root / "assets" / "index-B0W2Jyya.js").write_text("start()")
    (tmp_path / "secret").write_text("a key")
    (root / "assets" / "way-out").symlink_to(tmp_path / "secret")
    return root


@pytest.fixture
async def browser(static: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(openapi_url=None)
    app.get("/api/v1/ping")(lambda: "pong")
    serve_web(app, static)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://madang.test") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/chat/0193", "/documents", "/한옥"])
async def test_every_page_of_the_app_is_its_index_and_asked_for_afresh(browser: httpx.AsyncClient, path: str):
    page = await browser.get(path)
    assert (page.status_code, page.text) == (200, PAGE)
    assert page.headers["cache-control"] == "no-cache"
    again = await browser.get(path, headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_files_with_a_hash_in_their_name_are_kept_for_ever(browser: httpx.AsyncClient):
    script = await browser.get("/assets/index-B0W2Jyya.js")
    assert script.text == "start()"
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["x-content-type-options"] == "nosniff"


async def test_a_page_runs_nothing_that_is_not_ours_and_is_framed_by_nobody(browser: httpx.AsyncClient):
    policy = (await browser.get("/")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


async def test_text_travels_packed_to_those_who_can_unpack_it(browser: httpx.AsyncClient, static: Path):
    script, path = "start();" * 5000, "/assets/index-B0W2Jyya.js"
    (static / path[1:]).write_text(script)
    packed = await browser.get(path)
    plain = await browser.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.text == plain.text == script
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert int(packed.headers["content-length"]) < len(script) / 20
    assert "content-encoding" not in plain.headers
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["content-type"] == plain.headers["content-type"]
    for kind in (packed, plain):
        headers = {"If-None-Match": kind.headers["etag"], "Accept-Encoding": kind.headers.get("content-encoding", "")}
        assert (await browser.get(path, headers=headers)).status_code == 304


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/v1/nothing", "/health/nothing", "/mcp"])
async def test_what_programs_ask_for_is_never_answered_with_a_page(browser: httpx.AsyncClient, path: str):
    assert (await browser.get(path)).status_code == 404
    assert (await browser.get("/api/v1/ping")).json() == "pong"


async def test_only_reading_is_answered(browser: httpx.AsyncClient):
    assert (await browser.post("/chat")).status_code == 404
    head = await browser.head("/")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path", ["/../secret", "/%2e%2e/secret", "/assets/../../secret", "/assets/way-out", "//etc/passwd", "/a%00b"]
)
async def test_nothing_outside_of_the_app_can_be_read(static: Path, path: str):
    """The path as a server hands it over, which no client has made tidy."""
    app = FastAPI(openapi_url=None)
    serve_web(app, static)
    scope = {"type": "http", "method": "GET", "headers": [], "query_string": b"", "root_path": ""}
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    unquoted = httpx.URL(f"http://madang.test{path}").path if "%" in path else path
    await app({**scope, "path": unquoted, "raw_path": path.encode()}, receive, send)
    assert b"".join(bytes(one.get("body", b"")) for one in sent) == PAGE.encode()


async def test_without_a_built_app_it_says_how_to_build_it(tmp_path: Path):
    app = FastAPI(openapi_url=None)
    serve_web(app, tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://madang.test") as client:
        page = await client.get("/")
    assert page.status_code == 503
    assert "./dev up" in page.text
