"""A house for benches of knowledge: a fresh PostgreSQL, the built-in embedding model, and one account."""

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import numpy as np
from sqlalchemy import text, update

from madang.adapters.opening import open_house
from madang.features.files.public import receive_upload
from madang.features.knowledge.contracts import IngestDocument
from madang.features.knowledge.service import documents, ingest, search
from madang.features.knowledge.tables import Document
from madang.features.providers import settings as provider_settings
from madang.features.providers.public import EmbeddingBatch, EmbeddingKind, embed
from madang.features.usage.public import HOUSE_SPENDS, Spender
from madang.kernel.auth import Principal
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.settings import Settings
from madang.local.child import free_port
from madang.local.postgres import PostgresServer
from madang.migrations import upgrade

KEPT = Path(".madang/bench/embeddings.npz")
MODEL = ("local/multilingual-e5-small", 384)


class KeptEmbeddings:
    """The product's `embed`, which remembers what it was asked; `texts` counts what the model had to do."""

    def __init__(self) -> None:
        self.known: dict[bytes, np.ndarray] = {}
        self.texts = 0
        if KEPT.exists():
            with np.load(KEPT) as kept:
                self.known = {key.tobytes(): vector for key, vector in zip(kept["keys"], kept["vectors"], strict=True)}

    async def __call__(
        self, house: House, texts: Sequence[str], kind: EmbeddingKind = "query", *, spender: Spender = HOUSE_SPENDS
    ) -> EmbeddingBatch:
        """Vectors for the texts."""
        keys = [hashlib.sha256(f"{kind}: {one}".encode()).digest() for one in texts]
        missing = [at for at, key in enumerate(keys) if key not in self.known]
        if missing:
            self.texts += len(missing)
            batch = await embed(house, [texts[at] for at in missing], kind=kind, spender=spender)
            assert (batch.model, batch.dimension) == MODEL
            for at, vector in zip(missing, batch.vectors, strict=True):
                self.known[keys[at]] = np.array(vector, np.float32)
        return EmbeddingBatch(*MODEL, [self.known[key].tolist() for key in keys])

    def keep(self) -> None:
        """Write what is known for the next run."""
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        keys = np.frombuffer(b"".join(self.known), np.uint8).reshape(-1, 32)
        np.savez(KEPT, keys=keys, vectors=np.array(list(self.known.values()), np.float32))


@dataclass
class Ground:
    """An account in a house, and the ways to fill it."""

    house: House
    who: Principal
    postgres: PostgresServer

    async def upload(self, name: str, content: bytes, title: str | None = None) -> UUID:
        """An upload as the API takes it, with another title if given; the document's id."""
        received = await receive_upload(self.house, self.who, name, _once(content))
        async with self.house.db.transaction(self.who) as tx:
            added = await documents.add_document(tx, self.who, received)
            if title is not None:
                await tx.execute(update(Document).where(Document.id == added.document.id).values(title=title))
        return added.document.id

    async def ingest(self, document_id: UUID) -> None:
        """What the worker does with the upload."""
        await ingest.ingest(self.house, IngestDocument(document_id, self.who.account_id))


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


@asynccontextmanager
async def open_ground(embeddings: KeptEmbeddings | None = None) -> AsyncIterator[Ground]:
    """A fresh house. With `embeddings`, those that are known are not computed again."""
    with (
        tempfile.TemporaryDirectory(prefix="madang-bench-") as folder,
        model_server("madang.local.embeddings", "EMBEDDINGS"),
        _using(embeddings),
    ):
        postgres = PostgresServer(Path(folder))
        postgres.start()
        try:
            upgrade(postgres.url)
            settings = Settings.model_validate(
                {
                    "database_url": postgres.app_url,
                    "valkey_url": "redis://127.0.0.1:1/0",
                    "secret_key": "x" * 32,
                    "data_dir": folder,
                    "log_level": "WARNING",
                }
            )
            async with open_house(settings, (), "bench", deliver=lambda _: None) as house:
                yield Ground(house, await _account(house), postgres)
        finally:
            postgres.stop()


async def _account(house: House) -> Principal:
    who = Principal(new_id())
    insert = "INSERT INTO \"user\".accounts (id, email, name, password_hash) VALUES (:id, 'bench@example.org', '', '')"
    async with house.db.transaction() as tx:
        await tx.execute(text(insert), {"id": who.account_id})
    return who


@contextmanager
def _using(embeddings: KeptEmbeddings | None) -> Iterator[None]:
    if embeddings is None:
        yield
        return
    try:
        with patch.object(ingest, "embed", embeddings), patch.object(search, "embed", embeddings):
            yield
    finally:
        embeddings.keep()


@contextmanager
def model_server(module: str, what: str) -> Iterator[None]:
    """A built-in model in a process of its own; `what` is EMBEDDINGS or MODELS, as in the names of its settings."""
    port = free_port()
    models = {"MADANG_MODELS_DIR": os.environ.get("MADANG_MODELS_DIR", ".madang/models")}
    environment = {**os.environ, **models, f"MADANG_LOCAL_{what}_PORT": str(port)}
    server = subprocess.Popen([sys.executable, "-m", module], env=environment)
    os.environ[f"MADANG_LOCAL_{what}_URL"] = f"http://127.0.0.1:{port}/v1"
    provider_settings.load.cache_clear()
    try:
        _wait(port)
        yield
    finally:
        server.terminate()
        server.wait(10)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("A built-in model did not start.")
