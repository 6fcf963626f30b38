"""The hot loop: a model's answer into the run's log, with its usage told whatever happens."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from madang.features.agents.contracts import AgentContext
from madang.features.providers.public import (
    ChatChunk,
    ChatRequest,
    estimate_usage,
    model_info,
    stream_chat,
)
from madang.kernel.errors import Problem


@dataclass(slots=True)
class Heard:
    """What a model has said so far."""

    texts: list[str] = field(default_factory=list[str])
    is_counted: bool = False

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.texts)


@asynccontextmanager
async def ask(context: AgentContext, request: ChatRequest) -> AsyncGenerator[AsyncIterator[ChatChunk]]:
    """The answer's chunks; its usage goes to the emitter at the end, estimated when it was stopped or cut off.

    Leaving the block closes the connection to the model.
    """
    heard = Heard()
    stopped = False
    try:
        async with aclosing(stream_chat(context.house, request, context.turn.spender)) as chunks:
            yield _listen(context, chunks, heard)
    except asyncio.CancelledError:
        stopped = True
        raise
    except Problem:
        stopped = bool(heard.texts)
        raise
    finally:
        if not heard.is_counted and (stopped or heard.texts):
            info = model_info(context.house, request.model)
            context.emit.usage(estimate_usage(info, request.messages, heard.text))


async def _listen(context: AgentContext, chunks: AsyncIterator[ChatChunk], heard: Heard) -> AsyncIterator[ChatChunk]:
    async for chunk in chunks:
        if chunk.retracts:
            context.emit.retract()
        if chunk.text:
            heard.texts.append(chunk.text)
        if chunk.reasoning:
            heard.texts.append(chunk.reasoning)
            context.emit.reasoning(chunk.reasoning)
        if chunk.usage is not None:
            heard.is_counted = True
            context.emit.usage(chunk.usage)
        yield chunk
