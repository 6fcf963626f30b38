"""Proving an address and coming back by mail, through a real mail server, with the attacks on both."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from madang.features.accounts.contracts import Device
from madang.features.accounts.service import invites, links, recovery
from madang.kernel import clock
from madang.kernel.errors import TooMany
from madang.kernel.house import House
from tests.features.accounts.conftest import PASSWORD, bearer, only, visitor
from tests.features.accounts.posting import deliver, forget_letters
from tests.mailbox import token, words

AUTH = "/api/v1/auth"
OTHER = "another courtyard 8"


@pytest.fixture
async def api(writing: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Anybody registers here who proves their address; no link may lead to the host that a request names."""
    only(monkeypatch, registration="open", password_hash_memory_kib=256)
    async with visitor(writing, "http://evil.example") as client:
        yield client


@pytest.fixture
async def founded(house: House, join) -> None:
    """Somebody is there already, so that whoever comes next is no supervisor; and no letter of another test waits."""
    await join()
    await forget_letters(house)


pytestmark = pytest.mark.usefixtures("founded")


async def register(api: httpx.AsyncClient, email: str | None = None) -> str:
    email = email or f"{secrets.token_hex(6)}@example.org"
    made = await api.post(f"{AUTH}/register", json={"email": email, "password": PASSWORD, "name": "학생"})
    assert made.status_code == 201, made.text
    return email


async def log_in(api: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await api.post(f"{AUTH}/login", json={"email": email, "password": password})


async def test_who_registers_signs_in_once_the_address_is_proved(writing, api, box):
    assert (await api.get(f"{AUTH}/setup")).json()["verification_required"] is True
    email = await register(api)
    refused = await log_in(api, email)
    assert (refused.status_code, refused.json()["code"]) == (403, "email_unverified")
    await deliver(writing)
    (letter,) = box.mails
    assert letter["To"] == email
    assert "https://madang.example/verify-email#" in words(letter), "never to where the request was sent"
    assert (await api.post(f"{AUTH}/verify-email", json={"token": token(letter)})).status_code == 204
    signed = await log_in(api, email)
    assert signed.status_code == 200
    assert signed.json()["user"]["email_verified"] is True
    again = await api.post(f"{AUTH}/verify-email", json={"token": token(letter)})
    assert again.status_code == 204, "a second click, or a reload, is no mistake"


@pytest.mark.parametrize(("language", "subject"), [("ko", "이메일 주소를 확인해 주세요"), (None, "Please confirm")])
async def test_letters_are_in_the_language_in_which_one_registered(writing, api, box, language, subject):
    body = {"email": f"{secrets.token_hex(6)}@example.org", "password": PASSWORD, "language": language}
    assert (await api.post(f"{AUTH}/register", json=body)).status_code == 201
    await deliver(writing)
    (letter,) = box.mails
    assert letter["Subject"].startswith(subject)
    html = letter.get_body(("html",)).get_content()
    link = next(line for line in words(letter).splitlines() if line.startswith("https://"))
    assert html.count(link) == 2, "on a button, and to be copied"


async def test_a_wrong_password_never_says_that_the_address_is_not_proved(api):
    email = await register(api)
    assert (await log_in(api, email, "a wrong one 11")).json()["code"] == "invalid_credentials"


async def test_registering_a_taken_address_looks_like_registering_a_free_one(writing, api, box):
    email = await register(api)
    await deliver(writing)
    body = {"email": email, "password": OTHER, "name": "Mallory"}
    again = await api.post(f"{AUTH}/register", json=body)
    free = await api.post(f"{AUTH}/register", json={**body, "email": f"{secrets.token_hex(6)}@example.org"})
    assert again.status_code == free.status_code == 201
    assert again.json().keys() == free.json().keys()
    assert {**again.json(), "id": "", "email": "", "created_at": ""} == {
        **free.json(),
        "id": "",
        "email": "",
        "created_at": "",
    }
    await deliver(writing)
    told = next(mail for mail in box.mails[1:] if mail["To"] == email)
    assert "https://madang.example/" in words(told)
    assert (await log_in(api, email, OTHER)).json()["code"] == "invalid_credentials", "nobody's password was changed"


async def test_a_code_that_is_good_once_does_not_tell_whether_an_address_has_an_account(writing, api, monkeypatch):
    taken = await register(api)
    only(monkeypatch, registration="invite")
    told = []
    for email in (taken, f"{secrets.token_hex(6)}@example.org"):
        async with writing.db.transaction() as tx:
            made, code = await invites.create(tx, None, note="", max_uses=1, lifetime=timedelta(days=1))
        body = {"email": email, "password": PASSWORD, "name": "Mallory", "invite_code": code}
        first = await api.post(f"{AUTH}/register", json=body)
        other = {**body, "email": f"{secrets.token_hex(6)}@example.org"}
        second = await api.post(f"{AUTH}/register", json=other)
        async with writing.db.transaction() as tx:
            used = await tx.scalar(
                text("SELECT used_count FROM supervisor.registration_invites WHERE id = :id"), {"id": made.id}
            )
        told.append((first.status_code, sorted(first.json()), second.status_code, second.json()["code"], used))
    assert told[0] == told[1]
    assert told[0][0] == 201
    assert told[0][2:] == (403, "invite_invalid", 1)


async def test_a_supervisor_sends_somebody_the_letter_with_which_they_choose_another_password(
    writing, api, box, join, house
):
    boss, person = await join(supervisor=True), await join()
    path = f"/api/v1/users/{person.id}/password-letter"
    sent = await api.post(path, headers=bearer(boss.access_token))
    assert (sent.status_code, sent.content) == (202, b"null"), "the link is the person's alone"
    await deliver(writing)
    (letter,) = box.mails
    assert letter["To"] == person.email
    body = {"token": token(letter), "password": OTHER}
    assert (await api.post(f"{AUTH}/password/reset", json=body)).status_code == 204
    assert (await log_in(api, person.email, OTHER)).status_code == 200
    async with house.db.transaction() as tx:
        query = text("SELECT actor_id FROM supervisor.audit WHERE action = 'accounts.reset_letter_sent'")
        assert boss.id in (await tx.scalars(query)).all()


async def test_who_is_let_in_without_their_second_factors_is_told(writing, api, box, join, guarded):
    boss = await join(supervisor=True)
    await deliver(writing)
    box.mails.clear()
    path = f"/api/v1/users/{guarded.person.id}/second-factors"
    done = await api.request("DELETE", path, json={"password": PASSWORD}, headers=bearer(boss.access_token))
    assert done.status_code == 204
    await deliver(writing)
    assert [mail["To"] for mail in box.mails] == [guarded.person.email]


async def test_who_forgot_the_password_chooses_another_and_is_signed_out_everywhere(writing, api, box):
    email = await register(api)
    await deliver(writing)
    await api.post(f"{AUTH}/verify-email", json={"token": token(box.mails[0])})
    held = (await log_in(api, email)).json()
    assert (await api.post(f"{AUTH}/password/forgot", json={"email": email, "language": "ko"})).status_code == 202
    await deliver(writing)
    letter = box.mails[1]
    assert letter["Subject"] == "비밀번호를 다시 정해 주세요"
    weak = await api.post(f"{AUTH}/password/reset", json={"token": token(letter), "password": "password"})
    assert weak.status_code == 422
    done = await api.post(f"{AUTH}/password/reset", json={"token": token(letter), "password": OTHER})
    assert done.status_code == 204, "a password that is too weak does not use the link up"
    assert (await log_in(api, email)).json()["code"] == "invalid_credentials"
    assert (await log_in(api, email, OTHER)).status_code == 200
    assert (await api.post(f"{AUTH}/refresh", json={"refresh_token": held["refresh_token"]})).status_code == 401
    me = await api.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {held['access_token']}"})
    assert me.json()["code"] == "signed_out"
    await deliver(writing)
    assert "password of your account was changed" in words(box.mails[2])


async def test_reset_link_replay(writing, api, box):
    email = await register(api)
    await api.post(f"{AUTH}/password/forgot", json={"email": email})
    await deliver(writing)
    reset = next(mail for mail in box.mails if "reset-password" in words(mail))
    body = {"token": token(reset), "password": OTHER}
    assert (await api.post(f"{AUTH}/password/reset", json=body)).status_code == 204
    replayed = await api.post(f"{AUTH}/password/reset", json={**body, "password": "a third courtyard 9"})
    assert replayed.json()["code"] == "link_invalid"


async def test_reset_link_that_is_too_old(writing, api, box, monkeypatch):
    email = await register(api)
    await api.post(f"{AUTH}/password/forgot", json={"email": email})
    await deliver(writing)
    reset = next(mail for mail in box.mails if "reset-password" in words(mail))
    later = clock.now() + links.LIFETIMES["password_reset"]
    monkeypatch.setattr(links, "now", lambda: later)
    late = await api.post(f"{AUTH}/password/reset", json={"token": token(reset), "password": OTHER})
    assert late.json()["code"] == "link_invalid"


async def test_a_link_for_one_purpose_is_none_for_another(writing, api, box):
    await register(api)
    await deliver(writing)
    crossed = await api.post(f"{AUTH}/password/reset", json={"token": token(box.mails[0]), "password": OTHER})
    assert crossed.json()["code"] == "link_invalid"


@pytest.mark.parametrize("made_up", ["x", "가" * 20, "A" * 75, "\x00", "!" * 512])
async def test_guessed_links(api, made_up):
    for path, body in (("verify-email", {}), ("password/reset", {"password": OTHER})):
        answer = await api.post(f"{AUTH}/{path}", json={"token": made_up, **body})
        assert (answer.status_code, answer.json()["code"]) == (422, "link_invalid")


async def test_forged_links(writing, api, box):
    """Every bit counts: what stands for the account, for the end and for the proof."""
    email = await register(api)
    await api.post(f"{AUTH}/password/forgot", json={"email": email})
    await deliver(writing)
    genuine = token(next(mail for mail in box.mails if "reset-password" in words(mail)))
    for place in (0, 21, 24, 40, len(genuine) - 3):
        forged = genuine[:place] + ("A" if genuine[place] != "A" else "B") + genuine[place + 1 :]
        answer = await api.post(f"{AUTH}/password/reset", json={"token": forged, "password": OTHER})
        assert answer.json()["code"] == "link_invalid"


@pytest.mark.parametrize("path", ["password/forgot", "verify-email/request"])
async def test_enumeration_of_addresses(writing, api, box, path):
    """Known or not, the answer is the same after the same work: one row is left for a worker."""
    email = await register(api)
    await deliver(writing)
    answers = [await api.post(f"{AUTH}/{path}", json={"email": one}) for one in (email, "nobody@example.org")]
    assert [(one.status_code, one.content) for one in answers] == [(202, answers[0].content)] * 2
    assert await deliver(writing) == 2
    assert [mail["To"] for mail in box.mails[1:]] == [email]


async def test_flooding_somebody_with_letters(writing, api, box):
    email = await register(api)
    await deliver(writing)
    for _ in range(recovery.LETTERS_AN_HOUR + 4):
        assert (await api.post(f"{AUTH}/password/forgot", json={"email": email})).status_code == 202
    assert await deliver(writing) == recovery.LETTERS_AN_HOUR


async def test_asking_for_many_people_is_slowed_down(api):
    answers = [
        await api.post(f"{AUTH}/password/forgot", json={"email": f"{number}@example.org"})
        for number in range(recovery.ASKED_AN_HOUR + 1)
    ]
    assert [one.status_code for one in answers].count(202) == recovery.ASKED_AN_HOUR
    assert answers[-1].json()["code"] == "too_many_attempts"
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_asking_from_all_addresses_of_one_network_is_slowed_down_too(writing):
    network = f"2001:db8:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}"
    for number in range(recovery.ASKED_AN_HOUR):
        await recovery.ask_for(writing, "password_reset", "a@example.org", Device(f"{network}::{number:x}", ""), None)
    with pytest.raises(TooMany):
        await recovery.ask_for(writing, "password_reset", "b@example.org", Device(f"{network}:1::", ""), None)


async def test_a_disabled_account_gets_no_letter(writing, api, box):
    email = await register(api)
    await deliver(writing)
    async with writing.db.transaction() as tx:
        await tx.execute(text('UPDATE "user".accounts SET disabled_at = now() WHERE email = :e'), {"e": email})
    await api.post(f"{AUTH}/password/forgot", json={"email": email})
    await deliver(writing)
    assert len(box.mails) == 1


async def test_without_mail_one_is_told_and_nobody_needs_to_prove_anything(house, join):
    async with visitor(house) as client:
        answer = await client.post(f"{AUTH}/password/forgot", json={"email": "a@example.org"})
        assert (answer.status_code, answer.json()["code"]) == (409, "mail_not_set_up")
        setup = (await client.get(f"{AUTH}/setup")).json()
        assert (setup["verification_required"], setup["sends_mail"]) == (False, False)
        somebody = await join()
        assert (await log_in(client, somebody.email)).status_code == 200
