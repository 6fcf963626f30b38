"""Load a file and permit it in one step."""

from uuid import UUID

from sqlalchemy import select

from madang.features.files.tables import File
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import NotFound


async def file_of(tx: Tx, who: Principal, file_id: UUID) -> File:
    """The account's own file. Raises NotFound (`file_not_found`) for any other."""
    row = await tx.scalar(select(File).where(File.id == file_id, File.account_id == who.account_id))
    if row is None:
        raise NotFound("file_not_found", "There is no such file; it may have been deleted.")
    return row
