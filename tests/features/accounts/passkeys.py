"""A browser that adds passkeys and signs in by them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from madang.kernel.house import House
from tests.features.accounts.authenticator import Device
from tests.features.accounts.conftest import PASSWORD, Person, bearer, visitor

PASSKEYS, DOOR = "/api/v1/users/me/passkeys", "/api/v1/auth/passkey"


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """The api under a name that browsers allow passkeys on."""
    async with visitor(house, "http://localhost:8000") as client:
        yield client


async def creation(api: httpx.AsyncClient, person: Person) -> dict[str, Any]:
    answer = await api.post(f"{PASSKEYS}/options", json={"password": PASSWORD}, headers=bearer(person.access_token))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["options"])


async def add(api: httpx.AsyncClient, person: Person, credential: dict[str, Any]) -> httpx.Response:
    body = {"name": "My phone", "credential": credential}
    return await api.post(PASSKEYS, json=body, headers=bearer(person.access_token))


async def with_passkey(api: httpx.AsyncClient, person: Person, **device: Any) -> Device:
    made = Device(**device)
    added = await add(api, person, made.create(await creation(api, person)))
    assert added.status_code == 201, added.text
    return made


async def question(api: httpx.AsyncClient) -> dict[str, Any]:
    answer = await api.post(f"{DOOR}/options")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def sign_in(api: httpx.AsyncClient, challenge: str, credential: dict[str, Any], **more: str) -> httpx.Response:
    return await api.post(DOOR, json={"challenge": challenge, "credential": credential, **more})
