"""PDF to pages of text. Runs in the reader's process only: it meets hostile files.

PDFium says how many pages there are, whether a password is needed, and which words nobody sees; xberg reads the text,
column after column. Lines are joined by `line_joining`.
"""

import io
from collections.abc import Iterator
from ctypes import byref, c_float, c_uint
from dataclasses import dataclass
from typing import Any, cast

import pypdfium2  # type: ignore[import-untyped]  # ships no types

from madang.features.knowledge.service.extracted import Extracted, ReadingError, clean
from madang.features.knowledge.service.formats_office import extract
from madang.features.knowledge.service.line_joining import join_pages, unwrap, without_running_lines

PDF = "application/pdf"
PASSWORD_ERROR = 4
"""PDFium's code for a file that needs a password."""

WHITE = 250
"""From here up, of 255, each part of a colour that cannot be told from paper."""

INVISIBLE = 3
"""The text render mode that draws nothing."""

SCANNED = 0.5
"""A picture over so much of a page makes it a scan; the invisible words on it are what a program read there."""

LARGEST_SIDE = 20_000
"""Points of a page's longer side, seven metres; xberg would ask for more memory than there is for a larger one."""

MOST_OBJECTS = 50_000
"""Objects of a page that are looked at; a drawing may have millions."""

_pdfium = cast("Any", pypdfium2.raw)
type Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Object:
    raw: Any
    kind: int
    box: Box


def read(_media_type: str, content: bytes, max_pages: int) -> Extracted:
    """The pages' text as people see it. Raises ReadingError."""
    found = Extracted([])
    pdf = _open(content)
    if pdf is not None and len(pdf) > max_pages:
        raise ReadingError("too_many_pages")
    if pdf is None:
        pages = _by_xberg(content, max_pages)
    elif any(_is_out_of_size(pdf, at) for at in range(len(pdf))):
        pages = _by_pdfium(pdf)
    else:
        pages = _by_xberg(_without_hidden(pdf, content, found), max_pages)
    pages, repeated = without_running_lines(pages)
    if repeated:
        found.note("repeated_lines_left_out")
    found.pages = join_pages([unwrap(page) for page in pages])
    return found


def _open(content: bytes) -> Any:  # noqa: ANN401  # PDFium's objects have no types
    """The file as PDFium opens it; None when it cannot. Raises ReadingError (`document_encrypted`)."""
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if cast("int | None", error.err_code) == PASSWORD_ERROR:
            raise ReadingError("document_encrypted") from None
        return None


def _is_out_of_size(pdf: Any, at: int) -> bool:  # noqa: ANN401  # as above
    try:
        left, bottom, right, top = pdf[at].get_mediabox()
    except pypdfium2.PdfiumError:
        return False
    return not (0 < right - left <= LARGEST_SIDE and 0 < top - bottom <= LARGEST_SIDE)


def _by_xberg(content: bytes, max_pages: int) -> list[str]:
    office = extract(PDF, content, max_pages, "plain")
    return [clean(page.content) for page in office.pages or ()] or [clean(office.content)]


def _by_pdfium(pdf: Any) -> list[str]:  # noqa: ANN401  # as above
    return [clean(str(pdf[at].get_textpage().get_text_bounded())) for at in range(len(pdf))]


def _without_hidden(pdf: Any, content: bytes, found: Extracted) -> bytes:  # noqa: ANN401  # as above
    """The file without the words that nobody sees; as it is when there are none."""
    changed = [number for number in range(1, len(pdf) + 1) if _clear(pdf, number)]
    if not changed:
        return content
    found.note("hidden_text_left_out", *changed)
    made = io.BytesIO()
    pdf.save(made)
    return made.getvalue()


def _clear(pdf: Any, number: int) -> bool:  # noqa: ANN401  # as above
    """Take hidden words off a page; whether there were any."""
    try:
        page = pdf[number - 1]
    except pypdfium2.PdfiumError:
        return False
    hidden = list(_hidden(page))
    for one in hidden:
        _pdfium.FPDFPage_RemoveObject(page.raw, one.raw)
    if hidden:
        _pdfium.FPDFPage_GenerateContent(page.raw)
    page.close()
    return bool(hidden)


def _hidden(page: Any) -> Iterator[_Object]:  # noqa: ANN401  # as above
    """Text in no ink, and in white on nothing but paper. On a scan invisible text is what was read from the picture."""
    objects = list(_objects(page))
    area = page.get_width() * page.get_height()
    scanned = any(one.kind == _pdfium.FPDF_PAGEOBJ_IMAGE and _area(one.box) >= SCANNED * area for one in objects)
    painted: list[Box] = []
    for one in objects:
        if one.kind != _pdfium.FPDF_PAGEOBJ_TEXT:
            if not (one.kind == _pdfium.FPDF_PAGEOBJ_PATH and _is_white(one.raw)):
                painted.append(one.box)
            continue
        mode = _pdfium.FPDFTextObj_GetTextRenderMode(one.raw)
        if mode == INVISIBLE:
            if not scanned:
                yield one
        elif mode == 0 and _is_white(one.raw) and not any(_overlaps(one.box, box) for box in painted):
            yield one


def _objects(page: Any) -> Iterator[_Object]:  # noqa: ANN401  # as above
    count = min(_pdfium.FPDFPage_CountObjects(page.raw), MOST_OBJECTS)
    for at in range(count):
        raw = _pdfium.FPDFPage_GetObject(page.raw, at)
        left, bottom, right, top = (c_float() for _ in range(4))
        if raw and _pdfium.FPDFPageObj_GetBounds(raw, byref(left), byref(bottom), byref(right), byref(top)):
            box = (left.value, bottom.value, right.value, top.value)
            yield _Object(raw, _pdfium.FPDFPageObj_GetType(raw), box)


def _is_white(raw: Any) -> bool:  # noqa: ANN401  # as above
    red, green, blue, alpha = (c_uint() for _ in range(4))
    known = _pdfium.FPDFPageObj_GetFillColor(raw, byref(red), byref(green), byref(blue), byref(alpha))
    return bool(known) and min(red.value, green.value, blue.value) >= WHITE


def _area(box: Box) -> float:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _overlaps(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
