"""The search: one statement that ranks by meaning, words and characters together.

Three signals are measured for every candidate passage: the cosine between its vector and the query's, BM25 over words
and BM25 over character n-grams (k1 = 1.2, b = 0.75; df, N and average lengths are those of the searched documents).
Candidates are the best `CANDIDATES` of each. Each signal is standardised over the candidates (mean 0, deviation 1)
and the sum 0.4 · vectors + 0.4 · words + 0.2 · n-grams ranks them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import TextClause, func, select, text

from madang.features.knowledge.contracts import Collection
from madang.features.knowledge.tables import Document
from madang.kernel.db import Tx

K1 = 1.2
B = 0.75

CANDIDATES = 100
"""How many passages each signal may propose."""

EXACT_CHUNKS = 20_000
"""Up to here every vector of the account is compared; beyond, the HNSW index proposes the candidates."""

USUAL_CHUNKS = 1_000
"""A term's rarity for the covers is judged as in at least so many passages. In a collection of a few, the words that
are found would seem common and those that are missing rare, and nothing would ever cover a question."""

POSTINGS_CAP = 20_000
"""A term in more passages than this tells nothing apart and is left out, so that no search reads without bound."""

LENGTH_SHIFT = 11
NUMBER_SHIFT = 27
"""A posting packs a chunk's number (36 bits), its length in terms (16) and the term's frequency in it (11)."""

WORD = "w"
GRAM = "g"


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each standardised signal counts."""

    vectors: float
    words: float
    grams: float


HYBRID = Weights(0.4, 0.4, 0.2)
"""Korean and English alike; the result hardly moves when they do (see bench/README.md)."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query, taken apart. `vector` is None when it could not be embedded; `korean` says which script it is in."""

    words: Counter[str]
    grams: Counter[str]
    collection: Collection | None
    vector: Sequence[float] | None
    korean: bool | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A passage as ranked.

    `similarity` is the cosine (None without vectors). Covers are the shares of the query's words and n-grams that the
    passage has, each term weighing its rarity, 0..1.
    """

    chunk_id: UUID
    document_id: UUID
    title: str
    page: int
    text: str
    rank_score: float
    similarity: float | None
    word_cover: float
    gram_cover: float


_EXACT = """
    SELECT v.chunk, 1 - (v.embedding::halfvec({dimension}) <=> CAST(:vector AS halfvec({dimension}))) AS similarity
    FROM "user".vectors v JOIN corpus ON corpus.id = v.document_id
    WHERE v.collection = :collection AND v.account_id = :account
"""

_NEAREST = """
    SELECT v.chunk, 1 - (v.embedding::halfvec({dimension}) <=> CAST(:vector AS halfvec({dimension}))) AS similarity
    FROM "user".vectors v
    WHERE v.collection = :collection AND v.account_id = :account AND (:everything OR v.document_id = ANY(:documents))
    ORDER BY v.embedding::halfvec({dimension}) <=> CAST(:vector AS halfvec({dimension})) LIMIT :candidates
"""

_NONE = "SELECT NULL::bigint AS chunk, NULL::double precision AS similarity WHERE false"

_SIMILARITY = """
    SELECT 1 - (v.embedding::halfvec({dimension}) <=> CAST(:vector AS halfvec({dimension}))) AS similarity
    FROM "user".vectors v
    WHERE v.collection = :collection AND v.account_id = :account AND v.chunk = candidates.chunk
"""

_SEARCH = """
WITH corpus AS MATERIALIZED (
    SELECT id, chunks, words, grams FROM "user".documents
    WHERE account_id = :account AND status = 'ready' AND (:everything OR id = ANY(:documents))
), size AS MATERIALIZED (
    SELECT sum(chunks)::float8 AS chunks,
           greatest(sum(words)::float8 / greatest(sum(chunks), 1), 1) AS words,
           greatest(sum(grams)::float8 / greatest(sum(chunks), 1), 1) AS grams
    FROM corpus
), asked AS MATERIALIZED (
    SELECT kind, term, times
    FROM unnest(CAST(:kinds AS "char"[]), CAST(:terms AS text[]), CAST(:times AS int[])) AS a(kind, term, times)
), hits AS MATERIALIZED (
    SELECT asked.kind, asked.term, found.entry FROM asked CROSS JOIN LATERAL (
        SELECT unnest(p.entries) AS entry FROM "user".postings p
        WHERE p.account_id = :account AND p.kind = asked.kind AND p.term = asked.term
          AND (:everything OR p.document_id = ANY(:documents))
        LIMIT :cap + 1
    ) found
), weights AS MATERIALIZED (
    SELECT asked.kind, asked.term, asked.times,
           CASE WHEN coalesce(f.df, 0) > :cap THEN 0
                ELSE ln(1 + (size.chunks - coalesce(f.df, 0) + 0.5) / (coalesce(f.df, 0) + 0.5)) END AS idf,
           CASE WHEN coalesce(f.df, 0) > :cap THEN 0
                ELSE ln(1 + (greatest(size.chunks, {usual}) - coalesce(f.df, 0) + 0.5) / (coalesce(f.df, 0) + 0.5))
                END AS rarity
    FROM asked CROSS JOIN size
    LEFT JOIN (SELECT kind, term, count(*) AS df FROM hits GROUP BY kind, term) f USING (kind, term)
), total AS MATERIALIZED (
    SELECT coalesce(sum(rarity) FILTER (WHERE kind = 'w'), 0) AS words,
           coalesce(sum(rarity) FILTER (WHERE kind = 'g'), 0) AS grams
    FROM weights
), scored AS (
    SELECT hits.entry >> {number_shift} AS chunk, hits.kind, weights.rarity,
           weights.idf * weights.times * (hits.entry & 2047) * ({k1} + 1) / ((hits.entry & 2047) + {k1} * (1 - {b} + {b}
           * ((hits.entry >> {length_shift}) & 65535) / CASE hits.kind WHEN 'w' THEN size.words ELSE size.grams END))
           AS score
    FROM hits JOIN weights USING (kind, term) CROSS JOIN size
), keywords AS MATERIALIZED (
    SELECT chunk,
           coalesce(sum(score) FILTER (WHERE kind = 'w'), 0) AS words,
           coalesce(sum(score) FILTER (WHERE kind = 'g'), 0) AS grams,
           coalesce(sum(rarity) FILTER (WHERE kind = 'w'), 0) AS word_rarity,
           coalesce(sum(rarity) FILTER (WHERE kind = 'g'), 0) AS gram_rarity
    FROM scored GROUP BY chunk
), measured AS MATERIALIZED ({near}
), candidates AS (
    (SELECT chunk FROM measured ORDER BY similarity DESC, chunk LIMIT :candidates)
    UNION (SELECT chunk FROM keywords WHERE words > 0 ORDER BY words DESC, chunk LIMIT :candidates)
    UNION (SELECT chunk FROM keywords WHERE grams > 0 ORDER BY grams DESC, chunk LIMIT :candidates)
), signals AS (
    SELECT candidates.chunk, s.similarity,
           coalesce(k.words, 0) AS words, coalesce(k.grams, 0) AS grams,
           coalesce(k.word_rarity / nullif(total.words, 0), 0) AS word_cover,
           coalesce(k.gram_rarity / nullif(total.grams, 0), 0) AS gram_cover
    FROM candidates CROSS JOIN total LEFT JOIN keywords k USING (chunk) LEFT JOIN LATERAL ({similarity}) s ON true
), ranked AS (
    SELECT *,
           :vector_weight * coalesce((similarity - avg(similarity) OVER ())
               / nullif(stddev_pop(similarity) OVER (), 0), 0)
           + :word_weight * coalesce((words - avg(words) OVER ()) / nullif(stddev_pop(words) OVER (), 0), 0)
           + :gram_weight * coalesce((grams - avg(grams) OVER ()) / nullif(stddev_pop(grams) OVER (), 0), 0)
           AS rank_score
    FROM signals
), best AS (
    SELECT * FROM ranked ORDER BY rank_score DESC, chunk LIMIT :limit
)
SELECT c.id, c.document_id, d.title, c.page, c.text,
       best.rank_score, best.similarity, best.word_cover, best.gram_cover
FROM best JOIN "user".document_chunks c ON c.number = best.chunk JOIN corpus ON corpus.id = c.document_id
JOIN "user".documents d ON d.id = c.document_id
WHERE c.account_id = :account
ORDER BY best.rank_score DESC, best.chunk
"""


async def hybrid(
    tx: Tx,
    account_id: UUID,
    question: Question,
    *,
    limit: int,
    document_ids: Sequence[UUID] | None = None,
    weights: Weights = HYBRID,
) -> list[Found]:
    """The best passages for the question, best first, among the account's ready documents (`document_ids` only)."""
    exact = await _chunk_count(tx, account_id) <= EXACT_CHUNKS
    statement = _statement(question.collection if question.vector is not None else None, exact=exact)
    if not exact:
        await tx.execute(text("SET LOCAL hnsw.iterative_scan = relaxed_order"))
        await tx.execute(text(f"SET LOCAL hnsw.ef_search = {2 * CANDIDATES}"))
    asked = [(WORD, *pair) for pair in question.words.items()] + [(GRAM, *pair) for pair in question.grams.items()]
    rows = await tx.execute(
        statement,
        {
            "account": account_id,
            "everything": document_ids is None,
            "documents": list(document_ids or ()),
            "kinds": [kind for kind, _, _ in asked],
            "terms": [term for _, term, _ in asked],
            "times": [times for _, _, times in asked],
            "cap": POSTINGS_CAP,
            "candidates": CANDIDATES,
            "limit": limit,
            "vector_weight": weights.vectors,
            "word_weight": weights.words,
            "gram_weight": weights.grams,
            "collection": question.collection.name if question.collection else "",
            "vector": as_halfvec(question.vector or ()),
        },
    )
    return [Found(*row) for row in rows]


async def _chunk_count(tx: Tx, account_id: UUID) -> int:
    total = await tx.scalar(
        select(func.coalesce(func.sum(Document.chunks), 0)).where(
            Document.account_id == account_id, Document.status == "ready"
        )
    )
    return int(total or 0)


def as_halfvec(vector: Sequence[float]) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(format(number, '.6g') for number in vector)}]"


@cache
def _statement(collection: Collection | None, *, exact: bool) -> TextClause:
    """The search over one collection of vectors, or by keywords alone."""
    near, similarity = _NONE, "SELECT NULL::double precision AS similarity"
    if collection is not None:
        near, similarity = _EXACT if exact else _NEAREST, _SIMILARITY
    search = _SEARCH.replace("{near}", near).replace("{similarity}", similarity)
    numbers = {"{dimension}": collection.dimension if collection else 1, "{k1}": K1, "{b}": B, "{usual}": USUAL_CHUNKS}
    for name, number in numbers.items():
        search = search.replace(name, str(number))
    search = search.replace("{number_shift}", str(NUMBER_SHIFT)).replace("{length_shift}", str(LENGTH_SHIFT))
    return text(search)
