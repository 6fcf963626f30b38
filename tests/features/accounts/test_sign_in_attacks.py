"""Attacks on signing in over HTTP, each by its name, against a whole api with its database and Valkey."""

import asyncio
import statistics
import time
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, text

from madang.features.accounts import jobs, settings
from madang.features.accounts.service import desk, signing_in, tokens
from madang.features.accounts.tables import LoginRow
from madang.kernel.clock import now
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.accounts.conftest import PASSWORD, Join, bearer

REFRESH = "/api/v1/auth/refresh"


async def sign_in(api: httpx.AsyncClient, email: str, **more: str) -> httpx.Response:
    return await api.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD} | more)


def code(response: httpx.Response) -> str:
    return str(response.json()["code"])


async def me(api: httpx.AsyncClient, token: str) -> httpx.Response:
    return await api.get("/api/v1/auth/me", headers=bearer(token))


async def test_missing_token(api: httpx.AsyncClient) -> None:
    response = await api.get("/api/v1/auth/me")
    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer a.b.c", "bearer null"])
async def test_malformed_authorization(header: str, api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1/auth/me", headers={"Authorization": header})).status_code == 401


async def test_expired_token(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    keys = (await house.resource(desk.open_desk)).keys
    claims = tokens.read_access_token(keys, person.access_token)
    response = await me(api, tokens.make_access_token(keys, claims, timedelta(minutes=-1)))
    assert (response.status_code, code(response)) == (401, "token_expired")


async def test_forged_token_for_another_account(api: httpx.AsyncClient, house: House, join: Join) -> None:
    """Even our own signature does not join one person's sign-in to another's account."""
    mine, other = await join(), await join()
    keys = (await house.resource(desk.open_desk)).keys
    mixed = tokens.AccessClaims(other.id, tokens.read_access_token(keys, mine.access_token).login_id)
    assert code(await me(api, tokens.make_access_token(keys, mixed, timedelta(minutes=1)))) == "token_invalid"
    unknown = tokens.AccessClaims(mine.id, new_id())
    assert code(await me(api, tokens.make_access_token(keys, unknown, timedelta(minutes=1)))) == "signed_out"


async def test_refresh_replay_ends_the_sign_in_for_both(
    api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_in, "GRACE", timedelta(0))
    person = await join()
    stolen = person.refresh_token
    fresh = (await api.post(REFRESH, json={"refresh_token": stolen})).json()
    replayed = await api.post(REFRESH, json={"refresh_token": stolen})
    assert (replayed.status_code, code(replayed)) == (401, "refresh_invalid")
    assert (await api.post(REFRESH, json={"refresh_token": fresh["refresh_token"]})).status_code == 401
    assert code(await me(api, fresh["access_token"])) == "signed_out"


async def test_refresh_with_a_made_up_token_ends_nothing(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    keys = (await house.resource(desk.open_desk)).keys
    login = tokens.read_access_token(keys, person.access_token).login_id
    made_up = tokens.make_refresh_token(tokens.derive_keys("x" * 40), login, 1, b"guess")
    assert (await api.post(REFRESH, json={"refresh_token": made_up})).status_code == 401
    assert (await api.post(REFRESH, json={"refresh_token": person.refresh_token})).status_code == 200


async def test_a_lost_answer_and_two_tabs_get_the_same_successor(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    same = {"refresh_token": person.refresh_token}
    answers = await asyncio.gather(*(api.post(REFRESH, json=same) for _ in range(8)))
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len(successors) == 1
    assert person.refresh_token not in successors


async def test_tabs_that_wake_up_one_after_the_other_end_nothing(api: httpx.AsyncClient, join: Join) -> None:
    """A browser opens ten tabs anew: the cookie is another by the time that some of their requests come through."""
    person = await join()
    late = {"refresh_token": person.refresh_token}
    for _ in range(5):
        held = [(await api.post(REFRESH, json=late)).json()["refresh_token"]]
        for _ in range(3):
            held.append((await api.post(REFRESH, json={"refresh_token": held[-1]})).json()["refresh_token"])
        answers = await asyncio.gather(*(api.post(REFRESH, json={"refresh_token": one}) for one in held))
        assert [answer.status_code for answer in answers] == [200] * 4
    assert (await me(api, answers[0].json()["access_token"])).status_code == 200


async def test_a_copied_refresh_token_is_found_out_after_the_grace_whoever_was_first(
    api: httpx.AsyncClient, house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who hold the same token within the grace go on as one, until the first of them steps on."""
    person = await join()
    both = (await api.post(REFRESH, json={"refresh_token": person.refresh_token})).json()["refresh_token"]
    assert (await api.post(REFRESH, json={"refresh_token": both})).json()["refresh_token"] == both
    monkeypatch.setattr(signing_in, "GRACE", timedelta(0))
    stepped = (await api.post(REFRESH, json={"refresh_token": both})).json()["refresh_token"]
    assert stepped != both
    assert (await api.post(REFRESH, json={"refresh_token": both})).status_code == 401
    assert (await api.post(REFRESH, json={"refresh_token": stepped})).status_code == 401


async def test_a_sign_in_that_rested_too_long_has_ended(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    async with house.db.transaction() as tx:
        login = await tx.scalar(select(LoginRow).where(LoginRow.account_id == person.id))
        assert login is not None
        login.expires_at = now() - timedelta(seconds=1)
    assert (await api.post(REFRESH, json={"refresh_token": person.refresh_token})).status_code == 401


async def test_session_fixation(api: httpx.AsyncClient, join: Join) -> None:
    """A sign-in never continues what the client brought along."""
    attacker, victim = await join(), await join()
    api.cookies.set("madang_refresh", attacker.refresh_token, path="/api/v1/auth")
    answer = await sign_in(api, victim.email, session="cookie")
    assert answer.cookies["madang_refresh"] != attacker.refresh_token
    assert answer.json()["user"]["id"] == str(victim.id)
    kept = await api.post(REFRESH, json={"refresh_token": attacker.refresh_token})
    assert kept.json()["user"]["id"] == str(attacker.id)


async def test_the_cookie_is_out_of_reach(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    answer = await sign_in(api, person.email, session="cookie")
    cookie = answer.headers["set-cookie"].lower()
    assert answer.json()["refresh_token"] is None
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/api/v1/auth"))
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["refresh", "logout"])
async def test_csrf_on_the_cookie(path: str, headers: dict[str, str], api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    await sign_in(api, person.email, session="cookie")
    response = await api.post(f"/api/v1/auth/{path}", headers=headers)
    assert (response.status_code, code(response)) == (403, "cross_site")
    assert (await api.post(REFRESH, headers={"Sec-Fetch-Site": "same-origin"})).status_code == 200


async def test_csrf_sign_in_as_somebody_else(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    body = {"email": person.email, "password": PASSWORD, "session": "cookie"}
    response = await api.post("/api/v1/auth/login", json=body, headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403


async def test_the_cookie_continues_and_ends(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    await sign_in(api, person.email, session="cookie")
    before = api.cookies["madang_refresh"]
    renewed = await api.post(REFRESH)
    assert renewed.json()["refresh_token"] is None
    assert api.cookies["madang_refresh"] != before
    assert (await api.post("/api/v1/auth/logout")).status_code == 204
    assert "madang_refresh" not in api.cookies
    assert code(await api.post(REFRESH)) == "refresh_missing"
    assert code(await me(api, renewed.json()["access_token"])) == "signed_out"


async def test_signing_out_twice_is_fine(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    for _ in range(2):
        response = await api.post("/api/v1/auth/logout", json={"refresh_token": person.refresh_token})
        assert response.status_code == 204
    assert (await api.post("/api/v1/auth/logout", json={"refresh_token": "garbage"})).status_code == 204


async def test_timing_does_not_tell_unknown_addresses(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()

    async def seconds(email: str) -> float:
        """Of work, in all threads: what a busy machine lets one wait is left out."""
        began = time.process_time()
        body = {"email": email, "password": "not the courtyard"}
        assert code(await api.post("/api/v1/auth/login", json=body)) == "invalid_credentials"
        return time.process_time() - began

    pairs = [(await seconds(person.email), await seconds(f"nobody{number}@example.org")) for number in range(9)]
    known, unknown = zip(*pairs, strict=True)
    ratio = statistics.median(known) / statistics.median(unknown)
    assert 0.5 < ratio < 2


async def test_guessing_is_slowed_down(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    limit = settings.load().sign_in_attempts
    guesses = [
        api.post("/api/v1/auth/login", json={"email": person.email.upper(), "password": f"guess number {number}"})
        for number in range(limit + 6)
    ]
    answers = await asyncio.gather(*guesses)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) == 6
    assert all(0 < int(answer.headers["retry-after"]) <= 900 for answer in refused)
    assert code(await sign_in(api, person.email)) == "too_many_attempts"


async def test_guessing_does_not_lock_others_out(api: httpx.AsyncClient, house: House, join: Join) -> None:
    """Somebody who guesses from elsewhere does not keep the owner from signing in."""
    person = await join()
    for number in range(settings.load().sign_in_attempts + 1):
        await api.post("/api/v1/auth/login", json={"email": person.email, "password": f"guess number {number}"})
    elsewhere = signing_in.Device("203.0.113.9", "the owner's browser")
    assert (await signing_in.sign_in(house, person.email, PASSWORD, elsewhere)).account.id == person.id


async def test_signing_in_well_is_never_slowed_down(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    for _ in range(settings.load().sign_in_attempts + 2):
        assert (await sign_in(api, person.email)).status_code == 200


async def test_what_is_stored_signs_nobody_in(house: House, join: Join) -> None:
    """Neither password nor token is in the database, in any table of accounts."""
    person = await join()
    async with house.db.transaction() as tx:
        rows = [str(row) for table in ("accounts", "logins") for row in await tx.execute(text(f'TABLE "user".{table}'))]
    assert not [row for row in rows if PASSWORD in row or person.refresh_token in row or person.access_token in row]


async def test_an_authenticated_request_costs_little(house: House, join: Join) -> None:
    person = await join()
    await desk.authenticate(house, person.access_token)
    began = time.process_time()
    for _ in range(500):
        await desk.authenticate(house, person.access_token)
    assert (time.process_time() - began) / 500 < 0.001


async def test_old_sign_ins_are_forgotten_and_standing_ones_are_not(house: House, join: Join) -> None:
    old, standing = await join(), await join()
    async with house.db.transaction() as tx:
        login = await tx.scalar(select(LoginRow).where(LoginRow.account_id == old.id))
        assert login is not None
        login.ended_at = now() - signing_in.REMEMBERED - timedelta(seconds=1)
    await jobs.tidy(house)
    async with house.db.transaction() as tx:
        left = set(await tx.scalars(select(LoginRow.account_id)))
    assert standing.id in left
    assert old.id not in left


async def test_over_tls_the_cookie_never_travels_without(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    body = {"email": person.email, "password": PASSWORD, "session": "cookie"}
    answer = await api.post("https://madang.test/api/v1/auth/login", json=body)
    assert "; secure" in answer.headers["set-cookie"].lower()
