"""Everything of somebody's own, as one archive that is made while it is sent."""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import override
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from sqlalchemy import select

from madang.features.accounts.contracts import EXPORT, ExportedFile
from madang.features.accounts.service import people
from madang.features.accounts.tables import of_one_account
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.house import House

PIECE_BYTES = 1 << 16
"""Pieces of so much are packed beside the loop, and sent as soon as there is as much."""

TOLD = (
    "name",
    "provider",
    "email",
    "prefix",
    "permissions",
    "created_at",
    "enabled_at",
    "last_used_at",
    "used_at",
    "expires_at",
    "ended_at",
    "end_reason",
    "address",
    "user_agent",
)
"""Columns of the tables of one account that its owner is told; the others are keys, hashes and counters."""


class _Sink(io.RawIOBase):
    """Takes what the archive writes until somebody fetches it."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self.size = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, piece: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]  # what a ZipFile writes
        self._pieces.append(bytes(piece))
        self.size += len(self._pieces[-1])
        return len(self._pieces[-1])

    def fetch(self) -> bytes:
        """What was written since the last time."""
        found, self._pieces, self.size = b"".join(self._pieces), [], 0
        return found


async def begin_export(house: House, who: Principal) -> AsyncGenerator[bytes]:
    """Note that somebody takes their things along; the archive (ZIP), piece by piece, with at most some in memory."""
    async with house.db.transaction(who) as tx:
        await record(tx, who, "accounts.exported", Target("account", who.account_id))
    return archive(house, who)


async def export_by_operator(house: House, email: str) -> AsyncGenerator[bytes]:
    """The same of somebody else, for whoever runs the server. Raises `NotFound`."""
    async with house.db.transaction() as tx:
        row = await people.by_email(tx, email)
        await record(tx, None, "accounts.exported", Target("account", row.id))
    async with aclosing(archive(house, Principal(row.id))) as pieces:
        async for piece in pieces:
            yield piece


async def archive(house: House, who: Principal) -> AsyncGenerator[bytes]:
    """The archive of what every feature keeps of the account."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED) as packed:
        for export in house.offers.all(EXPORT):
            async for file in export(house, who):
                info = ZipInfo(file.path, now().timetuple()[:6])
                info.compress_type = ZIP_DEFLATED
                with packed.open(info, "w", force_zip64=True) as entry:
                    async for piece in file.content:
                        await _write(entry.write, piece)
                        if sink.size >= PIECE_BYTES:
                            yield sink.fetch()
    yield sink.fetch()


async def _write(write: Callable[[bytes], object], piece: bytes) -> None:
    if len(piece) < PIECE_BYTES:
        write(piece)
    else:
        await asyncio.to_thread(write, piece)


async def own_part(house: House, who: Principal) -> AsyncIterator[ExportedFile]:
    """What accounts keeps: the account itself, sign-ins, identities elsewhere, passkeys and keys without secrets."""
    async with house.db.transaction(who) as tx:
        told = {"account": await people.me(tx, who), "preferences": await people.preferences(tx, who)}
    yield ExportedFile("account/account.json", _pieces([written(told)]))
    for table in sorted(of_one_account(), key=lambda table: table.name):
        columns = [table.c[name] for name in TOLD if name in table.c]
        async with house.db.transaction(who) as tx:
            rows = await tx.execute(select(*columns).where(table.c.account_id == who.account_id))
            found = [dict(row) for row in rows.mappings()]
        if found:
            yield ExportedFile(f"account/{table.name}.json", _pieces([written(found)]))


def written(value: object) -> bytes:
    """JSON as a person can read it."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


async def _pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
