"""The signing secrets that `madang up` keeps in its data folder, and making a new one."""

import json
import os
import secrets
from pathlib import Path

CURRENT, FORMER = "secret-key", "former-secret-keys"
KEPT = 5
"""So many former secrets are remembered; what an older one signed has to be signed anew."""


def current(data_dir: Path) -> str | None:
    """The secret of this folder; None when it has none."""
    path = data_dir / "secrets" / CURRENT
    return path.read_text().strip() if path.exists() else None


def former(data_dir: Path) -> list[str]:
    """The secrets that were rotated away, the newest first."""
    path = data_dir / "secrets" / FORMER
    return [str(one) for one in json.loads(path.read_text())] if path.exists() else []


def rotate(data_dir: Path) -> int:
    """Make a new secret and remember the one before; how many former ones there are now.

    Raises `FileNotFoundError` when there is no secret in this folder. A crash in the middle leaves a secret that is
    both present and remembered, which does no harm.
    """
    path = data_dir / "secrets" / CURRENT
    kept = [path.read_text().strip(), *former(data_dir)][:KEPT]
    _write(path.with_name(FORMER), json.dumps(kept))
    _write(path, secrets.token_urlsafe(32))
    return len(kept)


def _write(path: Path, text: str) -> None:
    """Put the file in place whole, readable by its owner alone."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
