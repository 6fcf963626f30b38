"""One house with a victim and attackers, made once for each file of attacks."""

import secrets
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.accounts import settings as account_settings
from madang.kernel.http import build_app
from madang.kernel.settings import Settings
from tests.attacks.cast import Cast, dismiss, gather


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cast(house_settings: Settings) -> AsyncIterator[Cast]:
    """The victim and the attackers, in a house with every module and no worker."""
    with pytest.MonkeyPatch.context() as patch:
        quick = account_settings.load().model_copy(update={"password_hash_memory_kib": 256})
        patch.setattr(account_settings, "load", lambda: quick)
        async with open_house(house_settings, installed(), "test", deliver=lambda _: None) as house:
            gathered = await gather(house)
            yield gathered
            await dismiss(gathered)


@pytest.fixture(scope="module")
def app(cast: Cast) -> FastAPI:
    """The whole api."""
    return build_app(cast.house, installed())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client from one address; what breaks inside is answered with 500, as it would be outside."""
    transport = httpx.ASGITransport(app, client=(f"test-{secrets.token_hex(4)}", 1), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test", timeout=20) as opened:
        yield opened
