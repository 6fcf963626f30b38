"""Files, on this disk or in an object store that speaks S3; obstore does both."""

from collections.abc import AsyncIterable, AsyncIterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from madang.kernel.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CHUNK_BYTES = 1 << 20


class Storage:
    """Objects by key. Keys are made by the features from ids and hashes, never from names that users give.

    They are where the settings say; in the data folder's `files` when they name no place.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _store(self) -> "ObjectStore":
        from obstore.store import LocalStore, from_url  # noqa: PLC0415  # 5 MB, which the scheduler never needs

        url = self._settings.storage_url
        if url is not None and not url.startswith("file://"):
            return from_url(url)
        folder = self._settings.data_dir.absolute() / "files" if url is None else Path(unquote(urlsplit(url).path))
        return LocalStore(folder, mkdir=True)

    async def put(self, key: str, content: bytes | AsyncIterable[bytes]) -> None:
        """Write the object whole; readers see all of it or nothing."""
        await self._store.put_async(key, content)

    async def get(self, key: str) -> AsyncIterator[bytes]:
        """The object's bytes, piece by piece. Raises FileNotFoundError."""
        found = await self._store.get_async(key)
        async for piece in found.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(piece)

    async def read(self, key: str) -> bytes:
        """The whole object. Raises FileNotFoundError."""
        found = await self._store.get_async(key)
        return bytes(await found.bytes_async())

    async def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            await self._store.head_async(key)
        except FileNotFoundError:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Remove the object; nothing happens when it is not there."""
        try:
            await self._store.delete_async(key)
        except FileNotFoundError:
            return
