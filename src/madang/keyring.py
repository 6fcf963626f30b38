"""The signing secrets that `madang up` keeps in its data folder: the one that signs, and those that did before.

A former secret stays until a rotation finds that nothing is left which it signed or sealed. Every change is made under
`locked`, so that of several rotations none loses another's secret.
"""

import base64
import fcntl
import hmac
import os
import secrets
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import msgspec

CURRENT, FORMER, LOCK = "secret-key", "former-secret-keys", "keyring.lock"


@dataclass(frozen=True, slots=True)
class Former:
    """A secret that was rotated away. Until `retired_at` processes may have signed with it; None: they still may."""

    secret: str = field(repr=False)
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file beside the secret holds."""

    former: tuple[Former, ...] = ()
    is_sealing: bool = False


@dataclass(frozen=True, slots=True)
class Ring:
    """All secrets of a folder, the former ones with the newest first. `is_sealing` while a rotation is not over."""

    current: str = field(repr=False)
    former: tuple[Former, ...] = ()
    is_sealing: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret that signs, and after it the former ones."""
        return (self.current, *(one.secret for one in self.former))


def read(data_dir: Path) -> Ring | None:
    """The secrets of this folder; None when it has none."""
    path = data_dir / "secrets" / CURRENT
    if not path.exists():
        return None
    current, former = path.read_text().strip(), path.with_name(FORMER)
    kept = msgspec.json.decode(former.read_bytes(), type=_Kept) if former.exists() else _Kept()
    if all(one.secret != current for one in kept.former):
        return Ring(current, kept.former, kept.is_sealing)
    # A rotation died before its new secret was in place, so it has not begun.
    return Ring(current, tuple(one for one in kept.former if one.secret != current))


def setup_token(secret_key: str) -> str:
    """What the first person to register must know, if the operator chose nothing: 32 characters (192 bits).

    Whoever only finds the address of a new server does not know it, and nothing has to be kept.
    """
    return base64.urlsafe_b64encode(hmac.digest(secret_key.encode(), b"madang set-up token", "sha256")[:24]).decode()


def setup_url(address: str, token: str) -> str:
    """Where the first account is made. No proxy or log on the way sees what stands after the `#`."""
    return f"{address}/setup#{quote(token)}"


@contextmanager
def locked(data_dir: Path, *, wait: bool = True) -> Generator[bool]:
    """Change the ring with nobody else; yields whether it may be changed, which is always when `wait`.

    A process that is killed lets go of it. Raises `FileNotFoundError` when there are no secrets in this folder.
    """
    with (data_dir / "secrets" / LOCK).open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def turn(data_dir: Path) -> Ring:
    """Make a new secret and remember the one before, or go on where a rotation was interrupted.

    Raises `FileNotFoundError` when there is no secret in this folder. What comes back is on the disk for good.
    """
    ring = read(data_dir)
    if ring is None:
        raise FileNotFoundError(data_dir / "secrets" / CURRENT)
    if not ring.is_sealing:
        ring = Ring(secrets.token_urlsafe(32), (Former(ring.current), *ring.former), is_sealing=True)
        _write_former(data_dir, ring)
        _write(data_dir / "secrets" / CURRENT, ring.current)
    return ring


def settle(data_dir: Path, dropped: Collection[str]) -> None:
    """End a rotation: everything is sealed with the new secret, and nobody needs those that are dropped."""
    ring = read(data_dir)
    if ring is not None:
        kept = tuple(one for one in ring.former if one.secret not in dropped)
        _write_former(data_dir, Ring(ring.current, kept))


def retire(data_dir: Path, moment: datetime) -> None:
    """Note that from now on nothing signs with former secrets any more, unless a rotation is being made."""
    with locked(data_dir, wait=False) as held:
        ring = read(data_dir)
        if held and ring and any(one.retired_at is None for one in ring.former):
            former = tuple(replace(one, retired_at=one.retired_at or moment) for one in ring.former)
            _write_former(data_dir, replace(ring, former=former))


def _write_former(data_dir: Path, ring: Ring) -> None:
    kept = msgspec.json.encode(_Kept(ring.former, ring.is_sealing))
    _write(data_dir / "secrets" / FORMER, kept.decode())


def _write(path: Path, text: str) -> None:
    """Put the file in place whole and for good, readable by its owner alone."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
