"""A house whose only part in use is its models."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from madang.adapters.opening import open_house
from madang.features.providers import settings
from madang.features.providers.settings import ProviderSettings
from madang.kernel.house import House
from madang.kernel.settings import Settings
from tests import standin
from tests.standin import Standin

type Configure = Callable[..., None]


@pytest.fixture
async def upstream() -> AsyncIterator[Standin]:
    async with standin.serve(tokens=5, rate=0) as upstream:
        yield upstream


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, upstream: Standin) -> Configure:
    """Give the process these settings; short waits, the stand-in for every server, unless told otherwise."""

    def configure(**changed: Any) -> None:
        defaults: dict[str, Any] = {
            "openai_base_url": upstream.url,
            "openai_api_key": "sk-secret",
            "local_models_url": upstream.url,
            "local_embeddings_url": upstream.url,
            "default_model": "openai/bench",
            "model_first_token_seconds": 3,
            "model_between_tokens_seconds": 3,
            "stream_coalesce_ms": 5,
        }
        chosen = ProviderSettings(**{**defaults, **changed})
        monkeypatch.setattr(settings, "load", lambda: chosen)

    configure()
    return configure


@pytest.fixture
async def models_house(configure: Configure, house_settings: Settings) -> AsyncIterator[House]:
    """No module is installed; the database is there because every call is metered, Valkey is away."""
    chosen = house_settings.model_copy(update={"valkey_url": SecretStr("redis://127.0.0.1:1/0")})
    async with open_house(chosen, [], "test", lambda _: None) as house:
        yield house
