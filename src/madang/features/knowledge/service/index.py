"""The keyword index: what a chunk is found by, packed into postings."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text

from madang.features.knowledge.queries import GRAM, LENGTH_SHIFT, NUMBER_SHIFT, WORD
from madang.features.knowledge.service.language import grams, words
from madang.kernel.db import Tx

LONGEST = (1 << (NUMBER_SHIFT - LENGTH_SHIFT)) - 1
MOST_FREQUENT = (1 << LENGTH_SHIFT) - 1

_INSERT = text("""
    INSERT INTO "user".postings (account_id, document_id, kind, term, entries)
    SELECT :account, :document, :kind, term, array_agg(entry ORDER BY entry)
    FROM unnest(CAST(:terms AS text[]), CAST(:entries AS bigint[])) AS posting(term, entry) GROUP BY term
""")


@dataclass(slots=True)
class Postings:
    """Postings of some chunks by kind of term, and how many terms there are in all."""

    terms: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    entries: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    totals: Counter[str] = field(default_factory=Counter)


def context(title: str, heading: str, body: str) -> str:
    """What a chunk is embedded and indexed as: its text under its title and headings."""
    return "\n".join(part for part in (title, heading, body) if part)


def postings_of(chunks: Iterable[tuple[int, str]]) -> Postings:
    """Postings of numbered chunks, each with its context."""
    made = Postings()
    for number, body in chunks:
        for kind, found in ((WORD, words(body)), (GRAM, grams(body))):
            counts = Counter(found)
            length = min(len(found), LONGEST)
            made.totals[kind] += length
            made.terms[kind] += counts
            made.entries[kind] += [pack(number, length, times) for times in counts.values()]
    return made


def pack(number: int, length: int, times: int) -> int:
    """One posting: the chunk's number, its length in terms, and the term's frequency in it."""
    return number << NUMBER_SHIFT | length << LENGTH_SHIFT | min(times, MOST_FREQUENT)


async def store_postings(tx: Tx, account_id: UUID, document_id: UUID, postings: Postings) -> None:
    """Write the postings of a part of a document."""
    for kind, terms in postings.terms.items():
        await tx.execute(
            _INSERT,
            {
                "account": account_id,
                "document": document_id,
                "kind": kind,
                "terms": terms,
                "entries": postings.entries[kind],
            },
        )
