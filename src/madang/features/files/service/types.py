"""What a file is, by its content; its name only tells plain text from Markdown and from tables."""

import io
import re
import zipfile
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import BinaryIO, override

from madang.features.files.contracts import (
    CSV,
    DOCX,
    EML,
    EPUB,
    EXTENSIONS,
    HTML,
    HWP,
    HWPX,
    MARKDOWN,
    MSG,
    ODT,
    PDF,
    PPTX,
    RTF,
    TEXT,
    TSV,
    XLSX,
)
from madang.kernel.errors import UnsupportedType
from madang.kernel.text_encoding import encoding_of

SNIFFED = 65_536
"""Bytes from the start that decide."""

DIRECTORY_BYTES = 1 << 20
"""The largest table of contents of an archive that is looked at: 20,000 members, where a Word file has a few dozen.

Each would become an object of half a kilobyte, here in the process that serves everybody.
"""

SUPPORTED = (
    "PDF, Word (DOCX), Hangul (HWP, HWPX), PowerPoint (PPTX), Excel (XLSX), OpenDocument text, RTF, EPUB, "
    "a web page, mail (EML, MSG), CSV, Markdown or plain text"
)

OLE = b"\xd0\xcf\x11\xe0"
OLE_KINDS = (
    ("EncryptedPackage", None),
    ("__substg1.0_", MSG),
    ("__properties_version1.0", MSG),
    ("WordDocument", "an old Word file (DOC)"),
    ("PowerPoint Document", "an old PowerPoint file (PPT)"),
    ("Workbook", "an old Excel file (XLS)"),
    ("BodyText", HWP),
)
"""Names in the directory of a compound file, and what the file then is."""

KNOWN_OTHERS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a WebP image or a sound"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"HWP Document File V3", "an old Hangul file (HWP 3)"),
)
"""How files begin that are no text; a text may begin with the same letters."""

MEMBERS = (
    ("word/document", DOCX),
    ("ppt/presentation", PPTX),
    ("xl/workbook.xml", XLSX),
    ("Contents/section", HWPX),
)
"""What the part of an archive is called that holds its text."""

MIMETYPES = ((b"mimetypeapplication/epub+zip", EPUB), (b"mimetypeapplication/vnd.oasis.opendocument.text", ODT))
"""How archives begin whose first member says what they are."""

_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL
)
_MAIL = re.compile(
    rb"^(?:received|return-path|message-id|mime-version|from|date|subject|to|delivered-to|dkim-signature|content-type):",
    re.IGNORECASE | re.MULTILINE,
)
_MAIL_HEADERS = 3
_NAMED = {suffix: kind for kind in (MARKDOWN, CSV, TSV, HTML, EML) for suffix in EXTENSIONS[kind]}


class _Bounded(io.RawIOBase):
    """A file of which nobody reads much at once, as one does who believes an archive about its table of contents."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    @override
    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= DIRECTORY_BYTES:
            raise ValueError("more than any table of contents")
        return self._file.read(size)

    @override
    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    @override
    def tell(self) -> int:
        return self._file.tell()

    @override
    def seekable(self) -> bool:
        return True


def media_type_of(file: BinaryIO, filename: str) -> str:
    """The media type of an open file, one of `EXTENSIONS`.

    Raises UnsupportedType (`unsupported_file_type`), saying what it seems to be and what would be read.
    """
    file.seek(0)
    head = file.read(SNIFFED)
    if head.startswith(b"{\\rtf"):
        return RTF
    encoding = encoding_of(head, cut=len(head) == SNIFFED)
    pdf = head.find(b"%PDF-", 0, 1024)
    if pdf >= 0 and (encoding is None or not head[:pdf].strip()):
        return PDF
    if head.startswith(b"PK\x03\x04"):
        return _of_archive(file, head)
    if head.startswith(OLE):
        return _of_compound(file)
    if encoding is not None:
        return _of_text(head, Path(filename).suffix.lower())
    raise _unsupported(next((what for magic, what in KNOWN_OTHERS if head.startswith(magic)), "a file of unknown kind"))


def _of_text(head: bytes, suffix: str) -> str:
    """Which kind of text: what says so itself, then what the name says."""
    if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")) and suffix not in EXTENSIONS[MARKDOWN]:
        return HTML
    headers = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    found = {match.group().lower() for match in _MAIL.finditer(headers)}
    if suffix != ".eml" and (
        len(found) < _MAIL_HEADERS or not found & {b"mime-version:", b"message-id:", b"received:"}
    ):
        return _NAMED.get(suffix, TEXT)
    return EML if found else TEXT


def _of_archive(file: BinaryIO, head: bytes) -> str:
    """A document, told from other ZIP archives by its main part; a broken one is left to the reader to name."""
    for says, kind in MIMETYPES:
        if head[30:].startswith(says):
            return kind
    file.seek(0)
    names: AbstractSet[str]
    try:
        with zipfile.ZipFile(_Bounded(file)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        names = {part.decode("ascii") for part in re.findall(rb"[\x20-\x7e]{5,100}", head)}
        found = next((kind for name, kind in MEMBERS if any(name in member for member in names)), None)
        if found is None:
            raise _unsupported("a damaged ZIP archive") from None
        return found
    for name, kind in MEMBERS:
        if any(member.startswith(name) and member.endswith(".xml") for member in names):
            return kind
    raise _unsupported("another Office file" if "[Content_Types].xml" in names else "a ZIP archive")


def _of_compound(file: BinaryIO) -> str:
    """HWP and MSG, told from other compound files (OLE) by the names in their directory, wherever that is."""
    for name, kind in OLE_KINDS:
        if not _has(file, name.encode("utf-16-le")):
            continue
        if kind is None:
            raise UnsupportedType(
                "document_encrypted",
                "The document is protected by a password. Remove the protection and upload it again.",
            )
        if kind not in EXTENSIONS:
            raise _unsupported(kind)
        return kind
    raise _unsupported("an old Office file")


def _has(file: BinaryIO, wanted: bytes) -> bool:
    file.seek(0)
    kept = b""
    while piece := file.read(1 << 20):
        if wanted in kept + piece:
            return True
        kept = piece[-len(wanted) :]
    return False


def _unsupported(what: str) -> UnsupportedType:
    return UnsupportedType(
        "unsupported_file_type", f"This is {what}, which is not read here. Upload {SUPPORTED}, or save it as one."
    )
