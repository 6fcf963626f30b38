"""No body is taken in that is larger than anything asks for, however it comes."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from madang.features.files.settings import FileSettings
from madang.kernel.errors import Unauthorized
from madang.kernel.problems import handle_errors
from madang.processes import bodies
from madang.processes.bodies import BoundedBodies

MEMBER = {"authorization": "Bearer member"}


class Letter(BaseModel):
    text: str


def courtyard() -> FastAPI:
    app = FastAPI()
    handle_errors(app)

    @app.post("/letters")
    async def letters(letter: Letter) -> int:
        return len(letter.text)

    @app.post("/parcels", openapi_extra={"x-body": "streamed"})
    async def parcels(request: Request) -> int:
        return sum([len(part) async for part in request.stream()])

    app.add_middleware(BoundedBodies, check=known_as_member)
    return app


async def known_as_member(bearer: str) -> None:
    if bearer != "member":
        raise Unauthorized("token_invalid", "not one of ours")


@pytest.fixture
async def visitor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(bodies, "LARGEST_BODY", 1000)
    monkeypatch.setattr(bodies, "STRANGERS_BODY", 500)
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
    answer = await visitor.post("/letters", json={"text": "x" * 900}, headers=MEMBER)
    assert (answer.status_code, answer.json()) == (200, 900)


@pytest.mark.parametrize(("bearer", "size"), [("", 500), ("member", 1000)])
async def test_what_does_not_is_refused_with_or_without_a_length(visitor: httpx.AsyncClient, bearer: str, size: int):
    for content in (b'{"text":"' + b"x" * size + b'"}', in_pieces(size)):
        headers = {"content-type": "application/json", "authorization": f"Bearer {bearer}"}
        answer = await visitor.post("/letters", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_of_many_values_is_refused(visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "MOST_VALUES", 20)
    answer = await visitor.post("/letters", json={"text": "well, " * 19}, headers=MEMBER)
    assert answer.status_code == 200
    answer = await visitor.post("/letters", json={"text": [[]] * 20}, headers=MEMBER)
    assert answer.status_code == 413


async def test_a_token_that_is_not_good_is_told_of(visitor: httpx.AsyncClient):
    answer = await visitor.post("/letters", json={"text": "x" * 900}, headers={"authorization": "Bearer other"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_a_form_to_any_other_route_may_carry_no_more_than_others(visitor: httpx.AsyncClient):
    kind = {"content-type": "multipart/form-data; boundary=XX", **MEMBER}
    assert (await visitor.post("/letters", content=in_pieces(1100), headers=kind)).status_code == 413


@pytest.mark.parametrize(("size", "status"), [(4000, 200), (5100, 413)])
async def test_a_route_that_reads_its_body_itself_may_take_a_file(visitor: httpx.AsyncClient, size: int, status: int):
    kind = {"content-type": "multipart/form-data; boundary=XX"}
    assert (await visitor.post("/parcels", content=in_pieces(size), headers=kind)).status_code == status
