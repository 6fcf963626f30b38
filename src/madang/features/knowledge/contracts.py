"""What knowledge is to others, and the port to vector stores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from madang.kernel.jobs import JobKind


@dataclass(frozen=True, slots=True)
class IngestDocument:
    """Make a document searchable."""

    document_id: UUID
    account_id: UUID


INGEST = JobKind("knowledge.ingest", IngestDocument)


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document that a search found.

    `page` counts from 1. `score` in 0..1 is the chance that the passage answers the query, comparable between queries
    and documents; a better-placed passage never has a lower one.
    """

    document_id: UUID
    title: str
    page: int
    text: str
    score: float
    chunk_id: UUID


GOOD_ENOUGH = 0.5
"""When no passage scores as much, the documents do not say it."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Where vectors of one model and dimension live; they are never compared with others."""

    model: str
    dimension: int

    @property
    def name(self) -> str:
        """The name, unique among models and dimensions."""
        return f"{self.model}:{self.dimension}"


@dataclass(frozen=True, slots=True)
class VectorItem:
    """A chunk's vector, of unit length. `content` is the SHA-256 of the text that was embedded (32 bytes)."""

    chunk: int
    document_id: UUID
    content: bytes
    vector: Sequence[float]


@dataclass(frozen=True, slots=True)
class VectorHit:
    """A chunk near a query vector; `similarity` is the cosine, -1..1."""

    chunk: int
    document_id: UUID
    similarity: float


class VectorStore(Protocol):
    """Vectors of tenants in collections. Every call names both; nothing crosses either."""

    async def upsert(self, collection: Collection, tenant: UUID, items: Sequence[VectorItem]) -> None:
        """Store vectors, replacing those of the same chunks. Raises ValueError on another dimension."""
        ...

    async def query(
        self,
        collection: Collection,
        tenant: UUID,
        vector: Sequence[float],
        limit: int,
        document_ids: Sequence[UUID] | None = None,
    ) -> list[VectorHit]:
        """The nearest chunks, best first; among `document_ids` only when they are given."""
        ...

    async def delete_document(self, tenant: UUID, document_id: UUID) -> None:
        """Remove the document's vectors from every collection."""
        ...

    async def count(self, collection: Collection, tenant: UUID) -> int:
        """How many vectors the tenant has there."""
        ...

    async def scan(self, collection: Collection, tenant: UUID, after: int, limit: int) -> list[VectorItem]:
        """Vectors by ascending chunk number, beginning after `after`; for backfills."""
        ...
