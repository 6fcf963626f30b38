"""What files are to others."""

from dataclasses import dataclass
from uuid import UUID

from madang.kernel.jobs import JobKind

TEXT = "text/plain"
MARKDOWN = "text/markdown"
PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """An upload whose bytes are in storage, not yet claimed by a row. `sha256` is in hex, `size` in bytes."""

    id: UUID
    filename: str
    media_type: str
    size: int
    sha256: str
    key: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an account. `sha256` is in hex, `size` in bytes, `key` its place in storage."""

    id: UUID
    filename: str
    media_type: str
    size: int
    sha256: str
    key: str


@dataclass(frozen=True, slots=True)
class DiscardObject:
    """Remove an object from storage unless a file claims it."""

    key: str


DISCARD = JobKind("files.discard", DiscardObject)
