"""A scope's code lets people register, in the transaction that makes them members."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from madang.features.accounts import settings as account_settings
from madang.features.accounts.module import Accounts
from madang.kernel.http import build_app
from tests.features.organisations.conftest import Api, World, told

PASSWORD = "courtyard rain 7"


@pytest.fixture
async def visitor(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without an account, where only invited people register."""
    cheap = {"password_hash_memory_kib": 256, "registration": "invite", "sign_in_address_attempts": 1000}
    chosen = account_settings.load().model_copy(update=cheap)
    monkeypatch.setattr(account_settings, "load", lambda: chosen)
    address = f"test-{secrets.token_hex(4)}"
    transport = httpx.ASGITransport(build_app(world.house, [Accounts()]), client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test/api/v1") as client:
        yield client


async def code_for(api: Api, **more: object) -> str:
    wish = {"role": "student"} | more
    made = await api("a owner", "POST", f"/scopes/{api.world.id('a.p.c')}/invites", wish)
    return str(made.json()["code"])


async def register(visitor: httpx.AsyncClient, code: str | None, **more: Any) -> httpx.Response:
    email = f"{secrets.token_hex(6)}@example.org"
    body = {"email": email, "password": PASSWORD, "invite_code": code} | more
    return await visitor.post("/auth/register", json=body)


async def joined(world: World) -> int:
    async with world.house.db.transaction() as tx:
        query = text("SELECT count(*) FROM partner.memberships WHERE scope_id = :id AND source = 'invite'")
        return int(await tx.scalar(query, {"id": world.id("a.p.c")}) or 0)


async def test_a_class_registers_with_one_code_and_is_in(api: Api, world: World, visitor: httpx.AsyncClient) -> None:
    code = await code_for(api, max_uses=3)
    answers = await asyncio.gather(*(register(visitor, code.lower()) for _ in range(9)))
    assert Counter(told(answer) for answer in answers) == {(201, None): 3, (409, "invite_used_up"): 6}
    assert await joined(world) == 3


async def test_a_code_that_is_over_makes_no_account(api: Api, world: World, visitor: httpx.AsyncClient) -> None:
    code = await code_for(api, email="friend@example.org")
    email = f"{secrets.token_hex(6)}@example.org"
    assert told(await register(visitor, code, email=email)) == (403, "invite_for_another")
    await world.run("UPDATE partner.invites SET revoked_at = now() WHERE scope_id = :id", id=world.id("a.p.c"))
    assert told(await register(visitor, code, email="friend@example.org")) == (409, "invite_revoked")
    assert told(await register(visitor, "0000000000")) == (403, "invite_invalid")
    async with world.house.db.transaction() as tx:
        query = text('SELECT count(*) FROM "user".accounts WHERE email = :email')
        assert await tx.scalar(query, {"email": email}) == 0
    assert await joined(world) == 0


async def test_a_taken_address_uses_no_code_up(api: Api, world: World, visitor: httpx.AsyncClient) -> None:
    code = await code_for(api)
    made = await register(visitor, await code_for(api))
    assert told(await register(visitor, code, email=made.json()["email"])) == (409, "email_taken")
    assert (await register(visitor, code)).status_code == 201
