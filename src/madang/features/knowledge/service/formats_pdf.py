"""PDF to pages of text. Runs in the reader's process only: it meets hostile files."""

from pathlib import Path
from typing import Protocol, cast

import pypdfium2  # type: ignore[import-untyped]  # ships no types

from madang.features.knowledge.service.formats import ReadingError, clean, unwrap

PASSWORD_ERROR = 4
"""PDFium's code for a file that needs a password."""


class _TextLayer(Protocol):
    def get_text_bounded(self) -> str: ...

    def close(self) -> None: ...


def read(path: Path, max_pages: int) -> list[str]:
    """By PDFium; by pypdf where PDFium cannot open the file or finds no text in it."""
    try:
        pages = _by_pdfium(path, max_pages)
    except pypdfium2.PdfiumError as error:
        if cast("int | None", error.err_code) == PASSWORD_ERROR:
            raise ReadingError("document_encrypted") from None
        return _by_pypdf(path, max_pages)
    if any(pages):
        return pages
    try:
        return _by_pypdf(path, max_pages)
    except ReadingError:
        return pages


def _by_pdfium(path: Path, max_pages: int) -> list[str]:
    pdf = pypdfium2.PdfDocument(path)
    if len(pdf) > max_pages:
        raise ReadingError("too_many_pages")
    pages: list[str] = []
    for number in range(len(pdf)):
        page = pdf[number]
        layer = cast("_TextLayer", page.get_textpage())
        pages.append(unwrap(clean(layer.get_text_bounded())))
        layer.close()
        page.close()
    return pages


def _by_pypdf(path: Path, max_pages: int) -> list[str]:
    from pypdf import PdfReader  # noqa: PLC0415  # seldom needed, and slow to load

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise ReadingError("document_encrypted")
        if len(reader.pages) > max_pages:
            raise ReadingError("too_many_pages")
        return [unwrap(clean(page.extract_text())) for page in reader.pages]
    except (ReadingError, MemoryError):
        raise
    except Exception as error:
        raise ReadingError("document_corrupt") from error
