"""Load a document and permit it in one step."""

from uuid import UUID

from sqlalchemy import select

from madang.features.knowledge.tables import Document
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import NotFound


async def document_of(tx: Tx, who: Principal, document_id: UUID, *, lock: bool = False) -> Document:
    """The account's own document, locked against changes by others until the transaction ends if asked.

    Raises NotFound (`document_not_found`) for any other.
    """
    wanted = select(Document).where(Document.id == document_id, Document.account_id == who.account_id)
    row = await tx.scalar(wanted.with_for_update() if lock else wanted)
    if row is None:
        raise NotFound("document_not_found", "There is no such document; it may have been deleted.")
    return row
