"""The process that reads one document, with hard limits of its own.

`python -m madang.features.knowledge.service.reader MEDIA_TYPE PATH MAX_PAGES MAX_CHARACTERS MEMORY_MB CPU_SECONDS`
prints one JSON document: `{"pages": [text, …]}`, or `{"error": code}` with a code of `reading.ERRORS`. Whatever a
hostile file does to this process, the worker only sees it end.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

DIE_WITH_PARENT = 1
"""prctl's PR_SET_PDEATHSIG."""

NICE = 10
"""Answers that are being written go before documents that are being read."""


def confine(memory_mb: int, cpu_seconds: int) -> None:
    """Bound this process: address space, processor time, no files written, no core, no life after its parent."""
    os.nice(NICE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def outcome(media_type: str, path: Path, max_pages: int, max_characters: int) -> dict[str, object]:
    """What to print about the document."""
    from madang.features.knowledge.service.formats import ReadingError, read_pages  # noqa: PLC0415  # after confine

    try:
        pages = read_pages(media_type, path, max_pages)
    except ReadingError as error:
        return {"error": str(error)}
    except (MemoryError, RecursionError):
        return {"error": "document_too_large"}
    if len(pages) > max_pages:
        return {"error": "too_many_pages"}
    if sum(map(len, pages)) > max_characters:
        return {"error": "document_too_large"}
    return {"pages": pages} if any(map(says_something, pages)) else {"error": "no_text_found"}


def says_something(page: str) -> bool:
    """Whether there is anything on a page that ink would show: invisible characters are no text."""
    return any(character.isprintable() and not character.isspace() for character in page)


def main() -> None:
    """Read what the command line names and print it."""
    media_type, path, max_pages, max_characters, memory_mb, cpu_seconds = sys.argv[1:]
    confine(int(memory_mb), int(cpu_seconds))
    found = outcome(media_type, Path(path), int(max_pages), int(max_characters))
    sys.stdout.buffer.write(json.dumps(found, ensure_ascii=False).encode())


if __name__ == "__main__":
    main()
