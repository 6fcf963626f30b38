"""Documents of an account: taking them in, looking at them, letting them go."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, func, select

from madang.features.files.public import ReceivedFile, StoredFile, delete_file, drop_upload, keep_file, stored_file
from madang.features.knowledge.access import document_of
from madang.features.knowledge.contracts import INGEST, IngestDocument
from madang.features.knowledge.tables import Document, DocumentChunk, DocumentPage
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, NotFound
from madang.kernel.house import House
from madang.kernel.ids import new_id


@dataclass(frozen=True, slots=True)
class Addition:
    """What became of an upload: a new document, or the one that already has the same content."""

    document: Document
    duplicate: bool


async def add_document(tx: Tx, who: Principal, received: ReceivedFile) -> Addition:
    """Make a document of an upload and have it read; the same content again is the document that has it."""
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{who.account_id}{received.sha256}", 0))))
    existing = await tx.scalar(
        select(Document).where(Document.account_id == who.account_id, Document.sha256 == received.sha256)
    )
    if existing is not None:
        await drop_upload(tx, received)
        return Addition(existing, duplicate=True)
    file = await keep_file(tx, who, received)
    document = Document(
        id=new_id(),
        account_id=who.account_id,
        file_id=file.id,
        sha256=file.sha256,
        title=title_of(file.filename),
        filename=file.filename,
        media_type=file.media_type,
        size=file.size,
        status="queued",
        progress=0.0,
        pages=0,
        chunks=0,
        words=0,
        grams=0,
    )
    tx.add(document)
    await tx.flush()
    await tx.refresh(document)
    await tx.enqueue(INGEST, IngestDocument(document.id, who.account_id))
    return Addition(document, duplicate=False)


def title_of(filename: str) -> str:
    """A document's title: its file's name without the extension, underscores read as spaces."""
    return " ".join(PurePath(filename).stem.replace("_", " ").split()) or filename


async def list_documents(
    tx: Tx, who: Principal, *, matching: str | None, before: UUID | None, limit: int
) -> list[Document]:
    """The account's documents, newest first, older than `before`; those whose title has `matching` in it."""
    wanted = select(Document).where(Document.account_id == who.account_id)
    if before is not None:
        wanted = wanted.where(Document.id < before)
    if matching:
        wanted = wanted.where(Document.title.icontains(matching, autoescape=True))
    return list(await tx.scalars(wanted.order_by(Document.id.desc()).limit(limit)))


async def pages_of(tx: Tx, who: Principal, document_id: UUID, *, after: int, limit: int) -> Sequence[DocumentPage]:
    """Pages in order, beginning after number `after`. Raises NotFound (`document_not_found`)."""
    document = await document_of(tx, who, document_id)
    wanted = select(DocumentPage).where(DocumentPage.document_id == document.id, DocumentPage.number > after)
    return list(await tx.scalars(wanted.order_by(DocumentPage.number).limit(limit)))


async def page_of(tx: Tx, who: Principal, document_id: UUID, number: int) -> DocumentPage:
    """One page. Raises NotFound (`document_not_found`, `page_not_found`)."""
    document = await document_of(tx, who, document_id)
    wanted = select(DocumentPage).where(DocumentPage.document_id == document.id, DocumentPage.number == number)
    page = await tx.scalar(wanted)
    if page is None:
        raise NotFound("page_not_found", f"The document has {document.pages} pages; this is not one of them.")
    return page


async def chunks_of(tx: Tx, who: Principal, document_id: UUID, *, after: int, limit: int) -> Sequence[DocumentChunk]:
    """Chunks in order, beginning after ordinal `after`. Raises NotFound (`document_not_found`)."""
    document = await document_of(tx, who, document_id)
    wanted = select(DocumentChunk).where(DocumentChunk.document_id == document.id, DocumentChunk.ordinal > after)
    return list(await tx.scalars(wanted.order_by(DocumentChunk.ordinal).limit(limit)))


async def original_of(tx: Tx, who: Principal, document_id: UUID) -> StoredFile:
    """The uploaded file. Raises NotFound (`document_not_found`)."""
    document = await document_of(tx, who, document_id)
    return await stored_file(tx, who, document.file_id)


async def retry_document(tx: Tx, who: Principal, document_id: UUID) -> Document:
    """Have a failed document read again, from the stage it failed in.

    Raises NotFound (`document_not_found`) and Conflict (`document_not_failed`).
    """
    document = await document_of(tx, who, document_id, lock=True)
    if document.status != "failed":
        raise Conflict("document_not_failed", "Only a document that failed can be tried again; this one has not.")
    document.status = "queued"
    document.error_code = document.error_message = None
    await tx.enqueue(INGEST, IngestDocument(document.id, who.account_id))
    return document


async def delete_document(tx: Tx, who: Principal, document_id: UUID) -> None:
    """Delete the document with all that was made of it, and its file. Raises NotFound (`document_not_found`)."""
    document = await document_of(tx, who, document_id, lock=True)
    await tx.execute(delete(Document).where(Document.id == document.id))
    await delete_file(tx, who, document.file_id)


_ANY_READY = select(exists().where(Document.status == "ready"))
_HAS_READY = select(exists().where(Document.account_id == bindparam("account"), Document.status == "ready"))


async def has_documents(house: House, who: Principal) -> bool:
    """Whether the account has any document that can be searched."""
    found = await house.db.look(who, _HAS_READY, {"account": who.account_id})
    return found is not None and bool(found[0])


async def any_documents(tx: Tx) -> bool:
    """Whether anybody whose rows the transaction sees has a document that can be searched."""
    return bool(await tx.scalar(_ANY_READY))


async def require_documents(tx: Tx, who: Principal, document_ids: Sequence[UUID]) -> None:
    """Permit a choice of documents. Raises NotFound (`document_not_found`) when any is not the account's own."""
    for document_id in document_ids:
        await document_of(tx, who, document_id)
