"""Who deletes their account leaves nothing behind."""

import asyncio
import io
import json
import time
from uuid import UUID
from zipfile import ZipFile

from sqlalchemy import text

from madang.features.accounts.service.leaving import finish_due
from tests.api.conftest import PASSWORD, PATIENCE_SECONDS, Live

KEPT = ("sessions", "messages", "runs", "documents", "document_chunks", "files")


async def _left(live: Live, account_id: UUID) -> dict[str, int]:
    """How many rows of the account each table has, and how many objects of theirs are stored."""
    assert live.house is not None
    async with live.house.db.transaction() as tx:
        counted = {
            table: await tx.scalar(
                text(f'SELECT count(*) FROM "user".{table} WHERE account_id = :id'), {"id": account_id}
            )
            for table in KEPT
        }
    return {table: count for table, count in counted.items() if count}


async def _let_go(live: Live, account_id: UUID) -> None:
    """Let the days of grace pass."""
    assert live.house is not None
    async with live.house.db.transaction() as tx:
        passed = text('UPDATE "user".accounts SET deletion_at = now() WHERE id = :id')
        await tx.execute(passed, {"id": account_id})
    await finish_due(live.house)


def test_everything_of_an_account_goes_with_it(live: Live, supervisor: str, belongings: dict[str, str]) -> None:
    assert live.loop is not None
    account_id = UUID(belongings["user_id"])

    def left() -> dict[str, int]:
        return asyncio.run_coroutine_threadsafe(_left(live, account_id), live.loop).result(PATIENCE_SECONDS)

    assert {"sessions", "messages", "runs", "documents", "files"} <= set(left())
    live.join()
    with live.client(supervisor) as person:
        assert person.delete(f"/api/v1/scopes/{belongings['scope_id']}").status_code == 204
        left_at = person.request("DELETE", f"/api/v1/users/{account_id}", json={"password": PASSWORD})
        assert left_at.status_code == 204, left_at.text
        assert person.get("/api/v1/auth/me").json()["code"] == "signed_out"
    assert {"sessions", "messages", "runs", "documents", "files"} <= set(left())
    asyncio.run_coroutine_threadsafe(_let_go(live, account_id), live.loop).result(PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left() == {}


def test_one_takes_along_conversations_documents_and_the_rest(live: Live, supervisor: str) -> None:
    with live.client(supervisor) as person, live.client(live.join()) as other:
        original = "마당의 감나무는 가을에 익는다.\n".encode() * 2000
        upload = {"file": ("감나무.txt", original, "text/plain")}
        document = person.post("/api/v1/documents/", files=upload).json()["id"]
        session = person.post("/api/v1/chat/sessions/", json={"title": "가을"}).json()["id"]
        asked = person.post(f"/api/v1/chat/sessions/{session}/messages", json={"text": "감이 익었나요?"}).json()
        person.get(f"/api/v1/runs/{asked['run_id']}/events")
        theirs = other.post("/api/v1/chat/sessions/", json={"title": "남의 이야기"}).json()["id"]
        packed = person.get("/api/v1/users/me/export")
    assert packed.status_code == 200
    with ZipFile(io.BytesIO(packed.content)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found[f"documents/{document}/감나무.txt"] == original
    told = next(json.loads(content) for name, content in found.items() if name.endswith(f"{session}.json"))
    assert told["messages"][0]["text"] == "감이 익었나요?"
    assert "감이 익었나요?" in next(text.decode() for name, text in found.items() if name.endswith(f"{session}.md"))
    assert json.loads(found["runs.jsonl"].splitlines()[0])["id"] == asked["run_id"]
    assert "accounts.signed_in" in found["deeds.jsonl"].decode()
    assert not [name for name, content in found.items() if theirs in name or theirs.encode() in content]
