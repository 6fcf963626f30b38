"""What somebody takes along: where they belong, and as what."""

from collections.abc import AsyncIterator

import msgspec

from madang.features.accounts.public import ExportedFile
from madang.features.organisations.service import members
from madang.kernel.auth import Principal
from madang.kernel.house import House


async def export(house: House, who: Principal) -> AsyncIterator[ExportedFile]:
    """The account's memberships; one JSON object a line."""
    yield ExportedFile("memberships.jsonl", _lines(house, who))


async def _lines(house: House, who: Principal) -> AsyncIterator[bytes]:
    async with house.db.transaction(who) as tx:
        found = await members.mine(tx)
    yield b"".join(msgspec.json.encode(one) + b"\n" for one in found)
