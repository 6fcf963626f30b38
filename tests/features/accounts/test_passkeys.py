"""Passkeys and attacks on them, each by its name, with a device in software that speaks the real protocol."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update

from madang.features.accounts.module import Accounts
from madang.features.accounts.routes.shared import site_of
from madang.features.accounts.service.factors import challenges, passkeys
from madang.features.accounts.tables import AccountRow, PasskeyRow
from madang.kernel.audit import AuditRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.errors import Problem
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.ids import new_id
from tests.features.accounts.authenticator import Device, b64, unb64
from tests.features.accounts.conftest import PASSWORD, Join, Person, bearer
from tests.features.accounts.guarding import (
    LOGIN,
    STEP,
    Clock,
    code,
    first_step,
    post,
    protect,
)

PASSKEYS, DOOR = "/api/v1/users/me/passkeys", "/api/v1/auth/passkey"


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """The api under a name that browsers allow passkeys on."""
    transport = httpx.ASGITransport(
        build_app(house, [Accounts()]), client=(f"t-{new_id()}", 1), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


async def creation(api: httpx.AsyncClient, person: Person) -> dict[str, Any]:
    answer = await api.post(f"{PASSKEYS}/options", json={"password": PASSWORD}, headers=bearer(person.access_token))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["options"])


async def add(api: httpx.AsyncClient, person: Person, credential: dict[str, Any]) -> httpx.Response:
    body = {"name": "My phone", "credential": credential}
    return await api.post(PASSKEYS, json=body, headers=bearer(person.access_token))


async def with_passkey(api: httpx.AsyncClient, person: Person, **device: Any) -> Device:
    made = Device(**device)
    added = await add(api, person, made.create(await creation(api, person)))
    assert added.status_code == 201, added.text
    return made


async def question(api: httpx.AsyncClient) -> dict[str, Any]:
    answer = await api.post(f"{DOOR}/options")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def sign_in(api: httpx.AsyncClient, challenge: str, credential: dict[str, Any], **more: str) -> httpx.Response:
    return await api.post(DOOR, json={"challenge": challenge, "credential": credential, **more})


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "https://localhost:8000.evil.example"},
        {"origin": "http://localhost:9999"},
        {"rp_id": "evil.example"},
        {"kind": "webauthn.get"},
        {"challenge": b64(b"guess")},
        {"challenge": ""},
    ],
    ids=str,
)
async def test_registration_for_another_site_or_moment(
    wrong: dict[str, Any], api: httpx.AsyncClient, join: Join
) -> None:
    person = await join()
    answer = await add(api, person, Device().create(await creation(api, person), **wrong))
    assert (answer.status_code, code(answer)) == (403, "passkey_refused")


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost"},
        {"rp_id": "evil.example"},
        {"kind": "webauthn.create"},
        {"challenge": b64(b"guess")},
        {"signature": b"tampered"},
        {"signature": b""},
        {"user_handle": bytes(16)},
        {"user_handle": b""},
    ],
    ids=str,
)
async def test_wrong_answers(wrong: dict[str, Any], api: httpx.AsyncClient, house: House, join: Join) -> None:
    """Wrong origin, wrong site, wrong kind, another challenge, a tampered signature, another person's handle."""
    person = await join()
    device = await with_passkey(api, person)
    asked = await question(api)
    answer = await sign_in(api, asked["challenge"], device.get(asked["options"], **wrong))
    assert (answer.status_code, code(answer)) == (401, "passkey_refused")
    async with house.db.transaction() as tx:
        noted = select(AuditRow.action).where(AuditRow.target_id == person.id, AuditRow.action.like("%refused"))
        assert list(await tx.scalars(noted)) == ["accounts.passkey_refused"]


async def test_every_tampered_byte_is_noticed(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    device = await with_passkey(api, person)
    asked = await question(api)
    good = device.get(asked["options"])
    for part in ("clientDataJSON", "authenticatorData", "signature"):
        whole = unb64(good["response"][part])
        for at in range(0, len(whole), 7):
            bent = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            bad = {**good, "response": {**good["response"], part: b64(bent)}}
            answer = await sign_in(api, asked["challenge"], bad)
            assert answer.status_code in {401, 429}, (part, at)
            assert answer.status_code != 429 or code(answer) == "too_many_attempts"


async def test_replayed_challenge(api: httpx.AsyncClient, join: Join) -> None:
    """One answer signs in once, however often and however simultaneously it is sent."""
    person = await join()
    device = await with_passkey(api, person, counts=False)
    asked = await question(api)
    same = device.get(asked["options"])
    answers = await asyncio.gather(*(sign_in(api, asked["challenge"], same) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5
    again = device.get(asked["options"])
    assert code(await sign_in(api, asked["challenge"], again)) == "challenge_invalid"


async def test_challenge_of_another_purpose(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    device = await with_passkey(api, person)
    options = await creation(api, person)
    question_of_registration = {"challenge": options["challenge"], "rpId": "localhost"}
    answer = await sign_in(api, options["challenge"], device.get(question_of_registration))
    assert (answer.status_code, code(answer)) == (401, "challenge_invalid")
    asked = await question(api)
    for_sign_in = {**options, "challenge": asked["challenge"]}
    assert code(await add(api, person, Device().create(for_sign_in))) == "challenge_invalid"


async def test_registration_with_another_persons_challenge(api: httpx.AsyncClient, join: Join) -> None:
    """Otherwise somebody could be made to keep an attacker's device as their own."""
    victim, attacker = await join(), await join()
    credential = Device().create(await creation(api, attacker))
    assert code(await add(api, victim, credential)) == "challenge_invalid"


async def test_registration_replayed(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    credential = Device().create(await creation(api, person))
    answers = await asyncio.gather(*(add(api, person, credential) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]


async def test_a_credential_is_kept_for_one_account_only(api: httpx.AsyncClient, join: Join) -> None:
    owner, thief = await join(), await join()
    device = await with_passkey(api, owner)
    options = await creation(api, thief)
    fake = Device()
    credential = fake.create(options)
    data = unb64(credential["response"]["attestationObject"])
    swapped = data.replace(fake.keys[0].id, device.keys[0].id)
    name = b64(device.keys[0].id)
    stolen = {**credential, "id": name, "rawId": name}
    stolen["response"] = {**credential["response"], "attestationObject": b64(swapped)}
    answer = await add(api, thief, stolen)
    assert (answer.status_code, code(answer)) == (409, "passkey_known")
    asked = await question(api)
    assert (await sign_in(api, asked["challenge"], device.get(asked["options"]))).json()["user"]["id"] == str(owner.id)


async def test_expired_challenge(api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await join()
    device = await with_passkey(api, person)
    asked = await question(api)
    answer = device.get(asked["options"])
    late = now() + challenges.LIFETIME + timedelta(seconds=1)
    monkeypatch.setattr(challenges, "now", lambda: late)
    assert code(await sign_in(api, asked["challenge"], answer)) == "challenge_invalid"


async def test_cloned_device(api: httpx.AsyncClient, house: House, join: Join) -> None:
    """A count that fell means two devices with one key: the second is refused, and the owner can read of it."""
    person = await join()
    device = await with_passkey(api, person)
    device.keys[0].count = 40
    asked = await question(api)
    assert (await sign_in(api, asked["challenge"], device.get(asked["options"]))).status_code == 200
    clone = Device(keys=[replace(device.keys[0], count=12)])
    asked = await question(api)
    answer = await sign_in(api, asked["challenge"], clone.get(asked["options"]))
    assert (answer.status_code, code(answer)) == (401, "passkey_refused")
    async with house.db.transaction() as tx:
        noted = select(AuditRow.details).where(AuditRow.target_id == person.id, AuditRow.action.like("%refused"))
        assert [one["reason"] for one in await tx.scalars(noted)] == ["sign count fell"]
        assert await tx.scalar(select(PasskeyRow.sign_count).where(PasskeyRow.account_id == person.id)) == 41


async def test_a_device_that_does_not_know_its_person_needs_the_password_too(
    api: httpx.AsyncClient, join: Join
) -> None:
    person = await join()
    device = await with_passkey(api, person, verifies=False)
    asked = await question(api)
    assert code(await sign_in(api, asked["challenge"], device.get(asked["options"]))) == "passkey_refused"


async def test_a_disabled_account_does_not_come_in_by_passkey(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    device = await with_passkey(api, person)
    async with house.db.transaction() as tx:
        await tx.execute(update(AccountRow).values(disabled_at=now()).where(AccountRow.id == person.id))
    asked = await question(api)
    answer = await sign_in(api, asked["challenge"], device.get(asked["options"]))
    assert (answer.status_code, code(answer)) == (403, "account_disabled")


async def test_csrf_sign_in_by_passkey(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    device = await with_passkey(api, person)
    asked = await question(api)
    body = {"challenge": asked["challenge"], "credential": device.get(asked["options"]), "session": "cookie"}
    answer = await api.post(DOOR, json=body, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, code(answer)) == (403, "cross_site")


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


async def test_row_level_security_hides_passkeys_from_other_accounts(
    api: httpx.AsyncClient, house: House, join: Join
) -> None:
    person, other = await join(), await join()
    await with_passkey(api, person)
    for who, count in ((person, 1), (other, 0)):
        async with house.db.transaction(Principal(who.id)) as tx:
            assert await tx.scalar(select(func.count()).select_from(PasskeyRow)) == count


async def test_garbage_is_refused_and_never_breaks(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    device = await with_passkey(api, person)
    asked = await question(api)
    good = device.get(asked["options"])
    for junk in ("", "A", "AAAA", b64(b"\xff" * 40), b64(json.dumps({"type": []}).encode()), b64(b"[" * 9000)):
        for part in ("clientDataJSON", "authenticatorData", "signature", "userHandle"):
            bad = {**good, "response": {**good["response"], part: junk}}
            assert (await sign_in(api, asked["challenge"], bad)).status_code in {401, 429}
    made = Device().create(await creation(api, person))
    for junk in ("", "A", b64(b"\xff" * 40), b64(b"\x9f" * 2000), b64(b"\xbb" + b"\xff" * 8)):
        for part in ("clientDataJSON", "attestationObject"):
            bad = {**made, "response": {**made["response"], part: junk}}
            assert (await add(api, person, bad)).status_code in {401, 403}


@given(st.text(max_size=120))
def test_a_made_up_challenge_is_refused_and_never_breaks(made_up: str) -> None:
    def read() -> None:
        challenge = challenges.read(made_up)
        assert len(challenge.raw) == 68
        raise challenges.invalid()

    with pytest.raises(Problem, match="challenge_invalid"):
        read()


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


async def test_second_factor_challenge_does_not_sign_in_by_passkey_alone(
    api: httpx.AsyncClient, join: Join, clock: Clock
) -> None:
    """A device that did not verify its person is one factor: its answer to the second step opens no other door."""
    guarded = await protect(api, await join(), clock)
    options = (await post(api, guarded.person, "passkeys/options", {"password": PASSWORD})).json()["options"]
    device = Device(verifies=False)
    await post(api, guarded.person, "passkeys", {"name": "Key", "credential": device.create(options)})
    challenge = await first_step(api, guarded.person.email)
    asked = (await api.post("/api/v1/auth/passkey/options", json={"challenge": challenge})).json()
    body = {"challenge": challenge, "credential": device.get(asked["options"])}
    assert code(await api.post("/api/v1/auth/passkey", json=body)) == "challenge_invalid"


async def test_options_of_an_account_need_its_password_first(api: httpx.AsyncClient, house: House, join: Join) -> None:
    """Otherwise anybody could learn which passkeys somebody has."""
    person = await join()
    forged = challenges.written(challenges.issue(house, challenges.Purpose.SECOND_FACTOR, person.id, "a wrong hash"))
    for challenge in ("A" * 91, forged):
        answer = await api.post("/api/v1/auth/passkey/options", json={"challenge": challenge})
        assert (answer.status_code, code(answer)) == (401, "challenge_invalid")
