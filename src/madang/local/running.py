"""What a running `madang up` tells other processes of this machine: where it is, and how to reach its databases."""

import fcntl
import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from madang.local.whole_file import write_whole

NEEDED = "DATABASE_URL"


def data_dir() -> Path:
    """The data folder that the environment names, absolute."""
    return Path(os.environ.get("MADANG_DATA_DIR") or ".madang").resolve()


def holder(folder: Path) -> tuple[str, str] | None:
    """The process id and the address of the `madang up` that holds the folder, or None."""
    lock = folder / "up.lock"
    try:
        with lock.open(encoding="utf-8") as note:
            try:
                fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                lines = [*note.read().splitlines(), "?", "?"]
                return lines[0], lines[1]
    except OSError:
        return None
    return None


def publish(folder: Path, environment: Mapping[str, str]) -> None:
    """Keep the environment of the processes, for commands of the same user and for nobody else. Raises `OSError`."""
    path = folder / "run" / "environment.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, json.dumps(dict(environment)))


def adopt(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let this process reach what a running `madang up` started, unless it was told of other databases."""
    folder = data_dir()
    if NEEDED in environment or holder(folder) is None:
        return
    try:
        kept: dict[str, str] = json.loads((folder / "run" / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for name, value in kept.items():
        environment.setdefault(name, value)
