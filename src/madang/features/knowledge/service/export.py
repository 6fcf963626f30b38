"""What knowledge keeps of an account, for its owner to take along: the documents as they were uploaded."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec

from madang.features.accounts.public import ExportedFile
from madang.features.files.public import stored_file
from madang.features.knowledge.service.documents import list_documents
from madang.features.knowledge.tables import Document
from madang.kernel import log
from madang.kernel.auth import Principal
from madang.kernel.errors import NotFound
from madang.kernel.house import House

logger = log.get_logger(__name__)

PAGE = 100
TOLD = ("id", "title", "filename", "media_type", "size", "sha256", "status", "pages", "created_at")


async def export(house: House, who: Principal) -> AsyncIterator[ExportedFile]:
    """The list of the account's documents, and each one's original in a folder named by its id."""
    yield ExportedFile("documents/documents.jsonl", _list(house, who))
    async for document in _documents(house, who):
        yield ExportedFile(f"documents/{document.id}/{document.filename}", _original(house, who, document))


async def _documents(house: House, who: Principal) -> AsyncIterator[Document]:
    before: UUID | None = None
    while True:
        async with house.db.transaction(who) as tx:
            page = await list_documents(tx, who, matching=None, before=before, limit=PAGE)
        for document in page:
            yield document
        if len(page) < PAGE:
            return
        before = page[-1].id


async def _list(house: House, who: Principal) -> AsyncIterator[bytes]:
    async for document in _documents(house, who):
        yield msgspec.json.encode({name: getattr(document, name) for name in TOLD}) + b"\n"


async def _original(house: House, who: Principal, document: Document) -> AsyncIterator[bytes]:
    """The file's bytes; none when it was deleted while the archive was made."""
    try:
        async with house.db.transaction(who) as tx:
            file = await stored_file(tx, who, document.file_id)
        async for piece in house.storage.get(file.key):
            yield piece
    except (NotFound, FileNotFoundError):
        logger.info("export_without_original", document_id=str(document.id))
