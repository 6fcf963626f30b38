"""Documents for tests: put in as ingest leaves them, and a plain Python ranking to compare with."""

import hashlib
import math
from collections import Counter

from sqlalchemy import insert, select, text

from madang.features.files.tables import File
from madang.features.knowledge.contracts import Collection, VectorItem
from madang.features.knowledge.queries import CANDIDATES, HYBRID, K1, USUAL_CHUNKS, B
from madang.features.knowledge.service.chunker import Chunk
from madang.features.knowledge.service.ingest import Work, _chunk_row, publish
from madang.features.knowledge.service.language import grams, words
from madang.features.knowledge.service.vectors import PgVectors
from madang.features.knowledge.tables import Document, DocumentChunk
from madang.features.providers.public import EmbeddingBatch, ModelRefused, ModelUnreachable
from madang.kernel.auth import Principal
from madang.kernel.ids import new_id

SMALL = Collection("test/model", 4)

BODY = "\n\n".join(f"{at}. " + f"{at}번째 문단은 마당의 규정 {at}조를 설명한다. " * 14 for at in range(9))


class Embedder:
    """Stands in for the model: vectors from hashes, and a record of every text."""

    def __init__(self):
        self.texts = []
        self.away = self.refuses = False
        self.asked = 0

    async def __call__(self, house, texts, kind="query", model=None, *, spender):
        assert spender.account_id is not None
        self.asked += 1
        if self.away:
            raise ModelUnreachable("test/hash", "it is switched off")
        if self.refuses:
            raise ModelRefused("test/hash", 401, "Check the key.")
        if kind == "passage":
            self.texts += texts
        return EmbeddingBatch("test/hash", 8, [[byte / 255 for byte in self.digest(one)] for one in texts])

    @staticmethod
    def digest(one):
        return hashlib.sha256(one.encode()).digest()[:8]


async def new_account(house):
    who = Principal(new_id())
    async with house.db.transaction() as tx:
        await tx.execute(
            text("INSERT INTO \"user\".accounts (id, email, name, password_hash) VALUES (:id, :email, 'x', 'x')"),
            {"id": who.account_id, "email": f"{who.account_id}@example.org"},
        )
    return who


async def add_document(house, who, title, texts, vectors=None, *, published=True):
    """A document of these chunks; `vectors` one a chunk in the SMALL collection. Its id."""
    document_id, file_id = new_id(), new_id()
    async with house.db.transaction(who) as tx:
        tx.add(
            File(
                id=file_id,
                account_id=who.account_id,
                filename="x",
                media_type="text/plain",
                size=1,
                sha256=str(file_id),
                key=str(file_id),
            )
        )
        await tx.flush()
        document = Document(
            id=document_id,
            account_id=who.account_id,
            file_id=file_id,
            sha256=str(document_id),
            title=title,
            filename="x",
            media_type="text/plain",
            size=1,
            status="processing",
            stage="embedding",
            progress=0.5,
            pages=1,
            chunks=len(texts),
            words=0,
            grams=0,
        )
        tx.add(document)
        await tx.flush()
        await tx.execute(
            insert(DocumentChunk),
            [_chunk_row(document, Chunk(ordinal, ordinal + 1, "", body)) for ordinal, body in enumerate(texts)],
        )
    if vectors is not None:
        await store_vectors(house, who, document_id, vectors)
    if published:
        await publish(Work(house, who, document_id))
    return document_id


async def store_vectors(house, who, document_id, vectors, collection=SMALL):
    async with house.db.transaction(who) as tx:
        chunks = await tx.execute(
            select(DocumentChunk.number, DocumentChunk.content)
            .where(DocumentChunk.document_id == document_id)
            .order_by(DocumentChunk.ordinal)
        )
        items = [
            VectorItem(number, document_id, content, vector)
            for (number, content), vector in zip(chunks, vectors, strict=True)
        ]
        await PgVectors(tx).upsert(collection, who.account_id, items)
    return items


def bm25(query, passages, terms):
    """Okapi BM25 of each passage for the query, as the textbook has it."""
    counts = [Counter(terms(passage)) for passage in passages]
    average = max(sum(sum(count.values()) for count in counts) / len(counts), 1)
    scores = [0.0] * len(passages)
    for term, times in Counter(terms(query)).items():
        df = sum(term in count for count in counts)
        idf = math.log(1 + (len(passages) - df + 0.5) / (df + 0.5))
        for position, count in enumerate(counts):
            tf, length = count[term], sum(count.values())
            scores[position] += times * idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / average))
    return scores


def cover(query, passages, terms):
    """The share of the query's terms that each passage has, weighed by rarity."""
    sets = [set(terms(passage)) for passage in passages]
    dfs = {term: sum(term in found for found in sets) for term in set(terms(query))}
    usual = max(len(passages), USUAL_CHUNKS)
    idfs = {term: math.log(1 + (usual - df + 0.5) / (df + 0.5)) for term, df in dfs.items()}
    total = sum(idfs.values()) or 1
    return [sum(idf for term, idf in idfs.items() if term in found) / total for found in sets]


def standardised(values):
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return [(value - mean) / deviation if deviation > 1e-12 else 0.0 for value in values]


def fused(query, vector, passages, vectors):
    """The product's ranking in plain Python: index and score of each candidate, best first."""
    signals = (
        [sum(a * b for a, b in zip(vector, other, strict=True)) for other in vectors],
        bm25(query, passages, words),
        bm25(query, passages, grams),
    )
    candidates = set()
    for signal, floor in zip(signals, (-2, 0, 0), strict=True):
        best = sorted(range(len(passages)), key=lambda at, signal=signal: (-signal[at], at))[:CANDIDATES]
        candidates |= {at for at in best if signal[at] > floor}
    order = sorted(candidates)
    scaled = [standardised([signal[at] for at in order]) for signal in signals]
    weights = (HYBRID.vectors, HYBRID.words, HYBRID.grams)
    scores = [sum(w * s[i] for w, s in zip(weights, scaled, strict=True)) for i in range(len(order))]
    return sorted(zip(order, scores, strict=True), key=lambda pair: -pair[1])
