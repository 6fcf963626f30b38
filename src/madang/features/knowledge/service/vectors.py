"""Vectors in PostgreSQL with pgvector: one partition with its own HNSW index for each collection."""

from collections.abc import Sequence
from uuid import UUID

from pgvector import HalfVector
from sqlalchemy import text

from madang.features.knowledge.contracts import Collection, VectorHit, VectorItem
from madang.features.knowledge.queries import as_halfvec
from madang.kernel.db import Tx

_OPEN = text('SELECT "user".open_collection(:model, :dimension)')

_UPSERT = text("""
    INSERT INTO "user".vectors (collection, chunk, account_id, document_id, content, embedding)
    SELECT :collection, chunk, :tenant, document_id, content, embedding::halfvec
    FROM unnest(CAST(:chunks AS bigint[]), CAST(:documents AS uuid[]), CAST(:contents AS bytea[]),
                CAST(:embeddings AS text[])) AS item(chunk, document_id, content, embedding)
    ON CONFLICT (collection, chunk) DO UPDATE SET content = excluded.content, embedding = excluded.embedding
""")

_QUERY = """
    SELECT chunk, document_id, 1 - (embedding::halfvec({0}) <=> CAST(:vector AS halfvec({0}))) AS similarity
    FROM "user".vectors
    WHERE collection = :collection AND account_id = :tenant AND (:everything OR document_id = ANY(:documents))
    ORDER BY embedding::halfvec({0}) <=> CAST(:vector AS halfvec({0})) LIMIT :limit
"""

_DELETE = text('DELETE FROM "user".vectors WHERE account_id = :tenant AND document_id = :document')

_COUNT = text('SELECT count(*) FROM "user".vectors WHERE collection = :collection AND account_id = :tenant')

_SCAN = text("""
    SELECT chunk, document_id, content, embedding::text FROM "user".vectors
    WHERE collection = :collection AND account_id = :tenant AND chunk > :after ORDER BY chunk LIMIT :limit
""")

_COPY = text("""
    INSERT INTO "user".vectors (collection, chunk, account_id, document_id, content, embedding)
    SELECT :collection, c.number, c.account_id, c.document_id, c.content, known.embedding
    FROM "user".document_chunks c CROSS JOIN LATERAL (
        SELECT v.embedding FROM "user".vectors v
        WHERE v.collection = :collection AND v.account_id = c.account_id AND v.content = c.content LIMIT 1
    ) known
    WHERE c.document_id = :document AND c.account_id = :tenant
    ON CONFLICT (collection, chunk) DO NOTHING
""")


class PgVectors:
    """The `VectorStore` of this database, as part of a transaction."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def upsert(self, collection: Collection, tenant: UUID, items: Sequence[VectorItem]) -> None:
        """Store vectors, replacing those of the same chunks. Raises ValueError on another dimension."""
        if any(len(item.vector) != collection.dimension for item in items):
            raise ValueError(f"a vector does not have the {collection.dimension} dimensions of {collection.name}")
        await self._tx.execute(_OPEN, {"model": collection.model, "dimension": collection.dimension})
        values = {
            "collection": collection.name,
            "tenant": tenant,
            "chunks": [item.chunk for item in items],
            "documents": [item.document_id for item in items],
            "contents": [item.content for item in items],
            "embeddings": [as_halfvec(item.vector) for item in items],
        }
        await self._tx.execute(_UPSERT, values)

    async def query(
        self,
        collection: Collection,
        tenant: UUID,
        vector: Sequence[float],
        limit: int,
        document_ids: Sequence[UUID] | None = None,
    ) -> list[VectorHit]:
        """The nearest chunks, best first; among `document_ids` only when they are given."""
        await self._tx.execute(text("SET LOCAL hnsw.iterative_scan = strict_order"))
        found = await self._tx.execute(
            text(_QUERY.format(collection.dimension)),
            {
                "collection": collection.name,
                "tenant": tenant,
                "everything": document_ids is None,
                "documents": list(document_ids or ()),
                "vector": as_halfvec(vector),
                "limit": limit,
            },
        )
        return [VectorHit(*row) for row in found]

    async def delete_document(self, tenant: UUID, document_id: UUID) -> None:
        """Remove the document's vectors from every collection."""
        await self._tx.execute(_DELETE, {"tenant": tenant, "document": document_id})

    async def count(self, collection: Collection, tenant: UUID) -> int:
        """How many vectors the tenant has there."""
        return int(await self._tx.scalar(_COUNT, {"collection": collection.name, "tenant": tenant}) or 0)

    async def scan(self, collection: Collection, tenant: UUID, after: int, limit: int) -> list[VectorItem]:
        """Vectors by ascending chunk number, beginning after `after`; for backfills."""
        values = {"collection": collection.name, "tenant": tenant, "after": after, "limit": limit}
        found = await self._tx.execute(_SCAN, values)
        return [
            VectorItem(chunk, document_id, content, HalfVector.from_text(vector).to_list())
            for chunk, document_id, content, vector in found
        ]

    async def reuse(self, collection: Collection, tenant: UUID, document_id: UUID) -> None:
        """Give the document's chunks the vectors that the tenant already has for the same texts."""
        await self._tx.execute(_COPY, {"collection": collection.name, "tenant": tenant, "document": document_id})
