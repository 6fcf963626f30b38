"""What runs keep of an account, for its owner to take along."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
from sqlalchemy import select

from madang.features.accounts.public import ExportedFile
from madang.features.runs.tables import Run
from madang.kernel.auth import Principal
from madang.kernel.house import House

PAGE = 500
TOLD = (Run.id, Run.status, Run.agent, Run.model, Run.usage, Run.error, Run.created_at, Run.started_at, Run.finished_at)


async def export(house: House, who: Principal) -> AsyncIterator[ExportedFile]:
    """When the account's answers were written, by which model, and what they took; one JSON object a line."""
    yield ExportedFile("runs.jsonl", _lines(house, who))


async def _lines(house: House, who: Principal) -> AsyncIterator[bytes]:
    after: UUID | None = None
    while True:
        wanted = select(*TOLD).where(Run.account_id == who.account_id).order_by(Run.id).limit(PAGE)
        async with house.db.transaction(who) as tx:
            found = await tx.execute(wanted if after is None else wanted.where(Run.id > after))
            rows = [dict(row) for row in found.mappings()]
        if not rows:
            return
        yield b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        after = rows[-1]["id"]
