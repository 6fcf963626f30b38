"""What a file is, by its content; its name only tells Markdown from plain text."""

import io
import zipfile
from pathlib import Path
from typing import BinaryIO, override

from madang.features.files.contracts import DOCX, MARKDOWN, PDF, TEXT
from madang.kernel.errors import UnsupportedType

SNIFFED = 65_536
"""Bytes from the start that decide."""

DIRECTORY_BYTES = 1 << 20
"""The largest table of contents of an archive that is looked at: 20,000 members, where a Word file has a few dozen.

Each would become an object of half a kilobyte, here in the process that serves everybody.
"""

SUPPORTED = "plain text, Markdown, PDF and Word (DOCX)"

OLE = b"\xd0\xcf\x11\xe0"
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
"""The stream that a Word file with a password consists of; its name is in the directory, wherever that is."""

KNOWN_OTHERS = (
    (OLE, "an old Word, Excel or HWP file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a WebP image or a sound"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"{\\rtf", "an RTF file"),
)


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
    """The media type of an open file, one of the supported.

    Raises UnsupportedType (`unsupported_file_type`), saying what it seems to be and what would be read.
    """
    file.seek(0)
    head = file.read(SNIFFED)
    if b"%PDF-" in head[:1024]:
        return PDF
    if head.startswith(b"PK\x03\x04"):
        return _of_archive(file)
    if head.startswith(OLE) and _has(file, ENCRYPTED_PACKAGE):
        raise UnsupportedType(
            "document_encrypted", "The document is protected by a password. Remove the protection and upload it again."
        )
    for magic, what in KNOWN_OTHERS:
        if head.startswith(magic):
            raise _unsupported(what)
    if not _is_text(head):
        raise _unsupported("a binary file of unknown kind")
    return MARKDOWN if Path(filename).suffix.lower() in {".md", ".markdown"} else TEXT


def _of_archive(file: BinaryIO) -> str:
    """DOCX, told from other ZIP archives by the part every one has; a broken archive is left to the reader to name."""
    file.seek(0)
    try:
        with zipfile.ZipFile(_Bounded(file)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        file.seek(0)
        if b"word/" in file.read(SNIFFED):
            return DOCX
        raise _unsupported("a damaged ZIP archive") from None
    if "word/document.xml" in names:
        return DOCX
    if "Contents/section0.xml" in names:
        raise _unsupported("an HWPX file")
    office = "[Content_Types].xml" in names
    raise _unsupported("another Office file" if office else "a ZIP archive")


def _has(file: BinaryIO, wanted: bytes) -> bool:
    file.seek(0)
    kept = b""
    while piece := file.read(1 << 20):
        if wanted in kept + piece:
            return True
        kept = piece[-len(wanted) :]
    return False


def _is_text(head: bytes) -> bool:
    """Whether the bytes can be text in UTF-8, UTF-16 with a mark, or CP949 (Korean Windows)."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if b"\0" in head:
        return False
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return control <= len(head) // 200 and any(_decodes(head, name) for name in ("utf-8", "cp949"))


def _decodes(head: bytes, encoding: str) -> bool:
    """A character cut off at the end of the sample is forgiven."""
    for cut in range(4):
        try:
            head[: len(head) - cut].decode(encoding)
        except UnicodeDecodeError:
            if len(head) < SNIFFED:
                return False
            continue
        return True
    return False


def _unsupported(what: str) -> UnsupportedType:
    return UnsupportedType(
        "unsupported_file_type", f"This is {what}, which is not read here. Upload {SUPPORTED}, or save it as one."
    )
