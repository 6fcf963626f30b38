"""How well and how fast the product finds.

`./dev bench retrieval [--korquad FILE] [--only NAME] [--every N] [--untitled]`: a fresh PostgreSQL and the built-in
embedding model; every document goes through upload and ingest, every question through the product's own search.
Embeddings are kept under `.madang/bench/`, so that a second run is quick.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles
from uuid import UUID

from ground import Ground, KeptEmbeddings, open_ground
from machine import machine_line, table
from questions import Question, QuestionSet, docstrings, has, korquad, place, reference
from sqlalchemy import select

from madang.features.knowledge.contracts import GOOD_ENOUGH
from madang.features.knowledge.queries import HYBRID, Weights, hybrid
from madang.features.knowledge.service.search import ask, scored
from madang.features.knowledge.tables import DocumentChunk
from madang.features.providers.public import embed

METHODS = {
    "vectors": Weights(1, 0, 0),
    "words": Weights(0, 1, 0),
    "n-grams": Weights(0, 0, 1),
    "hybrid": HYBRID,
}
DEPTH = 30


async def ingest_all(ground: Ground, chosen: QuestionSet, *, titled: bool) -> dict[UUID, str]:
    """Every document through upload and ingest; names by document id."""
    names: dict[UUID, str] = {}
    begun = time.perf_counter()
    for name, text in chosen.documents.items():
        document_id = await ground.upload(f"{name.replace('/', ' ')}.txt", text.encode(), None if titled else "")
        await ground.ingest(document_id)
        names[document_id] = name
    print(f"\n{chosen.name}: {len(names)} documents ingested in {time.perf_counter() - begun:.0f} s")
    return names


async def judge(ground: Ground, chosen: QuestionSet, names: dict[UUID, str]) -> Callable[[UUID, str, Question], object]:
    """A function from a found chunk to the key it counts as: one of the question's `right`, or another."""
    if not chosen.passages:
        return lambda chunk, text, asked: (
            next(iter(asked.right)) if has(text, chosen.answers[next(iter(asked.right))]) else chunk
        )
    places: dict[UUID, int | None] = {}
    async with ground.house.db.transaction(ground.who) as tx:
        found = await tx.execute(select(DocumentChunk.id, DocumentChunk.document_id, DocumentChunk.text))
        for chunk, document, text in found:
            places[chunk] = place(chosen.passages, names[document], text) if document in names else None
    covered = len({number for number in places.values() if number is not None})
    print(f"{len(chosen.passages)} passages, {covered} of them told apart, in {len(places)} chunks")
    return lambda chunk, _text, _asked: places[chunk]


def rank(keys: Sequence[object], right: frozenset[int]) -> int | None:
    """The place of the first right one, each counted once; from 1."""
    distinct = list(dict.fromkeys(keys))
    return next((at for at, key in enumerate(distinct, 1) if key in right), None)


async def measure(ground: Ground, chosen: QuestionSet, names: dict[UUID, str], every: int) -> None:
    """Print the table of one question set."""
    key_of = await judge(ground, chosen, names)
    asked = chosen.questions[::every]
    prepared = [await ask(ground.house, question.text) for question in asked]
    rows: list[Sequence[str]] = []
    for method, weights in METHODS.items():
        ranks: list[int | None] = []
        times: list[float] = []
        for question, taken in zip(asked, prepared, strict=True):
            begun = time.perf_counter()
            async with ground.house.db.transaction(ground.who) as tx:
                found = await hybrid(tx, ground.who.account_id, taken, limit=DEPTH, weights=weights)
            times.append((time.perf_counter() - begun) * 1000)
            ranks.append(rank([key_of(hit.chunk_id, hit.text, question) for hit in found], question.right))
        rows.append(row(method, ranks, times))
    print(f"{len(asked)} questions\n")
    print(table(("method", "recall@1", "recall@5", "MRR@10", "p50 ms", "p95 ms"), rows))


def row(method: str, ranks: Sequence[int | None], times: Sequence[float]) -> Sequence[str]:
    """One line of the table."""
    count = len(ranks)
    first = sum(one == 1 for one in ranks) / count
    five = sum(one is not None and one <= 5 for one in ranks) / count
    mrr = sum(1 / one for one in ranks if one is not None and one <= 10) / count
    cuts = quantiles(times, n=20)
    return (method, *(f"{value:.3f}" for value in (first, five, mrr)), f"{cuts[9]:.1f}", f"{cuts[18]:.1f}")


async def silence(ground: Ground, chosen: QuestionSet, names: dict[UUID, str], every: int) -> None:
    """Print how often the best score says rightly that the documents have, or have not, an answer."""
    asked = chosen.questions[::every]
    answered = [await best(ground, question.text, list(names)) >= GOOD_ENOUGH for question in asked]
    if chosen.off_topic:
        silent = [await best(ground, query, list(names)) < GOOD_ENOUGH for query in chosen.off_topic]
    else:
        silent = []
        for question in asked:
            others = [document for document, name in names.items() if name not in question.documents]
            silent.append(await best(ground, question.text, others) < GOOD_ENOUGH)
    what = "questions on other things" if chosen.off_topic else "of them without the documents that answer"
    print(f"\nOf {len(answered)} questions, {sum(answered) / len(answered):.1%} are held to be answered;")
    print(f"of {len(silent)} {what}, {sum(silent) / len(silent):.1%} are held not to be.")


async def best(ground: Ground, query: str, among: list[UUID]) -> float:
    """The score of the best passage."""
    taken = await ask(ground.house, query)
    async with ground.house.db.transaction(ground.who) as tx:
        found = await hybrid(tx, ground.who.account_id, taken, limit=1, document_ids=among)
    return scored(found, taken)[0].score if found else 0.0


async def query_cost(ground: Ground, chosen: QuestionSet) -> None:
    """Print what embedding a query costs."""
    times: list[float] = []
    for question in chosen.questions[:100]:
        begun = time.perf_counter()
        await embed(ground.house, [question.text], kind="query")
        times.append((time.perf_counter() - begun) * 1000)
    cuts = quantiles(times, n=20)
    print(f"Embedding a query, which is to be added: p50 {cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms.")


async def run(arguments: argparse.Namespace) -> None:
    """Every question set that is here."""
    print(machine_line())
    kept = KeptEmbeddings()
    for name, make in SETS.items():
        chosen = make(arguments) if arguments.only in {None, name} else None
        if chosen is None:
            continue
        async with open_ground(kept) as ground:
            names = await ingest_all(ground, chosen, titled=not arguments.untitled)
            await measure(ground, chosen, names, arguments.every)
            await silence(ground, chosen, names, max(arguments.every, len(chosen.questions) // 500))
            await query_cost(ground, chosen)


SETS: dict[str, Callable[[argparse.Namespace], QuestionSet | None]] = {
    "korquad": lambda arguments: korquad(arguments.korquad),
    "docstrings": lambda _: docstrings(),
    "reference": lambda _: reference(),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--korquad", type=Path, help="KorQuAD's file; KorQuAD is left out when it is not found.")
    parser.add_argument("--only", choices=SETS, help="This question set alone.")
    parser.add_argument("--every", type=int, default=1, help="Ask only every Nth question.")
    parser.add_argument("--untitled", action="store_true", help="Take the documents' names away: texts alone.")
    asyncio.run(run(parser.parse_args()))
