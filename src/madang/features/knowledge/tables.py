"""Rows of knowledge."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Double, ForeignKey, Identity, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from madang.kernel.db import Row, created_at_column, id_column

USER: dict[str, str] = {"schema": "user"}


class Document(Row):
    """A document of an account, from its upload on. `progress` is 0..1; totals are 0 until it is ready.

    `notes` are codes of `extracted.NOTES` with the pages or names they are about.
    """

    __tablename__ = "documents"
    __table_args__ = (USER,)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID]
    file_id: Mapped[UUID]
    sha256: Mapped[str]
    title: Mapped[str]
    filename: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    status: Mapped[str] = mapped_column(default="queued")
    stage: Mapped[str | None]
    progress: Mapped[float] = mapped_column(Double, default=0.0)
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    notes: Mapped[dict[str, list[int | str]]] = mapped_column(JSONB, default=dict)
    collection: Mapped[str | None]
    pages: Mapped[int] = mapped_column(default=0)
    chunks: Mapped[int] = mapped_column(default=0)
    words: Mapped[int] = mapped_column(default=0)
    grams: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = created_at_column()


class DocumentPage(Row):
    """The text of one page; `number` counts from 1."""

    __tablename__ = "document_pages"
    __table_args__ = (USER,)

    document_id: Mapped[UUID] = mapped_column(ForeignKey("user.documents.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    text: Mapped[str]


class DocumentChunk(Row):
    """A passage to be found and cited. `content` is the SHA-256 of what is embedded: title, headings and text."""

    __tablename__ = "document_chunks"
    __table_args__ = (USER,)

    id: Mapped[UUID] = id_column()
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    account_id: Mapped[UUID]
    document_id: Mapped[UUID] = mapped_column(ForeignKey("user.documents.id", ondelete="CASCADE"))
    ordinal: Mapped[int]
    page: Mapped[int]
    heading: Mapped[str]
    text: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class VectorRow(Row):
    """The vector of a chunk in one collection; `embedding` (halfvec) is only touched by the statements that need it."""

    __tablename__ = "vectors"
    __table_args__ = (USER,)

    collection: Mapped[str] = mapped_column(primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    document_id: Mapped[UUID]
    content: Mapped[bytes] = mapped_column(LargeBinary)
