"""Which models there are, and where each is reached.

Prices and context sizes are those published by OpenAI for the standard tier (as of November 2026); they are for
showing and estimating cost, the bill is OpenAI's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from madang.features.providers import settings as provider_settings
from madang.features.providers.contracts import ModelInfo, ModelUnknown, ModelUnreachable
from madang.features.providers.settings import OPENAI_URL, ProviderSettings
from madang.features.usage.public import FREE, Price

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


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as its server lists it. `context_tokens` is None if it does not say; `is_chat`: one can talk with it."""

    name: str
    context_tokens: int | None
    is_chat: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """The models that the server has."""

    models: tuple[ListedModel, ...]

    def find(self, name: str) -> ListedModel | None:
        """The model of this `provider/model` name."""
        provider, _, model = name.partition("/")
        return next((one for one in self.models if provider == "openai" and one.name == model), None)

    @property
    def chat_names(self) -> list[str]:
        """The `provider/model` names of those that one can talk with."""
        return [f"openai/{one.name}" for one in self.models if one.is_chat]


def default_model(settings: ProviderSettings | None = None, listing: Listing | None = None) -> str:
    """The name of the chat model that answers when none is chosen.

    The configured one, or ours for the set-up; where the server has not got that one, the first that it lists.
    """
    settings = settings or provider_settings.load()
    wanted = settings.default_model or (CHAT_MODELS[0].id if settings.has_openai else LOCAL_CHAT)
    if listing is None or not wanted.startswith("openai/") or listing.find(wanted) is not None:
        return wanted
    names = listing.chat_names
    ours = (info.id for info in CHAT_MODELS if info.id in names)
    return next(ours, None) or next(iter(names), wanted)


def default_embedding_model(settings: ProviderSettings | None = None) -> str:
    """The name of the model that embeds when none is chosen."""
    return (settings or provider_settings.load()).embedding_model or LOCAL_EMBEDDING


def list_models(listing: Listing | None) -> list[ModelInfo]:
    """The chat models people can choose, the default among them, whether or not they are available.

    OpenAI's own list has many more than people choose among: of those, the ones known here are shown. Any other server
    shows all it has to talk with.
    """
    settings = provider_settings.load()
    names = [info.id for info in CHAT_MODELS if not info.built_in] if not settings.is_compatible else []
    if listing is not None:
        listed = listing.chat_names
        names = [name for name in names if name in listed] if names and not settings.openai_models else listed
    default = default_model(settings, listing)
    if not default.startswith("local/") and default not in names:
        names.insert(0, default)
    return [find_model(settings, name, listing) for name in [*names, LOCAL_CHAT]]


def find_model(settings: ProviderSettings, name: str | None, listing: Listing | None = None) -> ModelInfo:
    """The chat model of this name, None for the default. Raises `ModelUnknown` for what is no name of one.

    Prices and sizes known here hold at OpenAI's own address alone; elsewhere the same name may be another model.
    """
    name = name or default_model(settings, listing)
    known = next((info for info in CHAT_MODELS if info.id == name), None)
    if known is not None and (known.built_in or not settings.is_compatible):
        return _as_set_up(known, settings)
    provider, _, model = name.partition("/")
    if provider != "openai" or not model.strip() or not model.isprintable() or not settings.has_openai:
        raise ModelUnknown(name)
    listed = listing.find(name) if listing is not None else None
    context = (listed.context_tokens if listed else None) or (known.context_tokens if known else UNKNOWN_CONTEXT)
    info = ModelInfo(name, model, context, None, None, built_in=False, available=True)
    return _priced(info, settings)


def require_listed(settings: ProviderSettings, name: str | None, listing: Listing | None) -> None:
    """Raises `ModelUnknown` for a model that the server has not got; one that the settings name is taken at their word.

    While the server has never said what it has, every name is taken.
    """
    find_model(settings, name, listing)
    if name is None or listing is None or not name.startswith("openai/"):
        return
    if listing.find(name) is None and name != settings.default_model and name not in settings.model_prices:
        raise ModelUnknown(name)


def chat_route(settings: ProviderSettings, name: str | None, listing: Listing | None = None) -> Route:
    """Where to reach a chat model. Raises `ModelUnknown`, or `ModelUnreachable` when it is not set up."""
    info = find_model(settings, name, listing)
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
    info = ModelInfo(name, model, 8192, embedding_price(name, settings), 0, built_in=built_in, available=True)
    info = _priced(info, settings)
    if built_in and settings.local_embeddings_url is None:
        raise ModelUnreachable(name, "MADANG_LOCAL_EMBEDDINGS_URL is not set")
    if not built_in and not settings.has_openai:
        raise ModelUnreachable(name, "OPENAI_API_KEY is not set")
    return _route(info, settings, settings.local_embeddings_url)


def embedding_price(name: str, settings: ProviderSettings) -> int | None:
    """The price known here, which holds at OpenAI's own address alone."""
    return None if settings.is_compatible and name != LOCAL_EMBEDDING else EMBEDDING_PRICES.get(name)


def _route(info: ModelInfo, settings: ProviderSettings, local_url: str | None) -> Route:
    wire_name = info.id.partition("/")[2]
    if info.built_in:
        return Route(info, _versioned(local_url or ""), {}, wire_name)
    url, headers, query = server_of(settings)
    return Route(info, url, headers, wire_name, query)


def server_of(settings: ProviderSettings) -> tuple[str, Mapping[str, str], str]:
    """The address of the OpenAI-compatible server, without a slash at the end, its headers, and the address's query."""
    key = settings.openai_api_key
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    url, _, query = (settings.openai_base_url or OPENAI_URL).partition("?")
    if key and "api-version=" in query:
        headers["api-key"] = key.get_secret_value()  # where Azure's own addresses look for it
    return url.rstrip("/"), headers, query


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
