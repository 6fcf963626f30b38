"""A LangChain chat model over our own path, for agents that are built with LangChain.

Imported only when one is made (`public.chat_model`): LangChain takes half a second and 43 MB.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, cast, override

import msgspec
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, SkipValidation

from madang.features.providers.contracts import ChatChunk, ChatRequest, Message, Role, ToolCall, Usage
from madang.features.providers.service.streaming import stream_chat
from madang.features.usage.public import HOUSE_SPENDS, Spender
from madang.kernel.house import House


class MadangChat(BaseChatModel):
    """One of the house's models. Only its asynchronous methods work: nothing here may block a loop."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    house: SkipValidation[House]
    spender: SkipValidation[Spender] = HOUSE_SPENDS
    model: str
    temperature: float | None = None
    max_tokens: int | None = None
    stop_at: tuple[str, ...] = ()

    @property
    @override
    def _llm_type(self) -> str:
        return "madang"

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with these tools. `tool_choice` is "auto", "none", "required" ("any" means it) or a tool's name."""
        formatted = [convert_to_openai_tool(tool) for tool in tools]
        if tool_choice is not None:
            kwargs["tool_choice"] = _choice(tool_choice)
        return self.bind(tools=formatted, **kwargs)

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("Use ainvoke or astream: this model never blocks.")

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, None, **kwargs))

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = ChatRequest(
            messages=[_message(message) for message in messages],
            model=self.model,
            temperature=kwargs.get("temperature", self.temperature),
            max_tokens=kwargs.get("max_tokens", self.max_tokens),
            stop=stop or self.stop_at,
            tools=kwargs.get("tools", ()),
            tool_choice=kwargs.get("tool_choice"),
        )
        async with aclosing(stream_chat(self.house, request, self.spender)) as chunks:
            async for chunk in chunks:
                yield await _told(_generation(chunk), run_manager)


async def _told(
    generation: ChatGenerationChunk, run_manager: AsyncCallbackManagerForLLMRun | None
) -> ChatGenerationChunk:
    if run_manager is not None:
        await run_manager.on_llm_new_token(generation.text, chunk=generation)
    return generation


def _choice(wanted: str) -> str | dict[str, Any]:
    if wanted == "any":
        return "required"
    if wanted in {"auto", "none", "required"}:
        return wanted
    return {"type": "function", "function": {"name": wanted}}


def _message(message: BaseMessage) -> Message:
    if isinstance(message, ToolMessage):
        return Message("tool", str(message.text), tool_call_id=message.tool_call_id)
    if isinstance(message, AIMessage):
        calls = tuple(
            ToolCall(call["id"] or "", call["name"], msgspec.json.encode(call["args"]).decode())
            for call in message.tool_calls
        )
        return Message("assistant", str(message.text), tool_calls=calls)
    role: Role = "system" if isinstance(message, SystemMessage) else "user"
    return Message(role, str(message.text))


def _generation(chunk: ChatChunk) -> ChatGenerationChunk:
    calls = [
        ToolCallChunk(name=part.name, args=part.arguments, id=part.id, index=part.index, type="tool_call_chunk")
        for part in chunk.tool_calls
    ]
    message = AIMessageChunk(
        content=chunk.text,
        tool_call_chunks=calls,
        additional_kwargs={"reasoning_content": chunk.reasoning} if chunk.reasoning else {},
        usage_metadata=_metadata(chunk.usage) if chunk.usage else None,
        response_metadata={"finish_reason": chunk.finish_reason} if chunk.finish_reason else {},
    )
    return ChatGenerationChunk(message=cast("Any", message))


def _metadata(usage: Usage) -> UsageMetadata:
    total = usage.input_tokens + usage.output_tokens
    return UsageMetadata(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, total_tokens=total)
