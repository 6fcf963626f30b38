"""Supervisors and other people's ways in: who supervises, sign-ins, second factors, forgotten passwords."""

import asyncio

import httpx
import pytest
from sqlalchemy import text

from madang.features.accounts.access import account_for
from madang.features.accounts.contracts import WRITE
from madang.kernel.auth import Principal
from madang.kernel.house import House
from tests.features.accounts.conftest import PASSWORD, Join, Person, bearer
from tests.features.accounts.guarding import Protected


async def call(
    api: httpx.AsyncClient, who: Person, method: str, whom: Person, path: str, **body: object
) -> httpx.Response:
    url = f"/api/v1/users/{whom.id}/{path}"
    return await api.request(method, url, json=body or None, headers=bearer(who.access_token))


async def make(api: httpx.AsyncClient, who: Person, whom: Person, role: str, password: str = PASSWORD):
    return await call(api, who, "PUT", whom, "role", role=role, password=password)


async def deeds(house: House, whom: Person) -> list[tuple[str, str]]:
    """What was written down about somebody, and by whom."""
    query = text(
        "SELECT action, actor_id FROM supervisor.audit WHERE target_id = :id AND actor_id IS NOT NULL"
        " AND actor_id <> target_id ORDER BY id"
    )
    async with house.db.transaction() as tx:
        return [(row.action, str(row.actor_id)) for row in await tx.execute(query, {"id": whom.id})]


async def supervisors(house: House) -> int:
    async with house.db.transaction() as tx:
        return await tx.scalar(text('SELECT count(*) FROM "user".accounts WHERE is_supervisor')) or 0


async def test_a_supervisor_makes_another_and_takes_it_back(api, join: Join, house: House):
    boss, person = await join(supervisor=True), await join()
    assert (await api.get("/api/v1/users/", headers=bearer(person.access_token))).status_code == 403
    made = await make(api, boss, person, "supervisor")
    assert (made.status_code, made.json()["role"]) == (200, "supervisor")
    assert (await make(api, boss, person, "supervisor")).status_code == 200, "twice is no harm"
    assert (await api.get("/api/v1/users/", headers=bearer(person.access_token))).status_code == 200, "at once"
    assert (await make(api, boss, person, "user")).json()["role"] == "user"
    assert (await api.get("/api/v1/users/", headers=bearer(person.access_token))).status_code == 403, "at once"
    names = ["accounts.supervisor_granted", "accounts.supervisor_revoked"]
    assert await deeds(house, person) == [(name, str(boss.id)) for name in names]


@pytest.mark.parametrize(("password", "code"), [(None, "password_needed"), ("a wrong one 11", "password_wrong")])
@pytest.mark.parametrize(
    ("method", "path", "body"), [("PUT", "role", {"role": "supervisor"}), ("DELETE", "second-factors", {})]
)
async def test_an_open_screen_does_nothing_grave(api, join: Join, house: House, password, code, method, path, body):
    boss, person = await join(supervisor=True), await join()
    given = body if password is None else {**body, "password": password}
    refused = await call(api, boss, method, person, path, **given)
    assert (refused.status_code, refused.json()["code"]) == (403, code)
    assert await deeds(house, person) == []


@pytest.mark.usefixtures("empty")
async def test_the_last_supervisor_stays_one(api, join: Join, house: House):
    boss = await join(supervisor=True)
    refused = await make(api, boss, boss, "user")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_supervisor")
    other = await join(supervisor=True)
    assert (await make(api, boss, boss, "user")).status_code == 200, "there is another now"
    assert (await make(api, other, other, "user")).json()["code"] == "last_supervisor"
    assert await supervisors(house) == 1


@pytest.mark.usefixtures("empty")
async def test_supervisors_who_unmake_each_other_at_the_same_time_leave_one(api, join: Join, house: House):
    people = [await join(supervisor=True) for _ in range(4)]
    turns = [make(api, who, whom, "user") for who in people for whom in people if who is not whom]
    answers = await asyncio.gather(*turns)
    assert {answer.status_code for answer in answers} <= {200, 401, 403, 409}
    assert await supervisors(house) >= 1


async def test_who_cannot_come_in_is_not_made_a_supervisor(api, join: Join):
    boss, disabled, leaver = await join(supervisor=True), await join(), await join()
    await api.put(
        f"/api/v1/users/{disabled.id}", json={"name": "", "is_disabled": True}, headers=bearer(boss.access_token)
    )
    await api.delete(f"/api/v1/users/{leaver.id}", headers=bearer(boss.access_token))
    for one in (disabled, leaver):
        assert (await make(api, boss, one, "supervisor")).json()["code"] == "account_unusable"


async def test_a_supervisor_ends_all_sign_ins_of_somebody(api, join: Join, house: House):
    boss, person = await join(supervisor=True), await join()
    assert (await api.get("/api/v1/auth/me", headers=bearer(person.access_token))).status_code == 200
    assert (await call(api, boss, "DELETE", person, "sessions")).status_code == 204
    assert (await api.get("/api/v1/auth/me", headers=bearer(person.access_token))).json()["code"] == "signed_out"
    again = await api.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert again.status_code == 200, "the password stays"
    assert await deeds(house, person) == [("accounts.devices_ended", str(boss.id))]


async def test_a_supervisor_lets_somebody_in_who_lost_every_second_factor(
    api, join: Join, guarded: Protected, house: House
):
    boss, who = await join(supervisor=True), guarded.person
    credentials = {"email": who.email, "password": PASSWORD}
    assert (await api.post("/api/v1/auth/login", json=credentials)).json()["code"] == "second_factor_required"
    done = await call(api, boss, "DELETE", who, "second-factors", password=PASSWORD)
    assert done.status_code == 204
    assert (await api.get("/api/v1/auth/me", headers=bearer(who.access_token))).json()["code"] == "signed_out"
    assert (await api.post("/api/v1/auth/login", json=credentials)).status_code == 200
    assert await deeds(house, who) == [("accounts.second_factors_reset", str(boss.id))]


async def test_without_mail_a_supervisor_is_told_what_else_helps(api, join: Join, house: House):
    boss, person = await join(supervisor=True), await join()
    refused = await call(api, boss, "POST", person, "password-letter")
    assert (refused.status_code, refused.json()["code"]) == (409, "mail_not_set_up")
    assert "madang admin reset-password" in refused.json()["detail"]
    assert await deeds(house, person) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "role", {"role": "supervisor", "password": PASSWORD}),
        ("DELETE", "sessions", {}),
        ("DELETE", "second-factors", {"password": PASSWORD}),
        ("POST", "password-letter", {}),
    ],
)
async def test_nobody_else_does_any_of_it_not_even_to_themselves(api, join: Join, house: House, method, path, body):
    mallory, victim = await join(), await join()
    for whom in (victim, mallory):
        refused = await call(api, mallory, method, whom, path, **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "supervisor_only")
        assert await deeds(house, whom) == []
    async with house.db.transaction() as tx:
        assert not (await account_for(tx, Principal(mallory.id), mallory.id)).is_supervisor
        query = text("SELECT count(*) FROM supervisor.outbox WHERE name = :name AND payload->>'email' = :email")
        assert await tx.scalar(query, {"name": WRITE.name, "email": victim.email}) == 0
