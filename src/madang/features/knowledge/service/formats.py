"""Documents to pages of text, format by format. Runs in the reader's process only: it meets hostile files."""

import codecs
import importlib
from pathlib import PurePath

from madang.features.knowledge.service.extracted import Extracted, ReadingError, cut, finish
from madang.kernel.text_encoding import encoding_of

_HERE = "madang.features.knowledge.service."
READERS = {
    "application/pdf": _HERE + "formats_pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": _HERE + "formats_docx",
    "message/rfc822": _HERE + "formats_mail",
}
"""What has a reader of our own before the library's; everything else goes to `formats_office`."""

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp949", "cp1252", "cp437", "euc-kr")
"""Those that texts, archives and mails here are written in; Python loads each at its first use."""

PLAIN = frozenset({"text/plain", "text/markdown"})

KINDS = {
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".docm": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".hwpx": "application/haansofthwpx",
    ".hwp": "application/x-hwp",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".rtf": "application/rtf",
    ".html": "text/html",
    ".htm": "text/html",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".eml": "message/rfc822",
    ".txt": "text/plain",
    ".md": "text/markdown",
}
"""What the attachments of a mail are by their names."""


def preload(media_type: str) -> None:
    """Load what reading this kind takes, while this process may still open files."""
    for encoding in ENCODINGS:
        codecs.lookup(encoding)
    if media_type not in PLAIN:
        importlib.import_module(_HERE + "formats_office").warm_up()
        for kind in (media_type, *(READERS if media_type == "message/rfc822" else ())):
            if kind in READERS:
                importlib.import_module(READERS[kind])
    if media_type in {"application/pdf", "message/rfc822"}:
        importlib.import_module(_HERE + "line_joining").warm_up()


def read_pages(media_type: str, content: bytes, max_pages: int) -> Extracted:
    """The document's pages in order, cleaned. Raises ReadingError."""
    return finish(read_part(media_type, content, max_pages))


def read_part(media_type: str, content: bytes, max_pages: int) -> Extracted:
    """A document, or what is attached to one. Raises ReadingError."""
    if media_type in PLAIN:
        text, broken = decode(content)
        found = Extracted(list(cut(text)))
        if broken:
            found.note("characters_replaced")
        return found
    reader = importlib.import_module(READERS.get(media_type, _HERE + "formats_office"))
    extracted: Extracted = reader.read(media_type, content, max_pages)
    return extracted


def kind_of(filename: str) -> str | None:
    """The media type that a file's name tells; None when it is not read here."""
    return KINDS.get(PurePath(filename).suffix.lower())


def decode(content: bytes) -> tuple[str, bool]:
    """The text, and whether characters of it were broken. Raises ReadingError (`encoding_unknown`)."""
    encoding = encoding_of(content)
    if encoding is None:
        raise ReadingError("encoding_unknown")
    text = content.decode(encoding, "replace")
    broken = text.count("\ufffd") - content.count("\ufffd".encode())
    if broken > max(1, len(text) // 100):
        raise ReadingError("encoding_unknown")
    return text, broken > 0
