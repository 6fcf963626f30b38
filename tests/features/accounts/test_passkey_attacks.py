"""Attacks on passkeys, each by its name, with a device in software that speaks the real protocol."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from madang.features.accounts.service.factors import challenges
from madang.features.accounts.tables import AccountRow, PasskeyRow
from madang.kernel.audit import AuditRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.errors import Problem
from madang.kernel.house import House
from tests.features.accounts.authenticator import Device, b64, unb64
from tests.features.accounts.conftest import PASSWORD, Join
from tests.features.accounts.guarding import (
    Clock,
    code,
    first_step,
    post,
    protect,
)
from tests.features.accounts.passkeys import DOOR, add, api, creation, question, sign_in, with_passkey

__all__ = ["api"]


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
