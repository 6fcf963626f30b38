"""A stand-in for the embedding model, which takes a tenth of a second a passage."""

import asyncio

import pytest

from madang.features.knowledge.service import ingest, search
from madang.features.knowledge.service.extracted import ReadingError
from madang.features.knowledge.service.formats import read_pages
from madang.features.knowledge.service.reading import ReadDocument, UnreadableError
from madang.features.knowledge.settings import KnowledgeSettings
from tests.features.knowledge.library import Embedder


async def read_here(file, media_type, limits):
    """The reader without its process, which has tests of its own and takes half a second to start."""
    try:
        found = await asyncio.to_thread(read_pages, media_type, file.read(), limits.max_pages)
    except ReadingError as error:
        raise UnreadableError(str(error)) from None
    if not any(found.pages):
        raise UnreadableError("no_text_found")
    return ReadDocument(found.pages, found.notes)


@pytest.fixture
def embedder(monkeypatch):
    stand_in = Embedder()
    monkeypatch.setattr(ingest, "read_document", read_here)
    monkeypatch.setattr(ingest, "embed", stand_in)
    monkeypatch.setattr(search, "embed", stand_in)
    monkeypatch.setattr(ingest, "load", lambda: KnowledgeSettings(embedding_batch=2))
    return stand_in
