"""What somebody takes along: where they belong, as what, and whom they have invited to which role."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
from sqlalchemy import select

from madang.features.accounts.public import ExportedFile
from madang.features.organisations.service import members
from madang.features.organisations.tables import InviteRow
from madang.kernel.auth import Principal
from madang.kernel.house import House

PAGE = 500
TOLD = ("id", "scope_id", "role", "note", "max_uses", "used_count", "expires_at", "revoked_at", "sent_at", "created_at")


async def export(house: House, who: Principal) -> AsyncIterator[ExportedFile]:
    """The account's memberships and the invites that it made, with the notes on them; one JSON object a line.

    The addresses that invites were sent to are other people's, and stay.
    """
    yield ExportedFile("memberships.jsonl", _memberships(house, who))
    yield ExportedFile("invites.jsonl", _invites(house, who))


async def _memberships(house: House, who: Principal) -> AsyncIterator[bytes]:
    async with house.db.transaction(who) as tx:
        found = await members.mine(tx)
    yield b"".join(msgspec.json.encode(one) + b"\n" for one in found)


async def _invites(house: House, who: Principal) -> AsyncIterator[bytes]:
    """Page by page. Whoever has left a place does not see its invites any more, but wrote the notes on their own."""
    wanted = select(*(getattr(InviteRow, name) for name in TOLD)).where(InviteRow.created_by == who.account_id)
    after = UUID(int=0)
    while True:
        async with house.db.transaction() as tx:
            page = wanted.where(InviteRow.id > after).order_by(InviteRow.id).limit(PAGE)
            rows = [dict(row) for row in (await tx.execute(page)).mappings()]
        if not rows:
            return
        yield b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        after = rows[-1]["id"]
