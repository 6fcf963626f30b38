"""Which models there are, and where each is reached.

Prices and context sizes are those published by OpenAI for the standard tier (as of November 2026); they are for
showing and estimating cost, the bill is OpenAI's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from madang.features.providers import settings as provider_settings
from madang.features.providers.contracts import ModelInfo, ModelUnknown, ModelUnreachable
from madang.features.providers.settings import OPENAI_URL, ProviderSettings
from madang.features.usage.public import FREE, Price

if TYPE_CHECKING:
    from madang.kernel.house import House

LOCAL_CHAT: Final = "local/gemma3-270m"
LOCAL_EMBEDDING: Final = "local/multilingual-e5-small"
UNKNOWN_CONTEXT: Final = 32_768

CHAT_MODELS: Final = (
    ModelInfo(
        "openai/gpt-5", "GPT-5", 400_000, 1_250_000, 10_000_000, built_in=False, available=False, cached_price=125_000
    ),
    ModelInfo(
        "openai/gpt-4o",
        "GPT-4o",
        128_000,
        2_500_000,
        10_000_000,
        built_in=False,
        available=False,
        cached_price=1_250_000,
    ),
    ModelInfo(
        "openai/gpt-4o-mini",
        "GPT-4o mini",
        128_000,
        150_000,
        600_000,
        built_in=False,
        available=False,
        cached_price=75_000,
    ),
    ModelInfo(LOCAL_CHAT, "Gemma 3 270M", 4_096, 0, 0, built_in=True, available=False),
)

DIMENSIONS: Final = {
    LOCAL_EMBEDDING: 384,
    "openai/text-embedding-3-small": 1536,
    "openai/text-embedding-3-large": 3072,
}


EMBEDDING_PRICES: Final = {
    LOCAL_EMBEDDING: 0,
    "openai/text-embedding-3-small": 20_000,
    "openai/text-embedding-3-large": 130_000,
}


@dataclass(frozen=True, slots=True)
class Route:
    """How a model is reached: the server's URL without a slash at the end, headers, and its name there.

    `query` is that of the base URL, such as Azure's `api-version=…`; it stays behind the path of each request.
    """

    info: ModelInfo
    url: str
    headers: Mapping[str, str]
    wire_name: str
    query: str = ""

    def url_of(self, path: str) -> str:
        """The address of one of the server's endpoints."""
        return f"{self.url}{path}?{self.query}" if self.query else f"{self.url}{path}"

    @property
    def is_official(self) -> bool:
        """Whether this is OpenAI itself, which knows parameters that compatible servers do not."""
        return self.url == OPENAI_URL

    @property
    def is_built_in(self) -> bool:
        """Whether one of our own processes serves it."""
        return self.info.built_in

    @property
    def price(self) -> Price | None:
        """What calls are charged; None when nobody knows. One's own server costs nothing unless it has a price."""
        info = self.info
        if info.input_price is not None:
            return Price(info.input_price, info.output_price or 0, info.cached_price)
        return None if self.is_official else FREE


def default_model(settings: ProviderSettings | None = None) -> str:
    """The name of the chat model that answers when none is chosen."""
    settings = settings or provider_settings.load()
    return settings.default_model or (CHAT_MODELS[0].id if settings.has_openai else LOCAL_CHAT)


def default_embedding_model(settings: ProviderSettings | None = None) -> str:
    """The name of the model that embeds when none is chosen."""
    return (settings or provider_settings.load()).embedding_model or LOCAL_EMBEDDING


def list_models(house: "House") -> list[ModelInfo]:
    """The chat models people can choose, the default among them, whether or not they are available."""
    settings = provider_settings.load()
    known = [_as_set_up(info, settings) for info in CHAT_MODELS]
    default = default_model(settings)
    if default not in {info.id for info in known}:
        known.insert(0, find_model(settings, default))
    return known


def model_info(house: "House", name: str | None) -> ModelInfo:
    """The chat model of this name, None for the default. Raises `ModelUnknown`."""
    return find_model(provider_settings.load(), name)


def find_model(settings: ProviderSettings, name: str | None) -> ModelInfo:
    """The same by settings. Every `openai/…` name is taken when a server is set up: new ones appear each month."""
    name = name or default_model(settings)
    for info in CHAT_MODELS:
        if info.id == name:
            return _as_set_up(info, settings)
    provider, _, model = name.partition("/")
    if provider != "openai" or not model.strip() or not model.isprintable() or not settings.has_openai:
        raise ModelUnknown(name)
    info = ModelInfo(name, model, UNKNOWN_CONTEXT, None, None, built_in=False, available=True)
    return _priced(info, settings)


def chat_route(settings: ProviderSettings, name: str | None) -> Route:
    """Where to reach a chat model. Raises `ModelUnknown`, or `ModelUnreachable` when it is not set up."""
    info = find_model(settings, name)
    if not info.available:
        needs = "MADANG_LOCAL_MODELS_URL" if info.built_in else "OPENAI_API_KEY"
        raise ModelUnreachable(info.id, f"{needs} is not set")
    return _route(info, settings, settings.local_models_url)


def embedding_route(settings: ProviderSettings, name: str | None) -> Route:
    """Where to reach an embedding model. Raises `ModelUnknown`, or `ModelUnreachable` when it is not set up."""
    name = name or default_embedding_model(settings)
    provider, _, model = name.partition("/")
    built_in = name == LOCAL_EMBEDDING
    if not built_in and (provider != "openai" or not model.strip() or not model.isprintable()):
        raise ModelUnknown(name)
    info = ModelInfo(name, model, 8192, EMBEDDING_PRICES.get(name), 0, built_in=built_in, available=True)
    info = _priced(info, settings)
    if built_in and settings.local_embeddings_url is None:
        raise ModelUnreachable(name, "MADANG_LOCAL_EMBEDDINGS_URL is not set")
    if not built_in and not settings.has_openai:
        raise ModelUnreachable(name, "OPENAI_API_KEY is not set")
    return _route(info, settings, settings.local_embeddings_url)


def _route(info: ModelInfo, settings: ProviderSettings, local_url: str | None) -> Route:
    wire_name = info.id.partition("/")[2]
    if info.built_in:
        return Route(info, _versioned(local_url or ""), {}, wire_name)
    key = settings.openai_api_key
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    url, _, query = (settings.openai_base_url or OPENAI_URL).partition("?")
    if key and "api-version=" in query:
        headers["api-key"] = key.get_secret_value()  # where Azure's own addresses look for it
    return Route(info, url.rstrip("/"), headers, wire_name, query)


def _versioned(url: str) -> str:
    url = url.rstrip("/")
    return url if url.endswith("/v1") else f"{url}/v1"


def _as_set_up(info: ModelInfo, settings: ProviderSettings) -> ModelInfo:
    reachable = settings.local_models_url is not None if info.built_in else settings.has_openai
    return _priced(replace(info, available=reachable), settings)


def _priced(info: ModelInfo, settings: ProviderSettings) -> ModelInfo:
    """The model at the operator's price, if there is one."""
    price = settings.model_prices.get(info.id)
    if price is None:
        return info
    return replace(info, input_price=price.input, output_price=price.output, cached_price=price.cached)
