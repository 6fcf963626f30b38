"""What files are to others."""

from dataclasses import dataclass
from uuid import UUID

from madang.kernel.jobs import JobKind

TEXT = "text/plain"
MARKDOWN = "text/markdown"
PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HWPX = "application/haansofthwpx"
HWP = "application/x-hwp"
ODT = "application/vnd.oasis.opendocument.text"
EPUB = "application/epub+zip"
RTF = "application/rtf"
HTML = "text/html"
CSV = "text/csv"
TSV = "text/tab-separated-values"
EML = "message/rfc822"
MSG = "application/vnd.ms-outlook"

EXTENSIONS = {
    PDF: (".pdf",),
    DOCX: (".docx", ".docm", ".dotx", ".dotm"),
    HWPX: (".hwpx",),
    HWP: (".hwp",),
    PPTX: (".pptx", ".pptm", ".ppsx"),
    XLSX: (".xlsx", ".xlsm"),
    ODT: (".odt",),
    RTF: (".rtf",),
    EPUB: (".epub",),
    HTML: (".html", ".htm", ".xhtml"),
    EML: (".eml",),
    MSG: (".msg",),
    CSV: (".csv",),
    TSV: (".tsv",),
    MARKDOWN: (".md", ".markdown"),
    TEXT: (".txt", ".text", ".log"),
}
"""What is taken in, and what such files are usually called. What a file is, its content says, not its name."""


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
