"""`/glossary`."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import StringConstraints

from madang.kernel.http import ReadTx, Strict, Who, WriteTx
from madang.kernel.problems import problems
from madang_glossary.contracts import Term
from madang_glossary.service import terms

router = APIRouter(prefix="/glossary", tags=["glossary"])

type Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class TermBody(Strict):
    """What a word means."""

    meaning: Line


@router.put("/{word}", responses=problems(401))
async def explain(tx: WriteTx, who: Who, word: Line, body: TermBody) -> Term:
    """Keep what a word means to the caller."""
    return await terms.explain(tx, who, word, body.meaning)


@router.get("/", responses=problems(401))
async def find(tx: ReadTx, who: Who, text: Annotated[Line, Query()]) -> list[Term]:
    """Find the caller's words in a text."""
    return await terms.terms_in(tx, who, text)
