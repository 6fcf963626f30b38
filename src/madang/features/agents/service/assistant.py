"""The built-in assistant: look into the documents when there is reason to, then answer with numbered citations.

Whether documents are needed is decided without a model call: chosen documents always are; small talk and people
without documents never; otherwise the search decides, whose scores are chances that a passage answers. A follow-up
that finds nothing by itself ("And when?") is searched for again together with the question before it.
"""

from collections.abc import Sequence

from madang.features.agents import settings as agent_settings
from madang.features.agents.contracts import AgentContext, Turn
from madang.features.agents.service import answering
from madang.features.agents.service.prompts import Source
from madang.features.agents.service.small_talk import small_talk
from madang.features.knowledge.public import GOOD_ENOUGH, Passage, find, has_documents
from madang.features.providers.public import model_info

WORTH_SHOWING = 0.1
"""Beside a good passage, others are shown to the model down to this chance."""


async def answer_at_once(context: AgentContext) -> bool:
    """Answer a turn that needs no documents; False, with nothing said, when it needs some."""
    if await _needs_documents(context):
        return False
    await reply(context, [], looked=False)
    return True


async def look(context: AgentContext) -> list[Source]:
    """What the documents have to say on the turn; nothing when they have nothing that is good enough."""
    context.emit.step("search")
    return [_source(passage) for passage in await _search(context)]


async def reply(context: AgentContext, sources: Sequence[Source], *, looked: bool) -> None:
    """Answer, from what was found if the documents were looked at."""
    model = model_info(context.house, context.turn.model)
    context.emit.step("answer")
    write = answering.answer_small if model.built_in else answering.answer
    await write(context, model, sources, looked=looked)


async def _needs_documents(context: AgentContext) -> bool:
    turn = context.turn
    if turn.document_ids:
        return True
    if small_talk(turn.messages[-1].content) is not None:
        return False
    return await has_documents(context.house, context.who)


async def _search(context: AgentContext) -> list[Passage]:
    turn = context.turn
    found = await _find(context, turn.messages[-1].content)
    if not _is_good(found) and (wider := _with_question_before(turn)):
        again = await _find(context, wider)
        if _is_good(again):
            found = again
    if _is_good(found):
        return [passage for passage in found if passage.score >= WORTH_SHOWING]
    # Somebody who chose documents is asking about them ("Summarise this"): a bigger model sees the nearest passages.
    asks_about_chosen = turn.document_ids and not model_info(context.house, turn.model).built_in
    return found if asks_about_chosen else []


async def _find(context: AgentContext, query: str) -> list[Passage]:
    return await find(
        context.house,
        context.who,
        query,
        limit=agent_settings.load().passages,
        document_ids=list(context.turn.document_ids) or None,
        spender=context.turn.spender,
    )


def _is_good(passages: Sequence[Passage]) -> bool:
    return bool(passages) and passages[0].score >= GOOD_ENOUGH


def _with_question_before(turn: Turn) -> str | None:
    """The question before this one and this one, None when there is none."""
    before = [message.content for message in turn.messages[:-1] if message.role == "user"]
    return f"{before[-1]}\n{turn.messages[-1].content}" if before else None


def _source(passage: Passage) -> Source:
    return {
        "document_id": str(passage.document_id),
        "title": passage.title,
        "page": passage.page,
        "text": passage.text,
        "score": passage.score,
    }
