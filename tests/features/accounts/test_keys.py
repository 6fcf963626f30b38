"""API keys and attacks on them, each by its name, over HTTP against routes of every kind."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter
from sqlalchemy import func, select, text, update

from madang.features.accounts.module import Accounts
from madang.features.accounts.service import desk, keys
from madang.features.accounts.tables import AccountRow, ApiKeyRow
from madang.kernel.audit import AuditRow
from madang.kernel.auth import SUPERVISING, Principal
from madang.kernel.clock import now
from madang.kernel.errors import Problem
from madang.kernel.house import House
from madang.kernel.http import Who, build_app
from madang.kernel.ids import new_id
from madang.kernel.module import Module
from tests.features.accounts.conftest import Join, Person, bearer

KEYS = "/api/v1/users/me/keys"

garden = APIRouter(prefix="/garden", tags=["garden", "auth"])
shed = APIRouter(prefix="/shed")
gate = APIRouter(prefix="/gate", tags=["auth", "garden"])


@garden.api_route("/bed", methods=["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"], include_in_schema=False)
async def bed(who: Who) -> dict[str, object]:
    return {"account": str(who.account_id), "supervisor": who.is_supervisor, "key": str(who.key_id)}


@shed.get("/untagged")
async def untagged(who: Who) -> None: ...


@gate.get("/lock")
async def lock(who: Who) -> None: ...


class Garden(Module):
    name: ClassVar[str] = "garden"

    def routes(self) -> Sequence[APIRouter]:
        return (garden, shed, gate)


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(house, [Accounts(), Garden()])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        yield client


async def make(api: httpx.AsyncClient, person: Person, *permissions: str, **more: Any) -> dict[str, Any]:
    body = {"name": "a robot", "permissions": permissions or ("garden:read",), **more}
    answer = await api.post(KEYS, json=body, headers=bearer(person.access_token))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def bed_of(api: httpx.AsyncClient, key: str, method: str = "GET") -> httpx.Response:
    return await api.request(method, "/api/v1/garden/bed", headers=bearer(key))


def code(response: httpx.Response) -> str:
    return str(response.json()["code"])


async def forget(house: House, person: Person) -> None:
    """Be another process, which saw nothing of this person."""
    (await house.resource(desk.open_desk)).forget_account(person.id)


async def test_a_key_acts_as_its_owner_and_is_shown_once(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    made = await make(api, person)
    answer = await bed_of(api, made["key"])
    assert answer.json() == {"account": str(person.id), "supervisor": False, "key": made["id"]}
    listed = await api.get(KEYS, headers=bearer(person.access_token))
    assert [one["id"] for one in listed.json()["items"]] == [made["id"]]
    assert made["key"] not in listed.text
    assert made["key"].startswith(listed.json()["items"][0]["prefix"])
    async with house.db.transaction() as tx:
        stored = [str(row) for row in await tx.execute(text('TABLE "user".api_keys'))]
        noted = [str(row) for row in await tx.execute(text("TABLE supervisor.audit"))]
    assert not [row for row in stored + noted if made["key"] in row or made["key"].removeprefix("mk_") in row]


@pytest.mark.parametrize(
    ("granted", "passing"),
    [("garden:read", {"GET", "HEAD"}), ("garden:write", {"POST", "PUT", "DELETE", "PATCH"})],
)
async def test_key_scope_escape_by_method(granted: str, passing: set[str], api: httpx.AsyncClient, join: Join) -> None:
    key = (await make(api, await join(), granted))["key"]
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"):
        answer = await bed_of(api, key, method)
        assert answer.status_code == (200 if method in passing else 403), method
    sneaky = {**bearer(key), "X-HTTP-Method-Override": "GET"}
    answer = await api.post("/api/v1/garden/bed", headers=sneaky)
    assert answer.status_code == (200 if "POST" in passing else 403)


async def test_key_scope_escape_to_other_routes(api: httpx.AsyncClient, join: Join) -> None:
    """The first tag decides; a route without one, and whatever is about signing in, is for people only."""
    key = (await make(api, await join(), "garden:read", "garden:write"))["key"]
    for path in ("/shed/untagged", "/gate/lock", "/auth/me", "/users/me/preferences", "/users/me/keys", "/users/"):
        answer = await api.get(f"/api/v1{path}", headers=bearer(key))
        assert (answer.status_code, code(answer)) == (403, "key_not_allowed"), path


async def test_no_key_reaches_any_route_of_accounts(api: httpx.AsyncClient, house: House, join: Join) -> None:
    """Even a key whose row says so, as after a restored backup or a mistake of ours, reaches no door to an account."""
    person = await join()
    made = await make(api, person)
    granted = [f"{tag}:{way}" for tag in ("auth", "users", "garden") for way in ("read", "write")]
    async with house.db.transaction() as tx:
        await tx.execute(update(ApiKeyRow).values(permissions=granted).where(ApiKeyRow.id == UUID(made["id"])))
    described = (await api.get("/api/v1/openapi.json")).json()["paths"]
    closed = [
        (method, path.format(**dict.fromkeys(_names(path), str(new_id()))))
        for path, operations in described.items()
        for method, operation in operations.items()
        if "security" in operation and not path.startswith("/api/v1/garden")
    ]
    assert len(closed) > 10
    for method, path in closed:
        answer = await api.request(method, path, headers=bearer(made["key"]), json={})
        assert (answer.status_code, code(answer)) == (403, "key_not_allowed"), path


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


@pytest.mark.parametrize("wanted", ["auth:write", "users:read", "garden:admin", "garden", "*", "supervisor", "\x00"])
async def test_what_cannot_be_granted(wanted: str, api: httpx.AsyncClient, join: Join) -> None:
    body = {"name": "x", "permissions": ["garden:read", wanted]}
    answer = await api.post(KEYS, json=body, headers=bearer((await join()).access_token))
    assert (answer.status_code, code(answer)) == (422, "permission_unknown")


async def test_the_permissions_are_those_of_the_routes(api: httpx.AsyncClient, join: Join) -> None:
    plain, boss = await join(), await join(supervisor=True)
    told = await api.get(f"{KEYS}/permissions", headers=bearer(plain.access_token))
    assert told.json() == {"permissions": ["garden:read", "garden:write"]}
    told = await api.get(f"{KEYS}/permissions", headers=bearer(boss.access_token))
    assert told.json() == {"permissions": ["garden:read", "garden:write", SUPERVISING]}


async def test_a_supervisors_key_is_a_plain_users_unless_it_says_so(
    api: httpx.AsyncClient, house: House, join: Join
) -> None:
    boss = await join(supervisor=True)
    plain, powerful = await make(api, boss), await make(api, boss, "garden:read", SUPERVISING)
    assert (await bed_of(api, plain["key"])).json()["supervisor"] is False
    assert (await bed_of(api, powerful["key"])).json()["supervisor"] is True
    async with house.db.transaction() as tx:
        await tx.execute(update(AccountRow).values(is_supervisor=False).where(AccountRow.id == boss.id))
    await forget(house, boss)
    assert (await bed_of(api, powerful["key"])).json()["supervisor"] is False


async def test_row_level_security_knows_no_supervisor_behind_a_plain_key(house: House, join: Join) -> None:
    boss, _ = await join(supervisor=True), await join()
    asked = text("SELECT supervisor.is_supervisor()")
    plain = Principal(boss.id, key_id=new_id(), allowed=frozenset({"garden:read"}))
    for who, told in ((plain, False), (replace(plain, is_supervisor=True), True), (Principal(boss.id), True)):
        async with house.db.transaction(who) as tx:
            assert await tx.scalar(asked) is told
            seen = await tx.scalar(select(func.count()).select_from(AccountRow))
            assert ((seen or 0) > 1) is told


async def test_key_after_its_end(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    made = await make(api, person)
    assert (await bed_of(api, made["key"])).status_code == 200
    ended = await api.delete(f"{KEYS}/{made['id']}", headers=bearer(person.access_token))
    assert ended.status_code == 204
    assert code(await bed_of(api, made["key"])) == "key_invalid"
    assert (await api.delete(f"{KEYS}/{made['id']}", headers=bearer(person.access_token))).status_code == 404


@pytest.mark.parametrize("way", ["disable", "delete"])
async def test_key_after_disable_and_delete(way: str, api: httpx.AsyncClient, join: Join) -> None:
    person, boss = await join(), await join(supervisor=True)
    made = await make(api, person)
    assert (await bed_of(api, made["key"])).status_code == 200
    path, headers = f"/api/v1/users/{person.id}", bearer(boss.access_token)
    if way == "disable":
        await api.put(path, json={"name": "x", "is_disabled": True}, headers=headers)
        assert code(await bed_of(api, made["key"])) == "key_invalid"
        await api.put(path, json={"name": "x", "is_disabled": False}, headers=headers)
    else:
        assert (await api.delete(path, headers=headers)).status_code == 204
    assert code(await bed_of(api, made["key"])) == "key_invalid"


async def test_expired_key(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    made = await make(api, person, expires_in_days=1)
    assert (await bed_of(api, made["key"])).status_code == 200
    async with house.db.transaction() as tx:
        past = now() - timedelta(milliseconds=1)
        await tx.execute(update(ApiKeyRow).values(expires_at=past).where(ApiKeyRow.id == UUID(made["id"])))
    await forget(house, person)
    assert code(await bed_of(api, made["key"])) == "key_invalid"


def test_nothing_is_remembered_for_longer_than_it_is_good() -> None:
    seen: desk.Remembered[str] = desk.Remembered()
    seen.keep("a key", Principal(new_id()), seconds=0)
    assert seen.get("a key") is None
    seen.keep("another", Principal(new_id()), seconds=1000)
    assert seen.get("another") is not None


async def test_another_persons_key_is_not_there(api: httpx.AsyncClient, join: Join) -> None:
    mine, other = await join(), await join(supervisor=True)
    made = await make(api, mine)
    answer = await api.delete(f"{KEYS}/{made['id']}", headers=bearer(other.access_token))
    assert (answer.status_code, code(answer)) == (404, "key_not_found")
    assert (await api.get(KEYS, headers=bearer(other.access_token))).json()["items"] == []
    assert (await bed_of(api, made["key"])).status_code == 200


@pytest.mark.parametrize(
    "garbage", ["mk_", "mk_" + "A" * 43, "mk_" + "A" * 5000, "mk_\x00", "mk_" + "가" * 43, "mk_\udc80"]
)
async def test_garbage_keys(garbage: str, house: House) -> None:
    with pytest.raises(Problem) as caught:
        await desk.authenticate(house, garbage)
    assert caught.value.code == "key_invalid"


async def test_timing_safe_comparison(api: httpx.AsyncClient, house: House, join: Join) -> None:
    """What is compared is a hash, so a key that begins rightly is no nearer than any other."""
    made = await make(api, await join())
    near = made["key"][:-1] + ("A" if made["key"][-1] != "A" else "B")
    with pytest.raises(Problem):
        await desk.authenticate(house, near)
    distance = sum(a != b for a, b in zip(keys.digest(near), keys.digest(made["key"]), strict=True))
    assert distance > 16


async def test_the_last_use_is_noted_once_a_minute_and_beside_the_request(
    api: httpx.AsyncClient, house: House, join: Join
) -> None:
    person = await join()
    made = await make(api, person)

    async def used() -> Any:
        async with house.db.transaction() as tx:
            return await tx.scalar(select(ApiKeyRow.last_used_at).where(ApiKeyRow.id == UUID(made["id"])))

    assert await used() is None
    await bed_of(api, made["key"])
    reception = await house.resource(desk.open_desk)
    await reception.close()
    first = await used()
    assert first is not None
    for _ in range(3):
        await forget(house, person)
        await asyncio.gather(*(bed_of(api, made["key"]) for _ in range(5)))
    await reception.close()
    assert await used() == first


async def test_at_most_fifty_keys_however_many_at_once(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    body = {"name": "x", "permissions": ["garden:read"]}
    headers = bearer(person.access_token)
    answers = await asyncio.gather(*(api.post(KEYS, json=body, headers=headers) for _ in range(keys.MOST + 5)))
    assert sorted(answer.status_code for answer in answers) == [201] * keys.MOST + [409] * 5


async def test_row_level_security_hides_keys_from_other_accounts(
    api: httpx.AsyncClient, house: House, join: Join
) -> None:
    mine, other = await join(), await join()
    await make(api, mine)
    async with house.db.transaction(Principal(other.id)) as tx:
        assert await tx.scalar(select(func.count()).select_from(ApiKeyRow)) == 0
    async with house.db.transaction(Principal(mine.id)) as tx:
        assert await tx.scalar(select(func.count()).select_from(ApiKeyRow)) == 1


async def test_making_and_ending_is_in_the_audit_log(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    made = await make(api, person)
    await api.delete(f"{KEYS}/{made['id']}", headers=bearer(person.access_token))
    async with house.db.transaction() as tx:
        query = select(AuditRow.action).where(AuditRow.target_id == UUID(made["id"])).order_by(AuditRow.id)
        assert list(await tx.scalars(query)) == ["accounts.key_created", "accounts.key_ended"]


async def test_a_request_with_a_key_costs_little(api: httpx.AsyncClient, house: House, join: Join) -> None:
    key = (await make(api, await join()))["key"]
    await desk.authenticate(house, key)
    began = time.process_time()
    for _ in range(500):
        await desk.authenticate(house, key)
    assert (time.process_time() - began) / 500 < 0.001
