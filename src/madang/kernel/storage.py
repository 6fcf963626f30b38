"""Files, on this disk or in an object store that speaks S3; obstore does both."""

from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from madang.kernel.settings import Settings

_CHUNK_BYTES = 1 << 20


class Storage:
    """Objects by key. Keys are made by the features from ids and hashes, never from names that users give."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, key: str, content: bytes | AsyncIterable[bytes]) -> None:
        """Write the object whole; readers see all of it or nothing."""
        await obstore.put_async(self._store, key, content)

    async def get(self, key: str) -> AsyncIterator[bytes]:
        """The object's bytes, piece by piece. Raises FileNotFoundError."""
        found = await obstore.get_async(self._store, key)
        async for piece in found.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(piece)

    async def read(self, key: str) -> bytes:
        """The whole object. Raises FileNotFoundError."""
        found = await obstore.get_async(self._store, key)
        return bytes(await found.bytes_async())

    async def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Remove the object; nothing happens when it is not there."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return


def open_storage(settings: Settings) -> Storage:
    """The storage that the settings name; the data folder's `files` when they name none."""
    if settings.storage_url is None:
        folder = Path(settings.data_dir).absolute() / "files"
        folder.mkdir(parents=True, exist_ok=True)
        return Storage(LocalStore(folder))
    return Storage(from_url(settings.storage_url))
