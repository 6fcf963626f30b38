"""Search: the query taken apart, ranked in the database, and scored so that silence is possible."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from math import exp
from uuid import UUID

from madang.features.knowledge.contracts import Collection, Passage
from madang.features.knowledge.queries import HYBRID, Found, Question, Weights, hybrid
from madang.features.knowledge.service.language import grams, is_korean, words
from madang.features.organisations.public import chain_of
from madang.features.providers.public import embed
from madang.features.usage.public import HOUSE_SPENDS, Spender
from madang.kernel import log
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Problem
from madang.kernel.house import House

logger = log.get_logger(__name__)

LONGEST_QUERY = 2000
"""Characters of a query that are searched for."""

EMBEDDING_SECONDS = 4
"""A query that is not embedded by then is searched for by its words alone."""

MEANT = (36.27, 7.61, 8.73, -38.95)
"""Logistic weights of cosine, word cover, n-gram cover and the constant: the chance that a passage answers."""

TRANSLATED = (80.0, -63.6)
"""The same for the cosine and the constant, when query and passage are in different scripts."""

SAID = (10.0, 10.0, -8.9)
"""The same for word cover, n-gram cover and the constant, when there are no vectors."""


async def find(
    house: House,
    who: Principal,
    query: str,
    *,
    limit: int = 5,
    document_ids: Sequence[UUID] | None = None,
    spender: Spender | None = None,
) -> list[Passage]:
    """`search` in a transaction of its own, opened when the query has been embedded; `spender` pays for that."""
    question = await ask(house, query, spender or Spender(who.account_id))
    async with house.db.transaction(who) as tx:
        return await answer(tx, who, question, limit=limit, document_ids=document_ids)


async def search(
    house: House, tx: Tx, who: Principal, query: str, *, limit: int = 5, document_ids: Sequence[UUID] | None = None
) -> list[Passage]:
    """The passages of the account's ready documents that fit the query best, best first.

    Among `document_ids` only when they are given. When no score reaches `contracts.GOOD_ENOUGH`, the documents do
    not say it. Searches by keywords alone while the embedding model is away. Embeds the query while `tx` is open;
    `find` does not.
    """
    question = await ask(house, query, Spender(who.account_id, await chain_of(tx, who.account_id, None)))
    return await answer(tx, who, question, limit=limit, document_ids=document_ids)


async def answer(
    tx: Tx,
    who: Principal,
    question: Question,
    *,
    limit: int,
    document_ids: Sequence[UUID] | None = None,
    weights: Weights = HYBRID,
) -> list[Passage]:
    """The passages for a question that `ask` has taken apart."""
    found = await hybrid(tx, who.account_id, question, limit=limit, document_ids=document_ids, weights=weights)
    return scored(found, question)


async def ask(house: House, query: str, spender: Spender = HOUSE_SPENDS) -> Question:
    """The query as words, n-grams and a vector."""
    query = query[:LONGEST_QUERY].replace("\0", " ")
    collection, vector = await _embedded(house, query, spender)
    return Question(Counter(words(query)), Counter(grams(query)), collection, vector, is_korean(query))


async def _embedded(house: House, query: str, spender: Spender) -> tuple[Collection | None, Sequence[float] | None]:
    try:
        async with asyncio.timeout(EMBEDDING_SECONDS):
            batch = await embed(house, [query], kind="query", spender=spender)
    except (Problem, TimeoutError) as error:
        logger.warning("search_without_vectors", error=str(error) or "timeout")
        return None, None
    return Collection(batch.model, batch.dimension), batch.vectors[0]


def scored(found: list[Found], question: Question) -> list[Passage]:
    """Passages with their chances; none above that of a better-placed one."""
    passages: list[Passage] = []
    ceiling = 1.0
    for hit in found:
        foreign = {question.korean, is_korean(hit.text)} == {True, False}
        ceiling = min(ceiling, chance(hit.similarity, hit.word_cover, hit.gram_cover, foreign=foreign))
        passages.append(Passage(hit.document_id, hit.title, hit.page, hit.text, round(ceiling, 4), hit.chunk_id))
    return passages


def chance(similarity: float | None, word_cover: float, gram_cover: float, *, foreign: bool = False) -> float:
    """The chance, 0..1, that a passage with these signals answers the query.

    A passage in another script (`foreign`) shares few words with the query, so its meaning alone may suffice. Fitted
    by logistic regression on half of a question set's articles and checked on the other half and on English; the
    figures are in bench/README.md.
    """
    if similarity is None:
        evidence = SAID[0] * word_cover + SAID[1] * gram_cover + SAID[2]
    else:
        evidence = MEANT[0] * similarity + MEANT[1] * word_cover + MEANT[2] * gram_cover + MEANT[3]
        if foreign:
            evidence = max(evidence, TRANSLATED[0] * similarity + TRANSLATED[1])
    return 1 / (1 + exp(-evidence))
