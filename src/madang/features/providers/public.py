"""The door of providers: language models and embeddings by name."""

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from madang.features.providers.contracts import (
    ChatChunk,
    ChatRequest,
    EmbeddingBatch,
    EmbeddingKind,
    Message,
    ModelCutOff,
    ModelInfo,
    ModelNonsense,
    ModelRefused,
    ModelTimeout,
    ModelUnknown,
    ModelUnreachable,
    ToolCall,
    ToolCallPart,
    Usage,
)
from madang.features.providers.service.embedding import embed
from madang.features.providers.service.models import (
    default_embedding_model,
    default_model,
    list_models,
    model_info,
)
from madang.features.providers.service.reach import answers
from madang.features.providers.service.streaming import stream_chat
from madang.features.providers.service.tokens import estimate_tokens, estimate_usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from madang.kernel.house import House

__all__ = [
    "ChatChunk",
    "ChatRequest",
    "EmbeddingBatch",
    "EmbeddingKind",
    "Message",
    "ModelCutOff",
    "ModelInfo",
    "ModelNonsense",
    "ModelRefused",
    "ModelTimeout",
    "ModelUnknown",
    "ModelUnreachable",
    "ToolCall",
    "ToolCallPart",
    "Usage",
    "answers",
    "chat_model",
    "default_embedding_model",
    "default_model",
    "embed",
    "estimate_tokens",
    "estimate_usage",
    "list_models",
    "model_info",
    "stream_chat",
]


def chat_model(
    house: "House",
    model: str | None = None,
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
    stop: Sequence[str] = (),
) -> "BaseChatModel":
    """A LangChain chat model over the same path, for agents built with LangChain.

    LangChain is imported by the first call, so that processes that only embed or list models never pay for it.
    Raises `ModelUnknown`.
    """
    bridge = importlib.import_module("madang.features.providers.service.langchain")
    built: BaseChatModel = bridge.MadangChat(
        house=house,
        model=model_info(house, model).id,
        temperature=temperature,
        max_tokens=max_tokens,
        stop_at=tuple(stop),
    )
    return built
