"""A token that was stolen, or an open screen: good for fifteen minutes, and for no way in that lasts longer."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import text

from madang.features.accounts.contracts import Device
from madang.features.accounts.service import keys, signing_in
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import AccountRow
from madang.kernel.http import READING, require_reauthentication
from tests.attacks.cast import PASSWORD, Cast
from tests.attacks.planting import traces
from tests.attacks.step_up import ORDINARY, PROVED
from tests.attacks.test_routes import Things, fill

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIRM, KEYS = "/api/v1/auth/confirm", "/api/v1/users/me/keys"


def changing(app: FastAPI) -> dict[str, APIRoute]:
    """Every route that changes something, as "METHOD /path"."""
    routes = [(found.path_format, found.original_route) for found in iter_route_contexts(app.routes)]
    return {
        f"{method} {path}": route
        for path, route in routes
        if isinstance(route, APIRoute)
        for method in (route.methods or set()) - READING
    }


def asks(dependant: Dependant) -> bool:
    return dependant.call is require_reauthentication or any(asks(part) for part in dependant.dependencies)


async def test_every_route_that_changes_something_says_whether_it_asks_for_proof(app: FastAPI) -> None:
    there = changing(app)
    missing = sorted(there.keys() - PROVED.keys() - ORDINARY.keys())
    gone = sorted((PROVED.keys() | ORDINARY.keys()) - there.keys())
    assert not missing, (
        f"tests/attacks/step_up.py does not know {missing}. Does it write a credential or hand over power? Then take"
        " `Reauthenticated` for `Who` and add it to PROVED; otherwise say in ORDINARY why it does neither."
    )
    assert not gone, f"tests/attacks/step_up.py describes routes that are no more: {gone}"
    assert not PROVED.keys() & ORDINARY.keys()
    asking = {name for name, route in there.items() if asks(route.dependant)}
    assert asking <= PROVED.keys(), "these ask for proof and stand in ORDINARY"


@pytest_asyncio.fixture(loop_scope="module")
async def stolen(cast: Cast) -> AsyncIterator[dict[str, str]]:
    """The victim's token of a sign-in that is a quarter of an hour old."""
    desk = await cast.house.resource(open_desk)
    async with cast.house.db.transaction() as tx:
        row = await tx.get_one(AccountRow, cast.victim.account_id)
        handed = await signing_in.begin(tx, desk, row, Device("", ""), "password")
        age = text("UPDATE \"user\".logins SET created_at = now() - interval '11 minutes' WHERE account_id = :id")
        await tx.execute(age, {"id": cast.victim.account_id})
    yield {"Authorization": f"Bearer {handed.access_token}"}
    await supervise(cast, yes=False)


async def supervise(cast: Cast, *, yes: bool) -> None:
    async with cast.house.db.transaction() as tx:
        change = text('UPDATE "user".accounts SET is_supervisor = :yes WHERE id = :id')
        await tx.execute(change, {"yes": yes, "id": cast.victim.account_id})
    (await cast.house.resource(open_desk)).forget_account(cast.victim.account_id)


@pytest.mark.parametrize("route", sorted(PROVED))
async def test_attack_a_stolen_token_makes_no_way_in_that_lasts(
    route: str, client: httpx.AsyncClient, cast: Cast, stolen: dict[str, str]
) -> None:
    entry, things = PROVED[route], Things(cast)
    await supervise(cast, yes=entry.as_supervisor)
    if entry.as_supervisor:  # what a supervisor does to others
        things["user_id"] = str(cast.accounts["sibling"])
    tables = [table for table in cast.tables if table not in {"supervisor.audit", "user.logins"}]
    before = await state(cast, tables)
    method, _, path = route.partition(" ")
    answer = await client.request(method, path.format_map(things), json=fill(entry.json, things), headers=stolen)
    assert answer.status_code in {403, 422}, answer.text
    assert answer.json()["code"] in entry.codes, answer.text
    assert await state(cast, tables) == before


async def state(cast: Cast, tables: list[str]) -> dict[str, str | None]:
    ids = [*cast.ids, *cast.accounts.values()]
    async with cast.house.db.transaction() as tx:
        return await traces(tx, tables, ids)


async def test_the_password_opens_them_for_ten_minutes_in_this_sign_in_alone(
    client: httpx.AsyncClient, cast: Cast, stolen: dict[str, str]
) -> None:
    wanted = {"name": "a key", "permissions": ["chat:write"]}
    wrong = await client.post(CONFIRM, json={"password": "not it at all"}, headers=stolen)
    assert (wrong.status_code, wrong.json()["code"]) == (403, "password_wrong")
    assert (await client.post(KEYS, json=wanted, headers=stolen)).status_code == 403
    assert (await client.post(CONFIRM, json={"password": PASSWORD}, headers=stolen)).status_code == 204
    assert (await client.post(KEYS, json=wanted, headers=stolen)).status_code == 201
    async with cast.house.db.transaction() as tx:
        age = text("UPDATE \"user\".logins SET confirmed_at = now() - interval '11 minutes' WHERE account_id = :id")
        await tx.execute(age, {"id": cast.victim.account_id})
    late = await client.post(KEYS, json=wanted, headers=stolen)
    assert (late.status_code, late.json()["code"]) == (403, "confirmation_needed")


async def test_attack_an_api_key_hands_an_organisation_over_or_lets_a_directory_in(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    wanted = keys.Wanted("all of organisations", ("organisations:write",), timedelta(days=1))
    async with cast.house.db.transaction(cast.victim) as tx:
        _, secret = await keys.create(tx, cast.victim, wanted, wanted.permissions)
    things, headers = Things(cast), {"Authorization": f"Bearer {secret}"}
    for route in ("POST /api/v1/scopes/{scope_id}/transfer", "POST /api/v1/scopes/{scope_id}/scim-tokens"):
        method, _, path = route.partition(" ")
        body = fill(PROVED[route].json, things)
        answer = await client.request(method, path.format_map(things), json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_needed")
