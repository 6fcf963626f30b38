"""Uploads from the first byte to the row that claims them."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import delete, func, select

from madang.features.files.access import file_of
from madang.features.files.contracts import DISCARD, DiscardObject, ReceivedFile, StoredFile
from madang.features.files.service.names import safe_name
from madang.features.files.service.types import media_type_of
from madang.features.files.settings import load
from madang.features.files.tables import File
from madang.kernel import log
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Invalid, TooLarge, Unavailable
from madang.kernel.house import House
from madang.kernel.ids import new_id

logger = log.get_logger(__name__)

UNCLAIMED_FOR = timedelta(hours=1)
"""An upload that no row has claimed by then is removed."""

PIECE_BYTES = 1 << 20


async def receive_upload(house: House, who: Principal, filename: str, content: AsyncIterator[bytes]) -> ReceivedFile:
    """Take an upload into storage, its type told by its content.

    Holds one piece in memory and the rest on disk; opens no transaction while it reads. Raises Invalid
    (`file_empty`), TooLarge (`file_too_large`, and `storage_full` where the account has no room left at all),
    UnsupportedType (`unsupported_file_type`) and Unavailable (`storage_unavailable`). Claim the result with `keep_file`
    within an hour; what is never claimed is removed.
    """
    name = safe_name(filename)
    async with house.db.transaction(who) as tx:
        await _permit_bytes(tx, who, 1)
    with tempfile.TemporaryFile() as spool:
        size, sha256 = await _spool(spool, content)
        media_type = await asyncio.to_thread(media_type_of, spool, name)
        file_id = new_id()
        key = f"files/{who.account_id}/{file_id}"
        async with house.db.transaction(who) as tx:
            await tx.enqueue(DISCARD, DiscardObject(key), due_at=now() + UNCLAIMED_FOR)
        with _keeping():
            await house.storage.put(key, _pieces(spool))
    return ReceivedFile(file_id, name, media_type, size, sha256, key)


async def keep_file(tx: Tx, who: Principal, received: ReceivedFile) -> StoredFile:
    """Claim a received upload for the account. Raises TooLarge (`storage_full`) when it would take more than it may."""
    await _permit_bytes(tx, who, received.size)
    row = File(
        id=received.id,
        account_id=who.account_id,
        filename=received.filename,
        media_type=received.media_type,
        size=received.size,
        sha256=received.sha256,
        key=received.key,
    )
    tx.add(row)
    await tx.flush()
    return _stored(row)


async def _permit_bytes(tx: Tx, who: Principal, more: int) -> None:
    """Whether so many bytes more fit; until the end of the transaction nobody else adds to the account's files."""
    most = load().storage_quota_bytes
    if most is None:
        return
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"files of {who.account_id}", 0))))
    used = await tx.scalar(select(func.coalesce(func.sum(File.size), 0)).where(File.account_id == who.account_id))
    if int(used or 0) + more > most:
        detail = f"Your files would take more than {load().storage_quota_mb:g} MB, which is all you have. Delete some."
        raise TooLarge("storage_full", detail, used_bytes=int(used or 0), quota_bytes=most)


async def drop_upload(tx: Tx, received: ReceivedFile) -> None:
    """Give up a received upload that is not needed after all."""
    await tx.enqueue(DISCARD, DiscardObject(received.key))


async def stored_file(tx: Tx, who: Principal, file_id: UUID) -> StoredFile:
    """The account's own file. Raises NotFound (`file_not_found`)."""
    return _stored(await file_of(tx, who, file_id))


async def delete_file(tx: Tx, who: Principal, file_id: UUID) -> None:
    """Delete the account's own file; its bytes go after the commit. Raises NotFound (`file_not_found`)."""
    row = await file_of(tx, who, file_id)
    await tx.execute(delete(File).where(File.id == row.id))
    await tx.enqueue(DISCARD, DiscardObject(row.key))


async def forget_account(tx: Tx, account_id: UUID) -> None:
    """Delete all files of an account, and what others made of them; their bytes go after the commit."""
    gone = delete(File).where(File.account_id == account_id).returning(File.key)
    for key in (await tx.scalars(gone)).all():
        await tx.enqueue(DISCARD, DiscardObject(key))


async def discard(house: House, payload: DiscardObject) -> None:
    """Remove the object unless a file claims it."""
    async with house.db.transaction() as tx:
        claimed = await tx.scalar(select(File.id).where(File.key == payload.key))
    if claimed is None:
        await house.storage.delete(payload.key)


async def _spool(spool: BinaryIO, content: AsyncIterator[bytes]) -> tuple[int, str]:
    """Write the content to disk up to the limit; its size in bytes and its SHA-256 in hex."""
    limit = load().max_upload_bytes
    digest = hashlib.sha256()
    size = 0
    async for piece in content:
        size += len(piece)
        if size > limit:
            raise too_large()
        digest.update(piece)
        with _keeping():
            await asyncio.to_thread(spool.write, piece)
    if not size:
        raise Invalid("file_empty", "The file is empty. Choose one with something in it.")
    return size, digest.hexdigest()


@contextmanager
def _keeping() -> Generator[None]:
    """Tell of a disk or a store that takes nothing as what it is."""
    from obstore.exceptions import BaseError  # noqa: PLC0415  # 5 MB, which the storage brings in at its first use

    try:
        yield
    except (OSError, BaseError) as error:
        logger.exception("upload_not_stored")
        raise Unavailable(
            "storage_unavailable",
            "The file could not be kept; the disk may be full. Tell the operator, then try again.",
        ) from error


def too_large() -> TooLarge:
    """The error for more bytes than `MADANG_MAX_UPLOAD_MB`."""
    megabytes = f"{load().max_upload_mb:g}"
    return TooLarge("file_too_large", f"The file is larger than {megabytes} MB, the most that is taken here.")


async def _pieces(spool: BinaryIO) -> AsyncIterator[bytes]:
    await asyncio.to_thread(spool.seek, 0)
    while piece := await asyncio.to_thread(spool.read, PIECE_BYTES):
        yield piece


def _stored(row: File) -> StoredFile:
    return StoredFile(row.id, row.filename, row.media_type, row.size, row.sha256, row.key)
