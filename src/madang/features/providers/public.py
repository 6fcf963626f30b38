"""The door of providers: language models and embeddings by name."""

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from madang.features.providers import settings as provider_settings
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
    ModelSilent,
    ModelTimeout,
    ModelUnknown,
    ModelUnreachable,
    ToolCall,
    ToolCallPart,
    Usage,
    upstream_message,
)
from madang.features.providers.service import models
from madang.features.providers.service.model_list import known_models, open_model_list
from madang.features.providers.service.models import (
    chat_route,
    default_embedding_model,
    find_model,
    require_listed,
)
from madang.features.providers.service.tokens import estimate_tokens, estimate_usage
from madang.features.usage.public import HOUSE_SPENDS, Price, Spender


def _late(function: str) -> Callable[..., Any]:
    """A function of the service whose module is imported by the first call.

    What only asks for names, prices and types, as the scheduler does, never pays for an HTTP client.
    """
    module, _, name = f"madang.features.providers.service.{function}".rpartition(".")

    def call(*args: object, **kwargs: object) -> object:
        return getattr(importlib.import_module(module), name)(*args, **kwargs)

    return call


if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from madang.features.providers.service.embedding import embed
    from madang.features.providers.service.reach import answers
    from madang.features.providers.service.streaming import stream_chat
    from madang.kernel.house import House
else:
    answers = _late("reach.answers")
    embed = _late("embedding.embed")
    stream_chat = _late("streaming.stream_chat")

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
    "ModelSilent",
    "ModelTimeout",
    "ModelUnknown",
    "ModelUnreachable",
    "ToolCall",
    "ToolCallPart",
    "Usage",
    "answers",
    "chat_model",
    "default_embedding_model",
    "embed",
    "estimate_tokens",
    "estimate_usage",
    "list_models",
    "model_info",
    "price_of",
    "require_model",
    "stream_chat",
    "upstream_message",
]


def price_of(house: "House", model: str | None) -> Price | None:
    """What a chat model's calls are charged; None when nobody knows. Raises `ModelUnknown` and `ModelUnreachable`."""
    return chat_route(provider_settings.load(), model, known_models(house)).price


def model_info(house: "House", name: str | None) -> ModelInfo:
    """The chat model of this name, None for the default. Raises `ModelUnknown`."""
    return find_model(provider_settings.load(), name, known_models(house))


def require_model(house: "House", name: str | None) -> None:
    """Raises `ModelUnknown` unless the model's server has it, as far as it has said what it has."""
    require_listed(provider_settings.load(), name, known_models(house))


async def list_models(house: "House") -> tuple[list[ModelInfo], str]:
    """The chat models people can choose, whether or not they are available, and the name of the default."""
    listing = await (await house.resource(open_model_list)).first()
    return models.list_models(listing), models.default_model(None, listing)


def chat_model(
    house: "House",
    model: str | None = None,
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
    stop: Sequence[str] = (),
    spender: Spender = HOUSE_SPENDS,
) -> "BaseChatModel":
    """A LangChain chat model over the same path, for agents built with LangChain; `spender` pays for its calls.

    Raises `ModelUnknown`.
    """
    built: BaseChatModel = _late("langchain.MadangChat")(
        house=house,
        model=model_info(house, model).id,
        temperature=temperature,
        max_tokens=max_tokens,
        stop_at=tuple(stop),
        spender=spender,
    )
    return built
