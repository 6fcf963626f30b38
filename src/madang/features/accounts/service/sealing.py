"""Secrets that must be read again, kept so that the database alone yields none of them."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from madang import keyring
from madang.features.accounts.service import tokens
from madang.kernel.house import House

NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Opened:
    """A secret that was sealed; `is_stale` when that was with a former key of the house, so that it wants a new one."""

    secret: bytes = field(repr=False)
    is_stale: bool


def seal(house: House, secret: bytes, owner: UUID) -> bytes:
    """The secret under AES-256-GCM (a nonce, then the text with its tag), bound to its owner's id."""
    return seal_with(house.settings.secrets[0], secret, owner)


def seal_with(key: str, secret: bytes, owner: UUID) -> bytes:
    """The same with a signing secret that this process does not use yet."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # only the api needs it

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_expanded(key)).encrypt(nonce, secret, owner.bytes)


def unseal(house: House, sealed: bytes, owner: UUID) -> Opened | None:
    """The secret, or None when it was sealed under no key that the house knows or for somebody else.

    A rotation seals everything anew while processes still run with the secret before: they find the new one where the
    rotation has put it.
    """
    opened = unseal_with(house.settings.secrets, sealed, owner)
    if opened is not None:
        return opened
    ring = keyring.read(house.settings.data_dir)
    if ring is None or house.settings.secrets[0] not in ring.secrets:
        return None
    newer = unseal_with(ring.secrets, sealed, owner)
    return newer and Opened(newer.secret, is_stale=False)


def unseal_with(keys: Sequence[str], sealed: bytes, owner: UUID) -> Opened | None:
    """The secret if one of these signing secrets sealed it, of which the first is the present one."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # only the api needs it
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # the same

    for number, key in enumerate(keys):
        with suppress(InvalidTag, ValueError):
            secret = AESGCM(_expanded(key)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.bytes)
            return Opened(secret, is_stale=number > 0)
    return None


def _expanded(key: str) -> bytes:
    return tokens.expand(key, b"sealing")
