"""Reads documents without trusting them: in a child process that may fail, hang or swell without harm."""

import asyncio
import os
import sys
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO

import msgspec

from madang.features.knowledge.settings import KnowledgeSettings
from madang.kernel import log

logger = log.get_logger(__name__)

ERRORS = {
    "document_encrypted": "The document is protected by a password. Remove the protection and upload it again.",
    "document_corrupt": "The document is damaged and cannot be opened. Save it again from its program and upload that.",
    "document_too_large": "The document unpacks to more than can be read here. Split it and upload the parts.",
    "document_too_slow": "Reading the document took too long. Split it, or save it again in a simpler form.",
    "too_many_pages": "The document has more pages than are read here. Split it and upload the parts.",
    "encoding_unknown": "The encoding of the text is not known here. Save it as UTF-8 and upload it again.",
    "no_text_found": "The document holds no text; it may be a scan. Upload a version whose text can be selected.",
    "ingest_failed": "The document could not be made searchable. Try again; if it fails again, tell the operator.",
}
"""Why a document could not be read, and what to do about it."""

LOADING = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What the reader keeps of the environment: where this Python's own libraries lie, if it has to be told."""

NOT_BEGUN = (126, 127)
"""How a program ends that could not be loaded: no document is at fault."""


class UnreadableError(Exception):
    """The document cannot be read, now or later. `code` is a key of `ERRORS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """The text of each page, in order, and what its reader must be told: codes with the pages or names they are about.

    The codes are those of `extracted.NOTES`.
    """

    pages: list[str]
    notes: dict[str, list[int | str]]


@dataclass(frozen=True, slots=True)
class _Outcome:
    pages: list[str] | None = None
    notes: dict[str, list[int | str]] = field(default_factory=dict[str, "list[int | str]"])
    error: str | None = None
    walls: list[str] = field(default_factory=list[str])


async def read_document(file: BinaryIO, media_type: str, limits: KnowledgeSettings) -> ReadDocument:
    """What is in an open file, of which the child gets the descriptor alone. Raises UnreadableError."""
    cpu_seconds = int(limits.read_seconds) + 1
    sizes = [limits.max_pages, limits.max_characters, limits.read_memory_mb, cpu_seconds]
    child = await asyncio.create_subprocess_exec(
        *[sys.executable, "-I", "-m", "madang.features.knowledge.service.reader", media_type],
        *map(str, sizes),
        stdin=file,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"LANG": "C.UTF-8", **{name: os.environ[name] for name in LOADING if name in os.environ}},
    )
    try:
        async with asyncio.timeout(limits.read_seconds):
            printed, _ = await child.communicate()
    except TimeoutError:
        raise UnreadableError("document_too_slow") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return _read(printed, child.returncode)


def _read(printed: bytes, returncode: int | None) -> ReadDocument:
    """The child's word; a child that ended without one met a file that broke it."""
    try:
        outcome = msgspec.json.decode(printed, type=_Outcome)
    except msgspec.DecodeError:
        raise UnreadableError(_end(returncode)) from None
    _tell_of_walls(tuple(outcome.walls))
    if outcome.pages is None:
        raise UnreadableError(outcome.error if outcome.error in ERRORS else "document_corrupt")
    return ReadDocument(outcome.pages, outcome.notes)


@cache
def _tell_of_walls(walls: tuple[str, ...]) -> None:
    """Say once a process what stands around readers of documents here."""
    if {"landlock", "seccomp"} <= {*walls}:
        logger.info("reader_walls", walls=walls)
    else:
        advice = "This kernel cannot shut off files and network from readers of documents; only limits and the user do."
        logger.warning("reader_walls", walls=walls, advice=advice)


def _end(returncode: int | None) -> str:
    """-24 is SIGXCPU, -9 SIGKILL, -6 SIGABRT (out of time or memory); any other is a crash on a broken file."""
    if returncode in NOT_BEGUN:
        logger.error("reader_not_begun", error=f"{sys.executable} ended with {returncode} before it read anything")
        return "ingest_failed"
    if returncode == -24:
        return "document_too_slow"
    if returncode in {-9, -6}:
        return "document_too_large"
    logger.warning("reader_crashed", returncode=returncode)
    return "document_corrupt"
