"""Answering: with a bigger model and numbered sources, or with the built-in one and a passage it can manage."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from madang.features.agents import settings as agent_settings
from madang.features.agents.contracts import AgentContext, Citation
from madang.features.agents.service import prompts
from madang.features.agents.service.citing import CitationReader, snippet
from madang.features.agents.service.grounding import fits, is_grounded
from madang.features.agents.service.language import NOT_IN_DOCUMENTS, WRITTEN, language_of
from madang.features.agents.service.prompts import Source
from madang.features.agents.service.sentences import best_sentence, first_sentence, focus, may_answer
from madang.features.agents.service.small_talk import REPLIES, small_talk
from madang.features.agents.service.speaking import ask
from madang.features.providers.public import ChatRequest, Message, ModelInfo, ModelSilent, model_info

SHORT: Final = 120
"""Characters of an answer in its own words; a longer one is copied out, and a quotation says so."""

NO_LIMIT: Final = frozenset({"stop", "tool_calls"})
"""Finish reasons that explain no silence; one that was cut off while it reasoned is no silent model."""

QUOTED: Final = 2
"""Sentences that are quoted when there is no answer."""


async def answer(context: AgentContext, model: ModelInfo, sources: Sequence[Source], *, looked: bool) -> None:
    """Emit the answer to the turn with any model but the built-in one."""
    settings = agent_settings.load()
    turn = context.turn
    question = turn.messages[-1].content
    system = prompts.SYSTEM
    last = question
    if sources:
        system += prompts.WITH_SOURCES
        last = prompts.with_sources(question, sources)
    elif looked:
        system += prompts.NOTHING_FOUND
    messages = prompts.conversation(
        turn.messages, system, last, model, most=settings.history_tokens, answer=settings.answer_tokens
    )
    await _stream(context, ChatRequest(messages, model.id), sources)


async def _stream(context: AgentContext, request: ChatRequest, sources: Sequence[Source]) -> None:
    emit = context.emit
    reader = CitationReader(len(sources))
    begun = False
    reason = "stop"

    def say(read: tuple[str, list[int]]) -> bool:
        text, new = read
        for number in new:
            emit.cite(citation(number, sources[number - 1]))
        if text:
            emit.delta(text)
        return bool(text)

    async with ask(context, request) as chunks:
        async for chunk in chunks:
            reason = chunk.finish_reason or reason
            if chunk.retracts:
                if held := reader.finish()[0]:
                    emit.reasoning(held)
                reader, begun = CitationReader(len(sources)), False
            text = chunk.text if begun else chunk.text.lstrip()
            begun = say(reader.take(text) if sources else (text, [])) or begun
    begun = say(reader.finish()) or begun
    if not begun and reason in NO_LIMIT:
        raise ModelSilent(model_info(context.house, request.model).id)
    emit.finish(reason)


async def answer_small(context: AgentContext, model: ModelInfo, sources: Sequence[Source], *, looked: bool) -> None:
    """Emit the answer to the turn with the built-in model, which is asked only what it can manage."""
    turn = context.turn
    question = turn.messages[-1].content
    language = language_of(question, turn.language)
    talk = small_talk(question)
    source = next((one for one in sources if may_answer(one["text"], question)), None)
    if source is not None:
        await _from_passage(context, model, source)
    elif talk is not None:
        context.emit.delta(REPLIES[language][talk])
    elif looked:
        context.emit.delta(NOT_IN_DOCUMENTS[language])
    else:
        history = [*turn.messages[-1 - prompts.SMALL_HISTORY : -1], turn.messages[-1]]
        await _stream(context, _small_request(history, model), ())


async def _from_passage(context: AgentContext, model: ModelInfo, source: Source) -> None:
    """A short answer over the sentence that bears it, or the two nearest sentences when none does.

    An answer from elsewhere than the nearest sentence is more often wrong than right, so it is not shown.
    """
    turn = context.turn
    question = turn.messages[-1].content
    said = await _ask_passage(context, model, focus(source["text"], question), question)
    nearest = best_sentence(source["text"], question)
    context.emit.cite(citation(1, source))
    if len(said) <= SHORT and fits(said, question) and is_grounded(said, nearest, question):
        context.emit.delta(f"{said} [1]\n\n> {nearest}")
    else:
        quote = focus(source["text"], question, QUOTED)
        context.emit.delta(f"{WRITTEN[language_of(question, turn.language)]} [1]\n\n> {quote}")


async def _ask_passage(context: AgentContext, model: ModelInfo, passage: str, question: str) -> str:
    request = _small_request([Message("user", prompts.small_question(passage, question))], model)
    async with ask(context, request) as chunks:
        texts = [chunk.text async for chunk in chunks]
    return first_sentence("".join(texts))


def _small_request(messages: Sequence[Message], model: ModelInfo) -> ChatRequest:
    return ChatRequest(messages, model.id, temperature=0.0, max_tokens=prompts.SMALL_TOKENS, stop=("\n",))


def citation(number: int, source: Source) -> Citation:
    """The source as people see it."""
    return Citation(number, UUID(source["document_id"]), source["title"], source["page"], snippet(source["text"]))
