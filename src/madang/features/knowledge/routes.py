"""`/documents`."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import ClientDisconnect

from madang.features.files.public import (
    EXTENSIONS,
    disposition,
    file_settings,
    read_upload,
    receive_upload,
    too_large,
)
from madang.features.knowledge.access import document_of
from madang.features.knowledge.service import documents as service
from madang.features.knowledge.service.search import find
from madang.features.knowledge.tables import Document as DocumentRow
from madang.kernel.errors import BadRequest
from madang.kernel.http import HouseDep, Page, ReadTx, Who, WriteTx
from madang.kernel.problems import problems

documents = APIRouter(prefix="/documents", tags=["documents"])

FORM_BYTES = 65_536
"""What a form may weigh beside its file."""

type Limit = Annotated[int, Query(ge=1, le=100)]
type Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00]*$")]
type Position = Annotated[int, Query(ge=-1, le=2_000_000_000)]
type Number = Annotated[int, Path(ge=1, le=2_000_000_000)]

UPLOAD = {
    "x-body": "streamed",
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
                }
            }
        },
    },
}

BYTES = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
ORIGINAL = {"description": "The file as it was uploaded.", "content": dict.fromkeys(EXTENSIONS, BYTES)}

SHOWN = {"application/pdf": "application/pdf"} | dict.fromkeys(
    ("text/plain", "text/markdown", "text/csv", "text/tab-separated-values"), "text/plain"
)
"""What a browser may show of an original, and as what; everything else, web pages above all, it only keeps."""


class Failure(BaseModel):
    """Why a document could not be read, or what it waits for, and what to do about it."""

    code: str
    message: str


class Accepted(BaseModel):
    """An upload that was taken in. With `duplicate` the account had the same content already, under this id."""

    id: UUID
    status: Literal["queued", "processing", "ready", "failed"]
    duplicate: bool


class DocumentNote(BaseModel):
    """Something in a document that is not as in its original, with the pages (numbers) or the names it is about."""

    code: Literal[
        "pages_without_text",
        "hidden_text_left_out",
        "invisible_characters_left_out",
        "repeated_lines_left_out",
        "deleted_text_left_out",
        "characters_replaced",
        "macros_left_out",
        "attachment_not_read",
    ]
    about: list[int | str]


class Document(BaseModel):
    """A document and how far it is on its way to being searchable."""

    id: UUID
    title: str
    filename: str
    media_type: str
    size: int = Field(description="Bytes.")
    status: Literal["queued", "processing", "ready", "failed"]
    stage: Literal["reading", "chunking", "embedding"] | None
    progress: float = Field(ge=0, le=1)
    error: Failure | None
    pages: int
    chunks: int
    notes: list[DocumentNote]
    created_at: datetime


class DocumentType(BaseModel):
    """A kind of file that is read here, and how the names of such files end."""

    media_type: str
    extensions: list[str]


class DocumentTypes(BaseModel):
    """What is read here."""

    items: list[DocumentType]


class DocumentPage(BaseModel):
    """The text of one page; numbers begin at 1."""

    number: int
    text: str


class Chunk(BaseModel):
    """A passage as it is found and cited."""

    id: UUID
    ordinal: int
    page: int
    heading: str
    text: str


class Hit(BaseModel):
    """A passage that a search found. `score` is the chance that it answers, 0..1."""

    document_id: UUID
    title: str
    page: int
    text: str
    score: float
    chunk_id: UUID


class Hits(BaseModel):
    """What a search found, best first."""

    items: list[Hit]


@documents.post(
    "/",
    status_code=202,
    openapi_extra=UPLOAD,
    responses=problems(400, 401, 413, 415, 422),
    summary="Upload a document",
)
async def upload(request: Request, house: HouseDep, who: Who) -> Accepted:
    """Take in a file of a kind that is read here and make it searchable; its type is told by its content."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > file_settings().max_upload_bytes + FORM_BYTES:
        raise too_large()
    form = await read_upload(request.headers.get("content-type"), _body(request))
    received = await receive_upload(house, who, form.filename, form.content)
    async with house.db.transaction(who) as tx:
        added = await service.add_document(tx, who, received)
        return Accepted.model_validate(
            {"id": added.document.id, "status": added.document.status, "duplicate": added.duplicate}
        )


@documents.get("/", responses=problems(401, 422), summary="List documents")
async def list_documents(
    tx: ReadTx, who: Who, q: Text = "", cursor: UUID | None = None, limit: Limit = 50
) -> Page[Document]:
    """Your documents, newest first; `q` keeps those whose title contains it."""
    found = await service.list_documents(tx, who, matching=q, before=cursor, limit=limit + 1)
    more = len(found) > limit
    return Page(items=[_document(row) for row in found[:limit]], next_cursor=str(found[limit - 1].id) if more else None)


@documents.get("/search", responses=problems(401, 422), summary="Search documents")
async def search(
    house: HouseDep,
    who: Who,
    q: Annotated[Text, Query(description="What to look for; nothing is found for nothing.")],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
    document_ids: Annotated[list[UUID] | None, Query(max_length=200)] = None,
) -> Hits:
    """Passages of your documents by meaning and by words, best first; in `document_ids` only when given."""
    found = await find(house, who, q, limit=limit, document_ids=document_ids) if q else []
    return Hits(items=[Hit.model_validate(passage, from_attributes=True) for passage in found])


@documents.get("/types", responses=problems(401), summary="List the kinds of files")
async def list_types(who: Who) -> DocumentTypes:
    """The kinds of files that are read here. What a file is, its content says; names only help to choose one."""
    return DocumentTypes(
        items=[DocumentType(media_type=kind, extensions=list(names)) for kind, names in EXTENSIONS.items()]
    )


@documents.get("/{document_id:uuid}", responses=problems(401, 404, 422), summary="Look at a document")
async def get_document(tx: ReadTx, who: Who, document_id: UUID) -> Document:
    """One of your documents."""
    return _document(await document_of(tx, who, document_id))


@documents.get("/{document_id:uuid}/pages", responses=problems(401, 404, 422), summary="Read a document")
async def list_pages(
    tx: ReadTx, who: Who, document_id: UUID, cursor: Position = 0, limit: Limit = 20
) -> Page[DocumentPage]:
    """The pages in order."""
    found = await service.pages_of(tx, who, document_id, after=cursor, limit=limit + 1)
    items = [DocumentPage(number=page.number, text=page.text) for page in found[:limit]]
    return Page(items=items, next_cursor=str(items[-1].number) if len(found) > limit else None)


@documents.get("/{document_id:uuid}/pages/{number}", responses=problems(401, 404, 422), summary="Read a page")
async def get_page(tx: ReadTx, who: Who, document_id: UUID, number: Number) -> DocumentPage:
    """One page."""
    page = await service.page_of(tx, who, document_id, number)
    return DocumentPage(number=page.number, text=page.text)


@documents.get("/{document_id:uuid}/chunks", responses=problems(401, 404, 422), summary="List passages")
async def list_chunks(tx: ReadTx, who: Who, document_id: UUID, cursor: Position = -1, limit: Limit = 50) -> Page[Chunk]:
    """The passages that the document was cut to, in order."""
    found = await service.chunks_of(tx, who, document_id, after=cursor, limit=limit + 1)
    items = [Chunk.model_validate(chunk, from_attributes=True) for chunk in found[:limit]]
    return Page(items=items, next_cursor=str(items[-1].ordinal) if len(found) > limit else None)


@documents.get(
    "/{document_id:uuid}/file",
    response_class=StreamingResponse,
    responses=problems(401, 404, 422) | {200: ORIGINAL},
    summary="Download the original",
)
async def download(house: HouseDep, who: Who, document_id: UUID) -> StreamingResponse:
    """The file as it was uploaded."""
    async with house.db.transaction(who) as tx:
        file = await service.original_of(tx, who, document_id)
    headers = {
        "Content-Type": SHOWN.get(file.media_type, "application/octet-stream"),
        "Content-Length": str(file.size),
        "Content-Disposition": disposition(file.filename),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(house.storage.get(file.key), headers=headers)


@documents.post(
    "/{document_id:uuid}/retry", status_code=202, responses=problems(401, 404, 409, 422), summary="Try a document again"
)
async def retry(tx: WriteTx, who: Who, document_id: UUID) -> Document:
    """Have a document that failed read again."""
    return _document(await service.retry_document(tx, who, document_id))


@documents.delete(
    "/{document_id:uuid}", status_code=204, responses=problems(401, 404, 422), summary="Delete a document"
)
async def delete(tx: WriteTx, who: Who, document_id: UUID) -> None:
    """Delete a document with its passages and its file."""
    await service.delete_document(tx, who, document_id)


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise BadRequest("upload_cut_off", "The upload ended before the file did; send it again.") from None


def _document(row: DocumentRow) -> Document:
    failure = Failure(code=row.error_code, message=row.error_message or "") if row.error_code else None
    shown = {name: getattr(row, name) for name in Document.model_fields if name not in {"error", "notes"}}
    notes = [{"code": code, "about": about} for code, about in row.notes.items()]
    return Document.model_validate({**shown, "error": failure, "notes": notes})
