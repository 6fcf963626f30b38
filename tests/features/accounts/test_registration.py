"""Who may register, who is first, and what supervisors do with people."""

import asyncio
from collections import Counter
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from madang.features.accounts import settings
from madang.features.accounts.service import desk
from madang.kernel.house import House
from tests.conftest import SETUP_TOKEN
from tests.features.accounts.conftest import PASSWORD, Join, bearer, only

REGISTER = "/api/v1/auth/register"
INVITES = "/api/v1/auth/invites"


def applicant(number: int = 0, **more: object) -> dict[str, object]:
    email = f"person{number}-{uuid4().hex[:8]}@example.org"
    return {"email": email, "password": PASSWORD, "name": f"Person {number}", "setup_token": SETUP_TOKEN} | more


def registration(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, registration=mode)


@pytest.mark.parametrize("token", [None, "a guess", SETUP_TOKEN + " "])
async def test_the_first_account_without_the_setup_token_is_refused(
    token: str | None, empty: None, api: httpx.AsyncClient
) -> None:
    refused = await api.post(REGISTER, json=applicant(setup_token=token))
    assert (refused.status_code, refused.json()["code"]) == (403, "setup_token_wrong")
    assert (await api.get("/api/v1/auth/setup")).json()["first_run"]


async def test_first_run(empty: None, api: httpx.AsyncClient) -> None:
    setup = (await api.get("/api/v1/auth/setup")).json()
    assert (setup["first_run"], setup["registration"]) == (True, "invite")
    made = await api.post(REGISTER, json=applicant())
    assert (made.status_code, made.json()["role"]) == (201, "supervisor")
    setup = (await api.get("/api/v1/auth/setup")).json()
    assert (setup["first_run"], setup["registration"]) == (False, "invite")


@pytest.mark.parametrize("mode", ["open", "invite", "closed"])
async def test_first_supervisor_race(
    mode: str, empty: None, api: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    registration(mode, monkeypatch)
    answers = await asyncio.gather(*(api.post(REGISTER, json=applicant(number)) for number in range(50)))
    made = [answer.json()["role"] for answer in answers if answer.status_code == 201]
    assert Counter(made)["supervisor"] == 1
    assert len(made) == (50 if mode == "open" else 1)
    async with house.db.transaction() as tx:
        assert await tx.scalar(text('SELECT count(*) FROM "user".accounts WHERE is_supervisor')) == 1


async def test_one_address_registers_once(empty: None, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    registration("open", monkeypatch)
    same = applicant()
    answers = await asyncio.gather(*(api.post(REGISTER, json=same) for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}


async def test_closed(empty: None, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.post(REGISTER, json=applicant())
    registration("closed", monkeypatch)
    for number in (0, 1):
        refused = await api.post(REGISTER, json=applicant(number))
        assert (refused.status_code, refused.json()["code"]) == (403, "registration_closed")


async def test_by_invite(api: httpx.AsyncClient, join: Join) -> None:
    boss = await join(supervisor=True)
    made = await api.post(INVITES, json={"max_uses": 3, "note": "the team"}, headers=bearer(boss.access_token))
    invite = made.json()
    assert made.status_code == 201
    answers = await asyncio.gather(
        *(api.post(REGISTER, json=applicant(number, invite_code=invite["code"])) for number in range(12))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 3, 403: 9}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 403} == {"invite_invalid"}
    listed = (await api.get(INVITES, headers=bearer(boss.access_token))).json()["items"]
    assert [(one["used_count"], one["note"]) for one in listed if one["id"] == invite["id"]] == [(3, "the team")]
    assert "code" not in listed[0]


async def test_invited_people_only_learn_of_taken_addresses(api: httpx.AsyncClient, join: Join) -> None:
    """Without an invite a taken address and a free one get the same answer."""
    person = await join()
    for email in (person.email, f"{uuid4()}@example.org"):
        refused = await api.post(REGISTER, json=applicant(email=email))
        assert refused.json()["code"] == "invite_required"
        refused = await api.post(REGISTER, json=applicant(email=email, invite_code="wrong"))
        assert refused.json()["code"] == "invite_invalid"


async def test_a_taken_address_does_not_use_the_invite_up(api: httpx.AsyncClient, join: Join) -> None:
    boss, person = await join(supervisor=True), await join()
    headers = bearer(boss.access_token)
    invite = (await api.post(INVITES, json={}, headers=headers)).json()
    taken = await api.post(REGISTER, json=applicant(email=person.email, invite_code=invite["code"]))
    assert taken.json()["code"] == "email_taken"
    fresh = await api.post(REGISTER, json=applicant(email=f"{uuid4()}@example.org", invite_code=invite["code"]))
    assert fresh.status_code == 201


async def test_a_withdrawn_invite_is_no_good(api: httpx.AsyncClient, join: Join) -> None:
    headers = bearer((await join(supervisor=True)).access_token)
    invite = (await api.post(INVITES, json={}, headers=headers)).json()
    assert (await api.delete(f"{INVITES}/{invite['id']}", headers=headers)).status_code == 204
    assert (await api.delete(f"{INVITES}/{invite['id']}", headers=headers)).status_code == 404
    refused = await api.post(REGISTER, json=applicant(7, invite_code=invite["code"]))
    assert refused.json()["code"] == "invite_invalid"


async def test_only_supervisors_see_people_and_invites(api: httpx.AsyncClient, join: Join) -> None:
    person, stranger = await join(), await join()
    headers = bearer(person.access_token)
    for path in ("/api/v1/users/", INVITES):
        refused = await api.get(path, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "supervisor_only")
    assert (await api.post(INVITES, json={}, headers=headers)).status_code == 403
    path = f"/api/v1/users/{stranger.id}"
    assert (await api.get(path, headers=headers)).status_code == 404
    assert (await api.put(path, json={"name": "Mine"}, headers=headers)).status_code == 404
    assert (await api.delete(path, headers=headers)).status_code == 404
    own = await api.put(f"/api/v1/users/{person.id}", json={"name": "Me", "is_disabled": True}, headers=headers)
    assert own.json()["code"] == "supervisor_only"


async def test_people_are_listed_page_by_page(api: httpx.AsyncClient, join: Join) -> None:
    boss = await join(supervisor=True)
    mark = uuid4().hex
    made = [await join(name=f"{mark} {number}") for number in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"q": mark.upper(), "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/api/v1/users/", params=query, headers=bearer(boss.access_token))).json()
        seen += [user["id"] for user in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(person.id) for person in reversed(made)]


async def test_disabling_signs_out_at_once(api: httpx.AsyncClient, join: Join) -> None:
    boss, person = await join(supervisor=True), await join()
    path, headers = f"/api/v1/users/{person.id}", bearer(boss.access_token)
    body = {"name": "Out", "is_disabled": True}
    assert (await api.put(path, json=body, headers=headers)).json()["is_disabled"] is True
    assert (await api.get("/api/v1/auth/me", headers=bearer(person.access_token))).json()["code"] == "signed_out"
    assert (await api.post("/api/v1/auth/refresh", json={"refresh_token": person.refresh_token})).status_code == 401
    again = await api.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (403, "account_disabled")
    await api.put(path, json={"name": "In", "is_disabled": False}, headers=headers)
    again = await api.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert again.status_code == 200


async def test_the_last_supervisor_stays(empty: None, api: httpx.AsyncClient, join: Join) -> None:
    first, second = await join(supervisor=True), await join(supervisor=True)
    paths = [f"/api/v1/users/{first.id}", f"/api/v1/users/{second.id}"]
    answers = await asyncio.gather(
        api.delete(paths[1], headers=bearer(first.access_token)),
        api.delete(paths[0], headers=bearer(second.access_token)),
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 204
    assert statuses[1] in {401, 404, 409}


async def test_preferences_are_kept(api: httpx.AsyncClient, join: Join) -> None:
    headers = bearer((await join()).access_token)
    path = "/api/v1/users/me/preferences"
    assert (await api.get(path, headers=headers)).json() == {"language": None, "theme": "system", "model": None}
    wanted = {"language": "ko", "theme": "dark", "model": "openai/gpt-5"}
    assert (await api.put(path, json=wanted, headers=headers)).json() == wanted
    assert (await api.get(path, headers=headers)).json() == wanted
    assert (await api.put(path, json={"theme": "mauve"}, headers=headers)).status_code == 422


async def test_weaker_hashes_are_renewed_at_sign_in(
    api: httpx.AsyncClient, house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    query = text('SELECT password_hash FROM "user".accounts WHERE id = :id')
    async with house.db.transaction() as tx:
        before = await tx.scalar(query, {"id": person.id})
    stronger = desk.Hashing(settings.load().password_hash_memory_kib * 2, 1, 1)
    monkeypatch.setattr(await house.resource(desk.open_desk), "hashing", stronger)
    for _ in range(2):
        answer = await api.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})
        assert answer.status_code == 200
    async with house.db.transaction() as tx:
        after = await tx.scalar(query, {"id": person.id})
    assert before != after
