"""Own devices: what is listed, what ends, and that a password's change ends the others."""

from uuid import uuid4

import httpx
import pytest

from madang.features.accounts import settings
from tests.features.accounts.conftest import PASSWORD, Join, bearer

SESSIONS = "/api/v1/auth/sessions/"
CHANGE = "/api/v1/users/me/password"
NEW = "another courtyard 8"


async def again(api: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await api.post("/api/v1/auth/login", json={"email": email, "password": password})


async def status(api: httpx.AsyncClient, token: str) -> int:
    return (await api.get("/api/v1/auth/me", headers=bearer(token))).status_code


async def test_only_ones_own_devices_are_listed(api: httpx.AsyncClient, join: Join) -> None:
    person, _stranger = await join(), await join()
    await again(api, person.email)
    found = (await api.get(SESSIONS, headers=bearer(person.access_token))).json()["items"]
    assert [one["is_current"] for one in found] == [False, True]
    assert found[1]["user_agent"] == "a test"
    page = (await api.get(SESSIONS, params={"limit": 1}, headers=bearer(person.access_token))).json()
    rest = await api.get(SESSIONS, params={"cursor": page["next_cursor"]}, headers=bearer(person.access_token))
    assert [one["id"] for one in (*page["items"], *rest.json()["items"])] == [one["id"] for one in found]


async def test_ending_one_device_ends_it_at_once_and_no_other(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    other = (await again(api, person.email)).json()
    assert await status(api, other["access_token"]) == 200
    found = (await api.get(SESSIONS, headers=bearer(person.access_token))).json()["items"]
    path = SESSIONS + found[0]["id"]
    assert (await api.delete(path, headers=bearer(person.access_token))).status_code == 204
    assert (await api.delete(path, headers=bearer(person.access_token))).status_code == 404
    assert await status(api, other["access_token"]) == 401
    gone = await api.post("/api/v1/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert gone.json()["code"] == "refresh_invalid"
    assert await status(api, person.access_token) == 200


async def test_a_strangers_device_does_not_exist(api: httpx.AsyncClient, join: Join) -> None:
    for supervisor in (False, True):
        attacker, victim = await join(supervisor=supervisor), await join()
        found = (await api.get(SESSIONS, headers=bearer(victim.access_token))).json()["items"]
        for device in (found[0]["id"], uuid4()):
            refused = await api.delete(f"{SESSIONS}{device}", headers=bearer(attacker.access_token))
            assert (refused.status_code, refused.json()["code"]) == (404, "device_not_found")
        assert await status(api, victim.access_token) == 200


@pytest.mark.parametrize("including_this", [False, True])
async def test_ending_the_others(including_this: bool, api: httpx.AsyncClient, join: Join) -> None:
    person, bystander = await join(), await join()
    other = (await again(api, person.email)).json()["access_token"]
    assert await status(api, other) == 200
    wanted = {"including_this": including_this}
    assert (await api.delete(SESSIONS, params=wanted, headers=bearer(person.access_token))).status_code == 204
    assert await status(api, other) == 401
    assert await status(api, person.access_token) == (401 if including_this else 200)
    assert await status(api, bystander.access_token) == 200


async def test_a_new_password_ends_the_other_sign_ins(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    other = (await again(api, person.email)).json()
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert (await api.put(CHANGE, json=body, headers=bearer(person.access_token))).status_code == 204
    assert await status(api, other["access_token"]) == 401
    assert await status(api, person.access_token) == 200
    assert (await again(api, person.email)).status_code == 401
    assert (await again(api, person.email, NEW)).status_code == 200


async def test_a_password_is_not_changed_by_whoever_does_not_know_it(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    headers = bearer(person.access_token)
    for given, code in ((None, "password_needed"), ("a guess at it", "password_wrong")):
        refused = await api.put(CHANGE, json={"current_password": given, "new_password": NEW}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, code)
    weak = await api.put(CHANGE, json={"current_password": PASSWORD, "new_password": "password1"}, headers=headers)
    assert (weak.status_code, weak.json()["code"]) == (422, "password_common")
    assert (await again(api, person.email)).status_code == 200


async def test_guessing_the_password_at_an_open_screen_is_slowed_down(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    codes = []
    for number in range(settings.load().sign_in_attempts + 1):
        body = {"current_password": f"guess number {number}", "new_password": NEW}
        codes.append((await api.put(CHANGE, json=body, headers=bearer(person.access_token))).json()["code"])
    assert codes == ["password_wrong"] * settings.load().sign_in_attempts + ["too_many_attempts"]
