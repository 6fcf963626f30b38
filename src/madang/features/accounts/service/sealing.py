"""Secrets that must be read again, kept so that the database alone yields none of them."""

import os
from contextlib import suppress
from uuid import UUID

from madang.features.accounts.service import tokens
from madang.kernel.house import House

NONCE_BYTES = 12


def seal(house: House, secret: bytes, owner: UUID) -> bytes:
    """The secret under AES-256-GCM (a nonce, then the text with its tag), bound to its owner's id."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # only the api needs it

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_keys(house)[0]).encrypt(nonce, secret, owner.bytes)


def unseal(house: House, sealed: bytes, owner: UUID) -> bytes | None:
    """The secret, or None when it was sealed under no key that the house knows or for somebody else."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # only the api needs it
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # the same

    for key in _keys(house):
        with suppress(InvalidTag, ValueError):
            return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.bytes)
    return None


def _keys(house: House) -> list[bytes]:
    """The key that seals, and those that did before."""
    return [tokens.expand(secret, b"sealing") for secret in house.settings.secrets]
