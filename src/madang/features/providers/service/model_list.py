"""Which models a compatible server has, as it says itself: asked beside all else, kept, and kept while it is away.

A process asks when its list is older than a minute and somebody needs it, one request at a time; processes share what
was found through Valkey, so that a restart while the server is away knows it still.
"""

import asyncio
import hashlib
import importlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from madang.features.providers import settings as provider_settings
from madang.features.providers.service.json_values import is_list, is_object
from madang.features.providers.service.models import ListedModel, Listing, server_of
from madang.kernel import log
from madang.kernel.clock import now
from madang.kernel.jobs import spawn

if TYPE_CHECKING:
    from madang.features.providers.service.client import Client
    from madang.kernel.house import House

logger = log.get_logger(__name__)

FRESH_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 15.0
FIRST_LIST_SECONDS: Final = 2.0
"""The longest that somebody who opens the list of models waits for the first one ever."""

ASK_SECONDS: Final = 10.0
KEPT_SECONDS: Final = 7 * 86_400.0
MOST_BYTES: Final = 4 << 20
MOST_MODELS: Final = 2_000
_CONTEXT_KEYS: Final = ("context_length", "max_model_len", "max_context_length", "context_window", "n_ctx_train")
_NO_CHAT = re.compile(
    r"embed|rerank|whisper|(?<![a-z])tts(?![a-z])|transcri|moderation|dall-e|(?<![a-z])image|realtime|(?<![a-z])bge-"
    r"|stable-diffusion|(?<![a-z])flux(?![a-z])|(?<![a-z])sora(?![a-z])|babbage-|davinci-",
    re.IGNORECASE,
)


class _Kept(msgspec.Struct):
    at: float
    models: list[ListedModel]


@dataclass(slots=True)
class ModelList:
    """What one process knows of the server's models."""

    house: "House"
    listing: Listing | None = None
    _asked_at: float = float("-inf")
    _task: asyncio.Task[None] | None = None
    _is_doubted: bool = False

    def current(self) -> Listing | None:
        """What is known now, None before the server has ever answered; a list that is old is asked for again."""
        settings = provider_settings.load()
        if settings.openai_models:
            return Listing(tuple(ListedModel(name, None, is_chat=True) for name in settings.openai_models))
        if not settings.has_openai:
            return None
        age = asyncio.get_running_loop().time() - self._asked_at
        if self._task is None and age > (FRESH_SECONDS if self.listing and not self._is_doubted else RETRY_SECONDS):
            self._begin()
        return self.listing

    async def first(self) -> Listing | None:
        """The same, but wait a moment for the first list."""
        listing = self.current()
        if listing is None and self._task is not None:
            await asyncio.wait({self._task}, timeout=FIRST_LIST_SECONDS)
        return listing or self.listing

    def refresh(self) -> None:
        """Ask again, whatever processes share: the server has said that it has not what it listed."""
        self._is_doubted = True
        age = asyncio.get_running_loop().time() - self._asked_at
        if self._task is None and age > RETRY_SECONDS:
            self._begin()

    def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = spawn(self._renew(), "models.list")
        self._task.add_done_callback(self._end)

    def _end(self, _: asyncio.Task[None]) -> None:
        self._task = None
        self._asked_at = asyncio.get_running_loop().time()

    async def _renew(self) -> None:
        client: Client = await self.house.resource(
            importlib.import_module("madang.features.providers.service.client").open_client
        )
        key = _key(client)
        kept = await self.house.cache.get(key, _Kept)
        if kept is not None and (self.listing is None or now().timestamp() - kept.at < FRESH_SECONDS):
            self.listing = Listing(tuple(kept.models))
            if now().timestamp() - kept.at < FRESH_SECONDS and not self._is_doubted:
                return
        try:
            async with asyncio.timeout(ASK_SECONDS):
                models = read_models(await _ask(client))
        except (OSError, ValueError, TimeoutError, importlib.import_module("aiohttp").ClientError) as error:
            logger.info("models_not_listed", error=log.first_line(error))
            return
        self._is_doubted = False
        if models:
            self.listing = Listing(tuple(models))
            await self.house.cache.set(key, _Kept(now().timestamp(), models), KEPT_SECONDS)


def _key(client: "Client") -> str:
    url, headers, query = server_of(client.settings)
    server = "\n".join((url, query, headers.get("Authorization", "")))
    return f"providers:models:{hashlib.sha256(server.encode()).hexdigest()[:24]}"


async def _ask(client: "Client") -> bytes:
    """The server's answer. Raises `aiohttp.ClientError`, OSError, and ValueError when it is no list."""
    url, headers, query = server_of(client.settings)
    address = f"{url}/models" + (f"?{query}" if query else "")
    async with client.session.get(address, headers=headers, allow_redirects=False) as response:
        if response.status != 200:  # OK
            raise ValueError(f"HTTP {response.status}")
        pieces: list[bytes] = []
        size = 0
        async for piece in response.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise ValueError("a list without an end")
    return b"".join(pieces)


def read_models(answer: bytes) -> list[ListedModel]:
    """The models in an answer, in its order. Raises ValueError when it is no list of models."""
    value: object = msgspec.json.decode(answer)
    if is_object(value):
        value = value.get("data") or value.get("models") or []
    if not is_list(value):
        raise ValueError("no list of models")
    found = {model.name: model for entry in value[:MOST_MODELS] if (model := _model(entry)) is not None}
    return list(found.values())


def _model(entry: object) -> ListedModel | None:
    fields: dict[str, Any] = entry if is_object(entry) else {"id": entry}
    name = fields.get("id") or fields.get("name") or fields.get("model")
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 200:
        return None
    return ListedModel(name, _context(fields), is_chat=_chats(fields, name))


def _context(fields: dict[str, Any]) -> int | None:
    meta = fields.get("meta")
    for place in (fields, meta if is_object(meta) else {}):
        for key in _CONTEXT_KEYS:
            tokens = place.get(key)
            if isinstance(tokens, int) and not isinstance(tokens, bool) and 256 <= tokens <= 100_000_000:
                return tokens
    return None


def _chats(fields: dict[str, Any], name: str) -> bool:
    """Whether the model is one to talk with, as far as its entry or its name says."""
    capabilities, architecture = fields.get("capabilities"), fields.get("architecture")
    if is_object(capabilities) and capabilities.get("completion_chat") is False:
        return False
    if is_object(architecture) and is_list(kinds := architecture.get("output_modalities")):
        return "text" in kinds
    return not _NO_CHAT.search(f"{fields.get('type') or ''} {name}")


@asynccontextmanager
async def open_model_list(house: "House") -> AsyncGenerator[ModelList]:
    """The process's list, for `house.resource`."""
    models = ModelList(house)
    try:
        yield models
    finally:
        models.close()


def known_models(house: "House") -> Listing | None:
    """What is known of the server's models without waiting; None while nothing is."""
    models = house.opened(open_model_list)
    if models is not None:
        return models.current()
    spawn(house.resource(open_model_list), "models.open")
    return None


def ask_again(house: "House") -> None:
    """Renew the list soon: the server has said that it has not what it listed."""
    models = house.opened(open_model_list)
    if models is not None:
        models.refresh()
