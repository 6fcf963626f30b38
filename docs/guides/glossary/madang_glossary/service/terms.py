"""Keeping words and finding them in a question."""

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import insert

from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.ids import new_id
from madang_glossary.contracts import Term, TermAdded
from madang_glossary.tables import TermRow


async def explain(tx: Tx, who: Principal, word: str, meaning: str) -> Term:
    """Keep what a word means, anew if it was there, and tell whoever reacts to it."""
    statement = insert(TermRow).values(id=new_id(), account_id=who.account_id, word=word, meaning=meaning)
    statement = statement.on_conflict_do_update(
        index_elements=[TermRow.account_id, TermRow.word], set_={"meaning": meaning}
    )
    row = (await tx.scalars(statement.returning(TermRow))).one()
    await tx.announce(TermAdded(who.account_id, row.id))
    return Term(row.id, row.word, row.meaning)


async def terms_in(tx: Tx, who: Principal, text: str) -> list[Term]:
    """The caller's words that occur in the text, the longest first."""
    occurs = func.strpos(func.lower(literal(text)), func.lower(TermRow.word)) > 0
    query = select(TermRow).where(TermRow.account_id == who.account_id, occurs)
    rows = await tx.scalars(query.order_by(func.length(TermRow.word).desc()))
    return [Term(row.id, row.word, row.meaning) for row in rows]
