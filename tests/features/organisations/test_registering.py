"""A scope's code lets people register, in the transaction that makes them members."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from madang.features.accounts import settings as account_settings
from madang.features.accounts.module import Accounts
from madang.features.accounts.service import links
from madang.features.accounts.tables import AccountRow
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


@pytest.fixture
def proving(monkeypatch: pytest.MonkeyPatch, visitor: httpx.AsyncClient) -> httpx.AsyncClient:
    """A visitor of a house where addresses have to be proved, so that nobody is told which are taken."""
    chosen = account_settings.load().model_copy(update={"require_verified_email": True})
    monkeypatch.setattr(account_settings, "load", lambda: chosen)
    return visitor


async def prove(world: World, visitor: httpx.AsyncClient, email: str) -> None:
    """Open the link of the letter that goes to this address."""
    async with world.house.db.transaction() as tx:
        row = (await tx.scalars(select(AccountRow).where(AccountRow.email == email))).one()
    token = links.token(world.house, "verification", row)
    assert (await visitor.post("/auth/verify-email", json={"token": token})).status_code == 204


async def used(api: Api) -> tuple[int, int]:
    """How often the newest code of the class was used, and how many members the class has, as its managers see it."""
    where = f"/scopes/{api.world.id('a.p.c')}"
    invite = (await api("a owner", "GET", f"{where}/invites")).json()["items"][0]
    return invite["used_count"], (await api("a owner", "GET", where)).json()["member_count"]


async def test_a_code_that_is_good_once_does_not_tell_whether_an_address_has_an_account(
    api: Api, world: World, proving: httpx.AsyncClient
) -> None:
    email = (await register(proving, await code_for(api))).json()["email"]
    await prove(world, proving, email)
    seen = []
    for one in (email, f"{secrets.token_hex(6)}@example.org"):
        code = await code_for(api)
        first, second = await register(proving, code, email=one), await register(proving, code)
        looked = await proving.get(f"/invites/{code}")
        seen.append((told(first), sorted(first.json()), told(second), told(looked), await used(api)))
    assert seen[0] == seen[1], "neither to the holder of the code, nor to those who made it"
    assert seen[0][2] == (409, "invite_used_up")


async def test_who_registers_with_a_code_is_in_once_the_address_is_proved(
    api: Api, world: World, proving: httpx.AsyncClient
) -> None:
    code, before = await code_for(api), await joined(world)
    email = (await register(proving, code)).json()["email"]
    assert await joined(world) == before
    await asyncio.gather(*(prove(world, proving, email) for _ in range(3)))
    assert await joined(world) == before + 1
    assert (await used(api))[0] == 1


@pytest.mark.parametrize(
    "after",
    [
        "UPDATE partner.invites SET revoked_at = now() WHERE scope_id = :id",
        "UPDATE partner.scopes SET status = 'suspended' WHERE id = :id",
        "UPDATE partner.scopes SET deleted_at = now() WHERE id = :id",
    ],
)
async def test_a_code_that_was_withdrawn_before_the_address_is_proved_gives_nothing(
    api: Api, world: World, proving: httpx.AsyncClient, after: str
) -> None:
    email = (await register(proving, await code_for(api))).json()["email"]
    await world.run(after, id=world.id("a.p.c"))
    await prove(world, proving, email)
    assert await joined(world) == 0


async def test_who_had_forgotten_their_account_takes_the_code_once_they_are_signed_in(
    api: Api, world: World, proving: httpx.AsyncClient
) -> None:
    async with world.house.db.transaction() as tx:
        query = text('SELECT email FROM "user".accounts WHERE id = :id')
        email = await tx.scalar(query, {"id": world.people["outsider"].account_id})
    code = await code_for(api)
    assert (await register(proving, code, email=email)).status_code == 201
    assert told(await api("b owner", "POST", f"/invites/{code}/redeem")) == (409, "invite_used_up")
    for _ in range(2):
        taken = await api("outsider", "POST", f"/invites/{code}/redeem")
        assert (taken.status_code, taken.json()["role"]) == (200, "student")
    listed = (await api("a owner", "GET", f"/scopes/{world.id('a.p.c')}/invites")).json()["items"][0]
    assert (listed["used_count"], listed["max_uses"]) == (1, 1)
