"""Passkeys, with a device in software that speaks the real protocol."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text, update

from madang.features.accounts.routes.shared import site_of
from madang.features.accounts.service.factors import passkeys
from madang.features.accounts.tables import AccountRow, PasskeyRow
from madang.kernel.audit import AuditRow
from madang.kernel.errors import Problem
from madang.kernel.house import House
from tests.features.accounts.authenticator import Device, b64
from tests.features.accounts.conftest import PASSWORD, Join, bearer
from tests.features.accounts.guarding import (
    LOGIN,
    STEP,
    Clock,
    code,
    post,
    protect,
)
from tests.features.accounts.passkeys import PASSKEYS, add, api, creation, question, sign_in, with_passkey

__all__ = ["api"]


async def test_a_passkey_signs_in_without_a_password(api: httpx.AsyncClient, join: Join) -> None:
    person = await join("Somebody")
    device = await with_passkey(api, person)
    for _ in range(3):
        asked = await question(api)
        assert asked["options"]["userVerification"] == "required"
        answer = await sign_in(api, asked["challenge"], device.get(asked["options"]), session="cookie")
        assert (answer.status_code, answer.json()["user"]["id"]) == (200, str(person.id)), answer.text
        assert answer.json()["refresh_token"] is None
    listed = (await api.get("/api/v1/users/me/second-factors", headers=bearer(person.access_token))).json()
    assert [one["name"] for one in listed["passkeys"]] == ["My phone"]
    assert listed["passkeys"][0]["last_used_at"] is not None


async def test_a_device_that_does_not_count_signs_in_again_and_again(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    device = await with_passkey(api, person, counts=False)
    for _ in range(2):
        asked = await question(api)
        assert (await sign_in(api, asked["challenge"], device.get(asked["options"]))).status_code == 200


async def test_the_password_is_asked_for_before_a_passkey_is_made(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    headers = bearer(person.access_token)
    assert code(await api.post(f"{PASSKEYS}/options", json={}, headers=headers)) == "password_needed"
    wrong = await api.post(f"{PASSKEYS}/options", json={"password": "not it at all"}, headers=headers)
    assert (wrong.status_code, code(wrong)) == (403, "password_wrong")


async def test_who_has_no_password_signs_in_anew_instead(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    async with house.db.transaction() as tx:
        await tx.execute(update(AccountRow).values(password_hash="").where(AccountRow.id == person.id))
    headers = bearer(person.access_token)
    assert (await api.post(f"{PASSKEYS}/options", json={}, headers=headers)).status_code == 200
    async with house.db.transaction() as tx:
        aged = text("UPDATE \"user\".logins SET created_at = now() - interval '11 minutes' WHERE account_id = :id")
        await tx.execute(aged, {"id": person.id})
    assert code(await api.post(f"{PASSKEYS}/options", json={}, headers=headers)) == "sign_in_again"


async def test_a_device_that_does_not_know_its_person_needs_the_password_too(
    api: httpx.AsyncClient, join: Join
) -> None:
    person = await join()
    device = await with_passkey(api, person, verifies=False)
    asked = await question(api)
    assert code(await sign_in(api, asked["challenge"], device.get(asked["options"]))) == "passkey_refused"


async def test_several_passkeys_with_names_of_their_own(api: httpx.AsyncClient, join: Join) -> None:
    person, other = await join(), await join()
    devices = [await with_passkey(api, person) for _ in range(2)]
    headers = bearer(person.access_token)

    async def mine() -> list[dict[str, Any]]:
        told = (await api.get("/api/v1/users/me/second-factors", headers=headers)).json()
        return list(told["passkeys"])

    first, second = [one["id"] for one in await mine()]
    excluded = {one["id"] for one in (await creation(api, person))["excludeCredentials"]}
    assert excluded == {b64(device.keys[0].id) for device in devices}
    renamed = await api.put(f"{PASSKEYS}/{first}", json={"name": "회사 노트북"}, headers=headers)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "회사 노트북")
    for method, body in (("PUT", {"name": "mine now"}), ("DELETE", None)):
        answer = await api.request(method, f"{PASSKEYS}/{first}", json=body, headers=bearer(other.access_token))
        assert (answer.status_code, code(answer)) == (404, "passkey_not_found")
    assert (await api.delete(f"{PASSKEYS}/{first}", headers=headers)).status_code == 204
    assert [one["id"] for one in await mine()] == [second]
    asked = await question(api)
    answer = await sign_in(api, asked["challenge"], devices[0].get(asked["options"]))
    assert code(answer) == "passkey_refused"


async def test_at_most_twenty(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    devices = [Device().create(await creation(api, person)) for _ in range(passkeys.MOST + 2)]
    answers = await asyncio.gather(*(add(api, person, one) for one in devices))
    assert sorted(answer.status_code for answer in answers) == [201] * passkeys.MOST + [409] * 2


@pytest.mark.parametrize(
    ("public_url", "host", "rp_id", "origins"),
    [
        (None, "localhost:8000", "localhost", ["https://localhost:8000", "http://localhost:8000"]),
        (None, "madang.example.org", "madang.example.org", ["https://madang.example.org"]),
        ("https://m.example.org:444", "evil.example", "m.example.org", ["https://m.example.org:444"]),
        (None, "127.0.0.1:8000", None, []),
        (None, "[::1]:8000", None, []),
        (None, "[", None, []),
        (None, "", None, []),
        (None, "a b", None, []),
    ],
)
def test_the_site_that_passkeys_belong_to(
    public_url: str | None, host: str, rp_id: str | None, origins: list[str], house: House
) -> None:
    here: Any = replace(house, settings=house.settings.model_copy(update={"public_url": public_url}))
    request: Any = SimpleNamespace(headers={"host": host})
    if rp_id is None:
        with pytest.raises(Problem) as caught:
            site_of(here, request)
        assert caught.value.code == "passkeys_need_a_name"
    else:
        site = site_of(here, request)
        assert (site.rp_id, list(site.origins)) == (rp_id, origins)


async def test_a_passkey_of_another_name_of_this_server(api: httpx.AsyncClient, house: House, join: Join) -> None:
    """A key made under one name is not taken under another, even when the answer is signed for that other."""
    person = await join()
    device = await with_passkey(api, person)
    async with house.db.transaction() as tx:
        await tx.execute(update(PasskeyRow).values(rp_id="old.example.org").where(PasskeyRow.account_id == person.id))
    asked = await question(api)
    assert code(await sign_in(api, asked["challenge"], device.get(asked["options"]))) == "passkey_refused"


async def test_adding_and_removing_is_in_the_audit_log(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    await with_passkey(api, person)
    headers = bearer(person.access_token)
    told = (await api.get("/api/v1/users/me/second-factors", headers=headers)).json()
    passkey = told["passkeys"][0]["id"]
    await api.delete(f"{PASSKEYS}/{passkey}", headers=headers)
    async with house.db.transaction() as tx:
        query = select(AuditRow.action).where(AuditRow.target_id == UUID(passkey)).order_by(AuditRow.id)
        assert list(await tx.scalars(query)) == ["accounts.passkey_added", "accounts.passkey_removed"]


async def test_a_passkey_is_a_second_factor_too(api: httpx.AsyncClient, join: Join, clock: Clock) -> None:
    guarded, other = await protect(api, await join(), clock), await join()
    devices = []
    for person in (guarded.person, other):
        options = (await post(api, person, "passkeys/options", {"password": PASSWORD})).json()["options"]
        devices.append(Device(verifies=False))
        added = await post(api, person, "passkeys", {"name": "Key", "credential": devices[-1].create(options)})
        assert added.status_code == 201
    first = await api.post(LOGIN, json={"email": guarded.person.email, "password": PASSWORD})
    assert first.json()["methods"] == ["totp", "passkey", "recovery_code"]
    challenge = first.json()["challenge"]
    asked = (await api.post("/api/v1/auth/passkey/options", json={"challenge": challenge})).json()
    assert asked["challenge"] == challenge
    assert len(asked["options"]["allowCredentials"]) == 1
    anyone = {**asked["options"], "allowCredentials": []}
    for credential in (devices[1].get(anyone), devices[0].get(anyone, signature=b"tampered"), {}):
        body = {"challenge": challenge, "method": "passkey", "credential": credential or None}
        answer = await api.post(STEP, json=body)
        assert (answer.status_code, code(answer)) == (401, "second_factor_wrong")
    body = {"challenge": challenge, "method": "passkey", "credential": devices[0].get(asked["options"])}
    done = await api.post(STEP, json=body)
    assert (done.status_code, done.json()["user"]["id"]) == (200, str(guarded.person.id)), done.text
    assert code(await api.post(STEP, json=body)) == "challenge_invalid"
