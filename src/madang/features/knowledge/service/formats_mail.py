"""Mail to pages of text: its head, its words, and what is attached. Runs in the reader's process only."""

import contextlib
import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage, MIMEPart
from typing import cast

from madang.features.knowledge.service.extracted import Extracted, ReadingError, cut
from madang.features.knowledge.service.formats import kind_of, read_part

MOST_ATTACHMENTS = 50
HEADERS = ("Subject", "From", "To", "Cc", "Date")
MAIL = "message/rfc822"


def read(_media_type: str, content: bytes, max_pages: int) -> Extracted:
    """The mail's own words in their pages, then each attachment in its own. Raises ReadingError."""
    return _read(content, max_pages, depth=1)


def _read(content: bytes, max_pages: int, depth: int) -> Extracted:
    try:
        message = email.message_from_bytes(content, policy=email.policy.default)
        text = "\n\n".join(filter(None, (_head(message), _body(message, max_pages))))
    except (ReadingError, MemoryError):
        raise
    except Exception as error:
        raise ReadingError("document_corrupt") from error
    found = Extracted(list(cut(text)))
    for number, (name, part) in enumerate(_attachments(message)):
        inner = None if number >= MOST_ATTACHMENTS else _attached(name, part, max_pages, depth)
        if inner is None:
            found.note("attachment_not_read", name)
        else:
            _append(found, name, inner)
    return found


def _head(message: EmailMessage) -> str:
    lines = (f"{name}: {' '.join(str(message[name]).split())}" for name in HEADERS if message[name])
    return "\n".join(lines)


def _body(message: EmailMessage, max_pages: int) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    content = _bytes(part)
    charset = part.get_content_charset()
    if charset:
        with contextlib.suppress(LookupError):
            content = content.decode(charset, "replace").encode()
    return "\n\n".join(read_part(part.get_content_type(), content, max_pages).pages)


def _attachments(message: EmailMessage) -> Iterator[tuple[str, EmailMessage]]:
    for part in message.iter_attachments():
        attached = part
        if attached.get_content_maintype() == "image" and attached.get_content_disposition() != "attachment":
            continue
        yield attached.get_filename() or "attachment", attached


def _attached(name: str, part: EmailMessage, max_pages: int, depth: int) -> Extracted | None:
    """What is in an attachment; None when it is not read."""
    try:
        if part.get_content_type() == MAIL:
            inner = cast("list[EmailMessage]", part.get_payload())[0]
            return _read(bytes(inner), max_pages, depth - 1) if depth else None
        kind = kind_of(name)
        if kind is None or kind == MAIL:
            return None
        return read_part(kind, _bytes(part), max_pages)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # the mail itself is sound, and says which attachment is not
        return None


def _bytes(part: MIMEPart) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _append(found: Extracted, name: str, inner: Extracted) -> None:
    """Put the attachment's pages behind the mail's, its notes with their pages' new numbers."""
    shift = len(found.pages)
    found.pages += [f"## {name}\n\n{page}" if number == 0 else page for number, page in enumerate(inner.pages)]
    for code, about in inner.notes.items():
        found.note(code, *(one + shift if isinstance(one, int) else one for one in about))
