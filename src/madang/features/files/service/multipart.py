"""Multipart uploads read as a stream: no more than one piece of the body is ever in memory."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from madang.kernel.errors import BadRequest, Invalid

MOST_BEFORE = 65_536
"""Bytes that may come before the file: a form that never comes to its file would be read for ever."""

LONGEST_HEADER = 32_768
"""Bytes of one line, most of them the file's name; a long one is cut later, but not refused."""

_EXTENDED_NAME = re.compile(rb";\s*filename\*\s*=\s*\"?(?:utf-8)'[^']*'([^;\"]+)", re.IGNORECASE)
"""How older clients send a name that is not ASCII (RFC 5987), though forms are not meant to have it."""


@dataclass(slots=True)
class Upload:
    """The file part of a form: its name as sent, and its bytes once, in order."""

    filename: str
    content: AsyncIterator[bytes]


@dataclass(slots=True)
class _Form:
    """What the parser has met so far. `ready` holds bytes of the wanted part that nobody has taken yet."""

    wanted: bytes
    filename: str | None = None
    ready: list[bytes] = field(default_factory=list)
    in_wanted: bool = False
    finished: bool = False
    ended: bool = False
    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    disposition: bytes = b""

    def on_part_begin(self) -> None:
        self.disposition = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def on_header_end(self) -> None:
        if bytes(self.header).lower() == b"content-disposition":
            self.disposition = bytes(self.value)
        self.header.clear()
        self.value.clear()

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self.disposition)
        name = options.get(b"filename")
        if extended := _EXTENDED_NAME.search(self.disposition):
            name = unquote_to_bytes(extended[1])
        if options.get(b"name") == self.wanted and name is not None and self.filename is None:
            self.filename = name.decode("utf-8", "replace")
            self.in_wanted = True

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self.in_wanted:
            self.ready.append(data[start:end])

    def on_part_end(self) -> None:
        self.finished = self.finished or self.in_wanted
        self.in_wanted = False

    def on_end(self) -> None:
        self.ended = True


async def read_upload(content_type: str | None, body: AsyncIterator[bytes], name: str = "file") -> Upload:
    """The part called `name` of a multipart body; the rest of the body is read as the content is.

    Raises BadRequest (`form_malformed`) and Invalid (`file_missing`).
    """
    kind, options = parse_options_header(content_type or "")
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadRequest("form_malformed", "Send the file as multipart/form-data with a boundary.")
    form = _Form(name.encode())
    parser = _parser(form, boundary)
    seen = 0
    while form.filename is None:
        if seen > MOST_BEFORE:
            raise BadRequest("form_malformed", f"Put the file, in a part called `{name}`, first in the form.")
        taken = await _advance(parser, body)
        if taken is None:
            raise Invalid("file_missing", f"The form has no file in a part called `{name}`.")
        seen += taken
    return Upload(form.filename, _content(form, parser, body))


def _parser(form: _Form, boundary: bytes) -> MultipartParser:
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": form.on_part_begin,
                "on_header_field": form.on_header_field,
                "on_header_value": form.on_header_value,
                "on_header_end": form.on_header_end,
                "on_headers_finished": form.on_headers_finished,
                "on_part_data": form.on_part_data,
                "on_part_end": form.on_part_end,
                "on_end": form.on_end,
            },
            max_header_size=LONGEST_HEADER,
        )
    except FormParserError:
        raise BadRequest("form_malformed", "The boundary of the form is not acceptable.") from None


async def _advance(parser: MultipartParser, body: AsyncIterator[bytes]) -> int | None:
    """Feed the next piece of the body; its size in bytes, None when there is none."""
    piece = await anext(body, None)
    if not piece:
        return None if piece is None else 0
    try:
        parser.write(piece)
    except FormParserError:
        raise BadRequest("form_malformed", "The form is not valid multipart/form-data.") from None
    return len(piece)


async def _content(form: _Form, parser: MultipartParser, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        pieces, form.ready = form.ready, []
        for piece in pieces:
            yield piece
        if form.finished:
            return
        if await _advance(parser, body) is None:
            raise BadRequest("upload_cut_off", "The upload ended before the file did; send it again.")
