"""Makes a document searchable: reading, chunking, embedding, and at last the keyword index.

Each stage is committed with the stage's name in the document's row, and embeddings batch by batch, so that a worker
that dies loses at most the batch at hand: whoever runs the job again begins where the row says. The document becomes
visible to searches in the same transaction that writes its keyword index.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import batched
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, insert, select

from madang.features.files.public import stored_file
from madang.features.knowledge.access import document_of
from madang.features.knowledge.contracts import Collection, IngestDocument, VectorItem
from madang.features.knowledge.queries import GRAM, WORD
from madang.features.knowledge.service.chunker import Chunk, chunk_pages
from madang.features.knowledge.service.index import context, postings_of, store_postings
from madang.features.knowledge.service.patience import open_breaker
from madang.features.knowledge.service.reading import ERRORS, UnreadableError, read_document
from madang.features.knowledge.service.vectors import PgVectors
from madang.features.knowledge.settings import load
from madang.features.knowledge.tables import Document, DocumentChunk, DocumentPage, VectorRow
from madang.features.organisations.public import chain_of
from madang.features.providers.public import EmbeddingBatch, EmbeddingKind, embed
from madang.features.usage.public import BudgetExhausted, ModelUnpriced, Spender
from madang.kernel import log
from madang.kernel.auth import Principal
from madang.kernel.db import LONG_SECONDS, Tx, set_statement_timeout
from madang.kernel.errors import NotFound, Problem
from madang.kernel.house import House
from madang.kernel.ids import new_id

logger = log.get_logger(__name__)

READ, CHUNKED, EMBEDDED = 0.1, 0.15, 0.95
"""Progress at the end of each stage."""

INDEX_BATCH = 256
WAITING = "The embedding model cannot be reached. This document goes on by itself when it answers again."


@dataclass(frozen=True, slots=True)
class Work:
    """One document being made searchable, on behalf of its account."""

    house: House
    who: Principal
    document_id: UUID

    @asynccontextmanager
    async def step(self) -> AsyncGenerator[tuple[Tx, Document]]:
        """A transaction with the document's row locked. Raises NotFound when it was deleted meanwhile."""
        async with self.house.db.transaction(self.who) as tx:
            yield tx, await document_of(tx, self.who, self.document_id, lock=True)


async def ingest(house: House, job: IngestDocument) -> None:
    """Take the document from wherever it stands to `ready`, or to `failed` when it cannot be read or paid for.

    Waits while the embedding model is away, and says so on the document. Raises Problem when the model refuses: the job
    is to be tried again.
    """
    work = Work(house, Principal(job.account_id), job.document_id)
    try:
        stage = await begin(work)
        if stage == "reading":
            stage = await read(work)
        if stage == "chunking":
            stage = await chunk(work)
        if stage == "embedding":
            await embed_chunks(work)
            await publish(work)
    except NotFound:
        return
    except UnreadableError as error:
        await fail(house, job, error.code)
    except (BudgetExhausted, ModelUnpriced) as error:
        await fail(house, job, error.code, error.detail)


async def fail(house: House, job: IngestDocument, code: str, message: str | None = None) -> None:
    """Give the document up, saying why. Does nothing when it is gone or ready."""
    work = Work(house, Principal(job.account_id), job.document_id)
    try:
        async with work.step() as (_, document):
            if document.status != "ready":
                document.status = "failed"
                document.error_code = code
                document.error_message = message or ERRORS[code]
    except NotFound:
        return


async def begin(work: Work) -> str | None:
    """The stage to go on from; None when there is nothing left to do."""
    async with work.step() as (_, document):
        if document.status in {"ready", "failed"}:
            return None
        document.status = "processing"
        document.stage = document.stage or "reading"
        return document.stage


async def read(work: Work) -> str:
    """File to pages. Raises UnreadableError."""
    async with work.house.db.transaction(work.who) as tx:
        document = await document_of(tx, work.who, work.document_id)
        file = await stored_file(tx, work.who, document.file_id)
    with tempfile.TemporaryFile() as copy:
        async for piece in work.house.storage.get(file.key):
            await asyncio.to_thread(copy.write, piece)
        copy.seek(0)
        found = await read_document(copy, file.media_type, load())
    async with work.step() as (tx, document):
        await tx.execute(delete(DocumentPage).where(DocumentPage.document_id == document.id))
        rows = [
            {"document_id": document.id, "account_id": document.account_id, "number": number, "text": text}
            for number, text in enumerate(found.pages, 1)
        ]
        await tx.execute(insert(DocumentPage), rows)
        document.pages, document.notes = len(found.pages), found.notes
        document.stage, document.progress = "chunking", READ
    return "chunking"


async def chunk(work: Work) -> str:
    """Pages to chunks."""
    async with work.house.db.transaction(work.who) as tx:
        found = await tx.execute(
            select(DocumentPage.number, DocumentPage.text)
            .where(DocumentPage.document_id == work.document_id)
            .order_by(DocumentPage.number)
        )
        pages = [(number, text) for number, text in found]
    chunks = await asyncio.to_thread(chunk_pages, pages)
    async with work.step() as (tx, document):
        await tx.execute(delete(DocumentChunk).where(DocumentChunk.document_id == document.id))
        await tx.execute(insert(DocumentChunk), [_chunk_row(document, chunk) for chunk in chunks])
        document.chunks = len(chunks)
        document.stage, document.progress = "embedding", CHUNKED
    return "embedding"


def _chunk_row(document: Document, chunk: Chunk) -> dict[str, object]:
    embedded = context(document.title, chunk.heading, chunk.text)
    return {
        "id": new_id(),
        "account_id": document.account_id,
        "document_id": document.id,
        "ordinal": chunk.ordinal,
        "page": chunk.page,
        "heading": chunk.heading,
        "text": chunk.text,
        "content": hashlib.sha256(embedded.encode()).digest(),
    }


async def spender_of(work: Work) -> Spender:
    """Whoever uploaded the document pays for it."""
    async with work.house.db.transaction(work.who) as tx:
        return Spender(work.who.account_id, await chain_of(tx, work.who.account_id, None))


async def embed_chunks(work: Work) -> None:
    """Embed what has no vector yet in the collection of today's model, never the same text twice."""
    spender = await spender_of(work)
    probe = await _embed(work, ["?"], "query", spender)
    collection = Collection(probe.model, probe.dimension)
    while pending := await _pending(work, collection):
        batch = await _embed(work, [text for _, _, text in pending], "passage", spender)
        if batch.model != collection.model or batch.dimension != collection.dimension:
            raise RuntimeError("the embedding model changed while a document was being embedded")
        items = [
            VectorItem(number, work.document_id, content, vector)
            for (number, content, _), vector in zip(pending, batch.vectors, strict=True)
        ]
        async with work.step() as (tx, document):
            store = PgVectors(tx)
            await store.upsert(collection, document.account_id, items)
            await store.reuse(collection, document.account_id, document.id)
            left = await _count_pending(tx, document, collection)
            document.error_code = document.error_message = None
            document.progress = EMBEDDED - (EMBEDDED - CHUNKED) * left / max(document.chunks, 1)


async def _embed(work: Work, texts: Sequence[str], kind: EmbeddingKind, spender: Spender) -> EmbeddingBatch:
    """The vectors, however long the model is away; meanwhile the document says what it waits for."""

    async def say(away: Problem) -> None:
        async with work.step() as (_, document):
            document.error_code, document.error_message = away.code, WAITING

    breaker = await work.house.resource(open_breaker)
    return await breaker.ask(lambda: embed(work.house, texts, kind=kind, spender=spender), say)


async def _pending(work: Work, collection: Collection) -> Sequence[tuple[int, bytes, str]]:
    """The next chunks to embed, of different contents: number, content hash and the text to embed."""
    async with work.step() as (tx, document):
        await PgVectors(tx).reuse(collection, document.account_id, document.id)
        found = await tx.execute(
            select(DocumentChunk.number, DocumentChunk.content, DocumentChunk.heading, DocumentChunk.text)
            .where(DocumentChunk.document_id == document.id, ~_embedded_in(collection))
            .order_by(DocumentChunk.number)
            .limit(load().embedding_batch)
        )
        rows = {content: (number, heading, text) for number, content, heading, text in found}
        return [
            (number, content, context(document.title, heading, text))
            for content, (number, heading, text) in rows.items()
        ]


async def _count_pending(tx: Tx, document: Document, collection: Collection) -> int:
    waiting = select(func.count()).where(DocumentChunk.document_id == document.id, ~_embedded_in(collection))
    return await tx.scalar(waiting) or 0


def _embedded_in(collection: Collection) -> ColumnElement[bool]:
    return exists().where(VectorRow.collection == collection.name, VectorRow.chunk == DocumentChunk.number)


async def publish(work: Work) -> None:
    """Write the keyword index and let searches see the document."""
    async with work.step() as (tx, document):
        await set_statement_timeout(tx, LONG_SECONDS)
        found = await tx.execute(
            select(DocumentChunk.number, DocumentChunk.heading, DocumentChunk.text)
            .where(DocumentChunk.document_id == document.id)
            .order_by(DocumentChunk.number)
        )
        chunks = [(number, context(document.title, heading, text)) for number, heading, text in found]
        document.words = document.grams = 0
        for part in batched(chunks, INDEX_BATCH):
            postings = await asyncio.to_thread(postings_of, part)
            await store_postings(tx, document.account_id, document.id, postings)
            document.words += postings.totals[WORD]
            document.grams += postings.totals[GRAM]
        document.status, document.stage, document.progress = "ready", None, 1.0
        document.error_code = document.error_message = None
        found_in = {"pages": document.pages, "chunks": document.chunks}
    logger.info("document_ready", document_id=str(work.document_id), **found_in)
