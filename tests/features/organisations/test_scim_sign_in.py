"""A directory and a provider that belong together: who is named comes in, with the roles of both, and only they."""

import secrets
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from madang.catalog import installed
from madang.kernel.house import House
from madang.kernel.http import build_app
from tests.features.accounts.oidc import error_of, school, set_up, sign_in, who_is
from tests.features.accounts.provider import Provider, serve
from tests.features.organisations.conftest import Api, World
from tests.features.organisations.directory import USER, System, system_of


@pytest.fixture
async def idp() -> AsyncIterator[Provider]:
    async with serve() as provider:
        yield provider


@pytest.fixture
async def browser(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(house, installed()), client=(secrets.token_hex(4), 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        yield client


async def roles(world: World, account_id: str) -> dict[str, str]:
    names = {row.id: short for short, row in world.scopes.items()}
    async with world.house.db.transaction() as tx:
        query = text("SELECT scope_id, role FROM partner.memberships WHERE account_id = :id")
        return {names[scope]: role for scope, role in await tx.execute(query, {"id": UUID(account_id)})}


async def test_who_is_named_comes_in_where_registration_is_closed(
    world: World, api: Api, house: House, idp: Provider, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    system: System = await system_of(house, world, api, "a", "a admin")
    set_up(monkeypatch, school(idp.url, organisation=str(world.id("a"))), oidc_registration="closed")
    email = f"{secrets.token_hex(5)}@school.example"
    assert error_of(await sign_in(browser, idp, email=email, sub=email)) == "oidc_registration_closed"
    user = (await system("POST", "/Users", {"schemas": [USER], "userName": email})).json()
    told = await who_is(browser, await sign_in(browser, idp, email=email, sub=email))
    assert await roles(world, told["id"]) == {"a": "student"}
    assert (await system("DELETE", f"/Users/{user['id']}")).status_code == 204
    assert await roles(world, told["id"]) == {}
    await sign_in(browser, idp, email=email, sub=email)
    assert await roles(world, told["id"]) == {}


async def test_groups_of_the_provider_give_and_take_memberships(
    world: World, idp: Provider, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = [
        {"group": "math", "scope_id": str(world.id("a.p.c")), "role": "instructor"},
        {"group": "heads", "scope_id": str(world.id("a.p")), "role": "manager"},
        {"group": "math", "scope_id": "018f0000-0000-7000-8000-000000000009", "role": "student"},
    ]
    more: dict[str, Any] = {"groups_claim": "groups", "memberships": mapping}
    set_up(monkeypatch, school(idp.url, **more))
    email = f"{secrets.token_hex(5)}@school.example"
    for groups, held in (
        (["math"], {"a.p.c": "instructor"}),
        (["math", "heads"], {"a.p.c": "instructor", "a.p": "manager"}),
        (["heads"], {"a.p": "manager"}),
        ([], {}),
    ):
        told = await who_is(browser, await sign_in(browser, idp, email=email, sub=email, groups=groups))
        assert await roles(world, told["id"]) == held
    await sign_in(browser, idp, email=email, sub=email, groups=["math"])
    await world.run(
        "UPDATE partner.memberships SET source = 'invite', role = 'manager' WHERE account_id = :id", id=UUID(told["id"])
    )
    await sign_in(browser, idp, email=email, sub=email, groups=[])
    assert await roles(world, told["id"]) == {"a.p.c": "manager"}


async def test_a_directory_that_spells_the_domain_otherwise_means_the_same_person(
    world: World, api: Api, house: House, idp: Provider, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    system: System = await system_of(house, world, api, "a", "a admin")
    spelled = {"organisation": str(world.id("a")), "email_domains": ["한국.example"]}
    set_up(monkeypatch, school(idp.url, **spelled), oidc_registration="closed")
    name = secrets.token_hex(5)
    await system("POST", "/Users", {"schemas": [USER], "userName": f"{name}@xn--3e0b707e.example"})
    told = await who_is(browser, await sign_in(browser, idp, email=f"{name}@한국.example.", sub=name))
    assert await roles(world, told["id"]) == {"a": "student"}
