"""Passwords and keys that are made once and kept in the data folder, readable by its owner alone."""

import os
import secrets as random
from pathlib import Path


def secret(data_dir: Path, name: str) -> str:
    """The secret of this name, made at the first call: 43 characters of A-Z a-z 0-9 - _ (256 bits)."""
    path = data_dir / "secrets" / name
    private_folder(path.parent)
    if not path.exists():
        _write_once(path, random.token_urlsafe(32))
    return path.read_text().strip()


def private_folder(path: Path) -> Path:
    """Make the folder, for its owner alone, if it is missing."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _write_once(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{random.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
