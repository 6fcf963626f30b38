"""The process that reads one document, walled in.

`python -m madang.features.knowledge.service.reader MEDIA_TYPE MAX_PAGES MAX_CHARACTERS MEMORY_MB CPU_SECONDS` reads the
document from its standard input and prints one JSON document: `{"pages": [text, …], "notes": {code: [page or name, …]},
"walls": [name, …]}`, or `{"error": code, "walls": …}` with a code of `reading.ERRORS`. Whatever a hostile file does to
this process, the worker only sees it end.
"""

import json
import sys
import sysconfig
from pathlib import Path

from madang.features.knowledge.service.sandbox import limit_resources, wall_in


def outcome(media_type: str, content: bytes, max_pages: int, max_characters: int) -> dict[str, object]:
    """What to print about the document."""
    from madang.features.knowledge.service.extracted import ReadingError  # noqa: PLC0415  # after the limits
    from madang.features.knowledge.service.formats import read_pages  # noqa: PLC0415  # the same

    try:
        found = read_pages(media_type, content, max_pages)
    except ReadingError as error:
        return {"error": str(error)}
    except (MemoryError, RecursionError):
        return {"error": "document_too_large"}
    if len(found.pages) > max_pages:
        return {"error": "too_many_pages"}
    if sum(map(len, found.pages)) > max_characters:
        return {"error": "document_too_large"}
    empty = [number for number, page in enumerate(found.pages, 1) if not says_something(page)]
    if len(empty) == len(found.pages):
        return {"error": "no_text_found"}
    if empty:
        found.note("pages_without_text", *empty)
    return {"pages": found.pages, "notes": found.notes}


def says_something(page: str) -> bool:
    """Whether there is anything on a page that ink would show: invisible characters and an empty table are no text."""
    return any(character.isprintable() and not character.isspace() and character not in "|-:" for character in page)


def readable() -> list[Path]:
    """What a library may still want to read: Python's own and the packages', never the data of Madang."""
    package = Path(__file__).parents[3]
    return [package, *map(Path, {sysconfig.get_path("stdlib"), *filter(None, sys.path)})]


def main() -> None:
    """Read what stands on the standard input and print it."""
    from madang.features.knowledge.service.formats import preload  # noqa: PLC0415  # for this process only

    media_type, max_pages, max_characters, memory_mb, cpu_seconds = sys.argv[1:]
    limit_resources(int(memory_mb), int(cpu_seconds))
    preload(media_type)
    walls = wall_in(readable())
    found = outcome(media_type, sys.stdin.buffer.read(), int(max_pages), int(max_characters))
    sys.stdout.buffer.write(json.dumps({**found, "walls": walls}, ensure_ascii=False).encode())


if __name__ == "__main__":
    main()
