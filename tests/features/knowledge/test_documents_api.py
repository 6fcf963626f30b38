"""`/documents` as its users, and those who mean no good, meet it."""

import unicodedata
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import Request
from sqlalchemy import text

from madang.features.files import settings
from madang.features.files.module import Files
from madang.features.files.service import uploads
from madang.features.knowledge import routes
from madang.features.knowledge.contracts import IngestDocument
from madang.features.knowledge.module import Knowledge
from madang.features.knowledge.service import ingest
from madang.kernel.auth import Principal
from madang.kernel.errors import Unauthorized
from madang.kernel.http import build_app, get_principal
from tests.features.knowledge import hostile
from tests.features.knowledge.library import BODY, new_account

API = "/api/v1/documents"
CONTENT = BODY.encode()


def from_token(request: Request) -> Principal:
    """An account's id serves as its token here; tokens have tests of their own."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer":
        raise Unauthorized("not_signed_in", "Sign in.")
    return Principal(UUID(token))


@pytest.fixture
async def api(house, embedder):
    app = build_app(house, [Files(), Knowledge()])
    app.dependency_overrides[get_principal] = from_token
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        yield client


@pytest.fixture
async def who(house):
    return await new_account(house)


def signed(who):
    return {"Authorization": f"Bearer {who.account_id}"}


async def send(api, who, content=CONTENT, name="규정.txt"):
    return await api.post(f"{API}/", files={"file": (name, content)}, headers=signed(who))


async def ready(api, house, who, content=CONTENT, name="규정.txt"):
    """An uploaded document, made searchable. Its id."""
    document_id = (await send(api, who, content, name)).json()["id"]
    await ingest.ingest(house, IngestDocument(document_id, who.account_id))
    return document_id


async def test_from_upload_to_answer(api, house, who):
    accepted = await send(api, who)
    assert accepted.status_code == 202
    assert {"status": "queued", "duplicate": False}.items() <= accepted.json().items()
    document_id = accepted.json()["id"]
    before = (await api.get(f"{API}/{document_id}", headers=signed(who))).json()
    assert (before["status"], before["stage"], before["progress"], before["error"]) == ("queued", None, 0.0, None)
    await ingest.ingest(house, IngestDocument(document_id, who.account_id))
    after = (await api.get(f"{API}/{document_id}", headers=signed(who))).json()
    assert (after["status"], after["progress"], after["title"]) == ("ready", 1.0, "규정")
    assert (after["size"], after["media_type"], after["filename"]) == (len(CONTENT), "text/plain", "규정.txt")
    found = (await api.get(f"{API}/search", params={"q": "규정 4조"}, headers=signed(who))).json()["items"]
    assert found[0]["document_id"] == document_id
    assert found[0]["text"].startswith("4. 4번째")
    assert 0 <= found[0]["score"] <= 1
    page = (await api.get(f"{API}/{document_id}/pages/{found[0]['page']}", headers=signed(who))).json()
    assert found[0]["text"] in page["text"]


async def test_the_original_comes_back_as_it_was(api, who):
    name = unicodedata.normalize("NFD", "../../한글 'quoted\" 규정.txt")
    document_id = (await send(api, who, name=name)).json()["id"]
    original = await api.get(f"{API}/{document_id}/file", headers=signed(who))
    assert original.content == CONTENT
    assert original.headers["x-content-type-options"] == "nosniff"
    disposition = original.headers["content-disposition"]
    assert disposition.startswith("attachment; ")
    assert "%ED%95%9C%EA%B8%80" in disposition
    assert ".." not in disposition


async def test_the_same_content_again_is_the_same_document(api, who):
    first = (await send(api, who)).json()
    again = (await send(api, who, name="다른 이름.txt")).json()
    assert (again["id"], again["duplicate"]) == (first["id"], True)


async def test_lists_are_paged_and_filtered(api, house, who):
    ids = [(await send(api, who, f"문서 {number}".encode(), f"보고서_{number}.md")).json()["id"] for number in range(5)]
    met, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await api.get(f"{API}/", params=params, headers=signed(who))).json()
        met += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert met == ids[::-1]
    filtered = (await api.get(f"{API}/", params={"q": "보고서 3"}, headers=signed(who))).json()["items"]
    assert [item["id"] for item in filtered] == [ids[3]]
    assert (await api.get(f"{API}/", params={"q": "%"}, headers=signed(who))).json()["items"] == []


@pytest.mark.parametrize("what", ["pages", "chunks"])
async def test_parts_are_paged_in_order(api, house, who, what):
    document_id = await ready(api, house, who, content=CONTENT * 3)
    met, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor is not None else {})
        page = (await api.get(f"{API}/{document_id}/{what}", params=params, headers=signed(who))).json()
        met += [item["number" if what == "pages" else "ordinal"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert met == list(range(1 if what == "pages" else 0, len(met) + (what == "pages")))
    assert len(met) > 3


async def test_a_document_that_failed_says_why_and_is_tried_again(api, house, who):
    document_id = await ready(api, house, who, hostile.pdf([]), "scan.pdf")
    shown = (await api.get(f"{API}/{document_id}", headers=signed(who))).json()
    assert (shown["status"], shown["error"]["code"]) == ("failed", "no_text_found")
    tried = await api.post(f"{API}/{document_id}/retry", headers=signed(who))
    assert (tried.status_code, tried.json()["status"], tried.json()["error"]) == (202, "queued", None)
    again = await api.post(f"{API}/{document_id}/retry", headers=signed(who))
    assert (again.status_code, again.json()["code"]) == (409, "document_not_failed")


async def test_deleting_ends_it(api, house, who):
    document_id = await ready(api, house, who)
    assert (await api.delete(f"{API}/{document_id}", headers=signed(who))).status_code == 204
    assert (await api.get(f"{API}/{document_id}", headers=signed(who))).status_code == 404
    assert (await api.delete(f"{API}/{document_id}", headers=signed(who))).status_code == 404
    found = await api.get(f"{API}/search", params={"q": "규정"}, headers=signed(who))
    assert found.json() == {"items": []}
    assert (await send(api, who)).json()["duplicate"] is False


async def test_a_stranger_sees_nothing_anywhere(api, house, who):
    document_id = await ready(api, house, who)
    stranger = await new_account(house)
    for method, path in (
        ("GET", ""),
        ("GET", "/pages"),
        ("GET", "/pages/1"),
        ("GET", "/chunks"),
        ("GET", "/file"),
        ("POST", "/retry"),
        ("DELETE", ""),
    ):
        for thing in (document_id, uuid4()):
            met = await api.request(method, f"{API}/{thing}{path}", headers=signed(stranger))
            assert (met.status_code, met.json()["code"]) == (404, "document_not_found"), (method, path)
            unsigned = await api.request(method, f"{API}/{thing}{path}")
            assert unsigned.status_code == 401
    for params in ({"q": "규정 4조"}, {"q": "규정 4조", "document_ids": document_id}):
        assert (await api.get(f"{API}/search", params=params, headers=signed(stranger))).json() == {"items": []}
    assert (await api.get(f"{API}/", headers=signed(stranger))).json()["items"] == []
    assert (await send(api, stranger)).json()["duplicate"] is False
    assert (await api.get(f"{API}/{document_id}", headers=signed(who))).json()["status"] == "ready"


async def test_row_level_security_holds_without_any_where(house, api, who):
    await ready(api, house, who)
    stranger = await new_account(house)
    async with house.db.transaction(stranger) as tx:
        for table in ("files", "documents", "document_pages", "document_chunks", "postings", "vectors"):
            assert await tx.scalar(text(f'SELECT count(*) FROM "user".{table}')) == 0, table
            forged = await tx.execute(text(f'DELETE FROM "user".{table}'))
            assert forged.rowcount == 0, table
    async with house.db.transaction(who) as tx:
        for table in ("files", "documents", "document_pages", "document_chunks", "postings", "vectors"):
            assert await tx.scalar(text(f'SELECT count(*) FROM "user".{table}')), table


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (b"", "a.txt", 422, "file_empty"),
        (b"MZ\x90\x00" * 99, "report.pdf", 415, "unsupported_file_type"),
        (b"\x89PNG\r\n\x1a\n", "a.txt", 415, "unsupported_file_type"),
        (b"x" * 1_500_000, "a.txt", 413, "file_too_large"),
    ],
)
async def test_bad_uploads_are_refused_and_leave_nothing(api, house, who, monkeypatch, content, name, status, code):
    limit = settings.FileSettings(max_upload_mb=1)
    monkeypatch.setattr(uploads, "load", lambda: limit)
    monkeypatch.setattr(routes, "file_settings", lambda: limit)
    refused = await send(api, who, content, name)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await api.get(f"{API}/", headers=signed(who))).json()["items"] == []


async def test_a_huge_upload_without_a_length_is_stopped_on_the_way(api, who, monkeypatch):
    monkeypatch.setattr(uploads, "load", lambda: settings.FileSettings(max_upload_mb=1))
    sent = 0

    async def endless():
        nonlocal sent
        yield b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        while sent < 50_000_000:
            sent += 65_536
            yield b"x" * 65_536

    headers = signed(who) | {"Content-Type": "multipart/form-data; boundary=XX"}
    refused = await api.post(f"{API}/", content=endless(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "file_too_large")


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 400),
        ("multipart/form-data", b"", 400),
        ("multipart/form-data; boundary=XX", b"", 422),
        ("multipart/form-data; boundary=XX", b"--XX\r\nbroken", 422),
        ("multipart/form-data; boundary=XX", b"nonsense", 400),
    ],
)
async def test_what_is_no_form_is_refused(api, who, kind, body, status):
    refused = await api.post(f"{API}/", content=body, headers=signed(who) | {"Content-Type": kind})
    assert refused.status_code == status


async def test_nobody_uploads_unsigned(api):
    assert (await api.post(f"{API}/", files={"file": ("a.txt", b"text")})).status_code == 401


async def test_questions_have_a_length(api, house, who):
    await ready(api, house, who)
    assert (await api.get(f"{API}/search", params={"q": "x" * 2001}, headers=signed(who))).status_code == 422
    for nothing in ("", "   "):
        assert (await api.get(f"{API}/search", params={"q": nothing}, headers=signed(who))).json() == {"items": []}


@pytest.mark.parametrize("query", ["'; DROP TABLE x; --", "%_\\", "🙂", "?", "a" * 2000, "가" * 2000, "\u202e"])
async def test_any_question_is_answered(api, house, who, query):
    await ready(api, house, who)
    assert (await api.get(f"{API}/search", params={"q": query}, headers=signed(who))).status_code == 200
