"""Secrets that must be read again, kept so that the database alone yields none of them."""

import os
from uuid import UUID

from madang.features.accounts.service import tokens
from madang.kernel.house import House

NONCE_BYTES = 12


def seal(house: House, secret: bytes, owner: UUID) -> bytes:
    """The secret under AES-256-GCM (a nonce, then the text with its tag), bound to its owner's id."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # only the api needs it

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_key(house)).encrypt(nonce, secret, owner.bytes)


def unseal(house: House, sealed: bytes, owner: UUID) -> bytes | None:
    """The secret, or None when it was sealed under another `MADANG_SECRET_KEY` or for somebody else."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # only the api needs it
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # the same

    try:
        return AESGCM(_key(house)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.bytes)
    except (InvalidTag, ValueError):
        return None


def _key(house: House) -> bytes:
    return tokens.expand(house.settings.secret_key.get_secret_value(), b"sealing")
