"""Who deletes their account leaves nothing behind."""

import asyncio
import time
from uuid import UUID

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
        left_at = person.request("DELETE", f"/api/v1/users/{account_id}", json={"password": PASSWORD})
        assert left_at.status_code == 204
        assert person.get("/api/v1/auth/me").json()["code"] == "signed_out"
    assert {"sessions", "messages", "runs", "documents", "files"} <= set(left())
    asyncio.run_coroutine_threadsafe(_let_go(live, account_id), live.loop).result(PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left() == {}
