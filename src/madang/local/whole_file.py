"""Files that are there whole or as they were before, even when the disk is full or the machine stops."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Put the text in place of the file, readable by its owner alone; nothing is written where it says so already.

    Whoever owned the file owns it still. Raises `OSError`; the file is then as it was.
    """
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if path.exists():
                os.fchown(descriptor, path.stat().st_uid, path.stat().st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
