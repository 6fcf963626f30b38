"""No body is taken in that is larger than anything asks for, however it comes."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from madang.features.files.settings import FileSettings
from madang.kernel.problems import handle_errors
from madang.processes import bodies
from madang.processes.bodies import BoundedBodies


class Letter(BaseModel):
    text: str


def courtyard() -> FastAPI:
    app = FastAPI()
    handle_errors(app)

    @app.post("/letters")
    async def letters(letter: Letter) -> int:
        return len(letter.text)

    @app.post("/parcels")
    async def parcels(request: Request) -> int:
        return sum([len(part) async for part in request.stream()])

    app.add_middleware(BoundedBodies)
    return app


@pytest.fixture
async def visitor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(bodies, "LARGEST_BODY", 1000)
    monkeypatch.setattr(bodies, "BESIDE_A_FILE", 0)
    monkeypatch.setattr(bodies, "file_settings", lambda: FileSettings(max_upload_mb=0.005))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(courtyard()), base_url="http://madang") as client:
        yield client


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    yield b'{"text":"'
    for _ in range(size // 100):
        yield b"x" * 100
    yield b'"}'


async def test_what_fits_is_served_whole(visitor: httpx.AsyncClient):
    answer = await visitor.post("/letters", json={"text": "x" * 900})
    assert (answer.status_code, answer.json()) == (200, 900)


@pytest.mark.parametrize("path", ["/letters", "/parcels"])
async def test_what_does_not_is_refused_with_or_without_a_length(visitor: httpx.AsyncClient, path: str):
    for content in (b'{"text":"' + b"x" * 1000 + b'"}', in_pieces(1000)):
        answer = await visitor.post(path, content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("size", "status"), [(4000, 200), (5100, 413)])
async def test_forms_may_carry_a_file(visitor: httpx.AsyncClient, size: int, status: int):
    kind = {"content-type": "multipart/form-data; boundary=XX"}
    assert (await visitor.post("/parcels", content=in_pieces(size), headers=kind)).status_code == status
