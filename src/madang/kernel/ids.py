"""Identifiers."""

from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """A version 7 UUID: unique everywhere and sorted by the moment it was made."""
    return UUID(int=uuid_utils.uuid7().int)
