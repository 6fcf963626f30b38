"""Changing one's address: what is proved first, who is told, and the attacks on it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text

from madang.features.accounts.service import links, new_address, recovery
from madang.kernel import clock
from madang.kernel.house import House
from tests.features.accounts.conftest import PASSWORD, Join, Person, bearer, visitor
from tests.features.accounts.posting import deliver
from tests.mailbox import Mailbox, token, words

ADDRESS = "/api/v1/users/me/email"
AUTH = "/api/v1/auth"


@pytest.fixture
async def mailing(writing: House) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(writing) as client:
        yield client


def fresh() -> str:
    return f"{secrets.token_hex(6)}@example.org"


async def ask(client: httpx.AsyncClient, person: Person, email: str, password: str | None = PASSWORD) -> httpx.Response:
    body = {"email": email, "language": "ko", **({"password": password} if password else {})}
    return await client.put(ADDRESS, json=body, headers=bearer(person.access_token))


async def log_in(client: httpx.AsyncClient, email: str) -> str:
    answer = await client.post(f"{AUTH}/login", json={"email": email, "password": PASSWORD})
    return "in" if answer.status_code == 200 else answer.json()["code"]


async def open_link(client: httpx.AsyncClient, link: str) -> str:
    answer = await client.post(f"{AUTH}/verify-email", json={"token": link})
    return "taken" if answer.status_code == 204 else answer.json()["code"]


async def test_nothing_changes_before_the_link_is_opened_and_the_old_address_is_told(
    writing: House, mailing: httpx.AsyncClient, box: Mailbox, join: Join
) -> None:
    person, wanted = await join(), fresh()
    asked = await ask(mailing, person, f" {wanted.upper()} ")
    assert (asked.status_code, asked.json()["email"]) == (200, person.email)
    assert await deliver(writing) == 1
    (letter,) = box.mails
    assert (letter["To"], letter["Subject"]) == (wanted, "새 이메일 주소를 확인해 주세요")
    assert "https://madang.example/verify-email#" in words(letter)
    assert await log_in(mailing, wanted) == "invalid_credentials"
    assert await open_link(mailing, token(letter)) == "taken"
    me = (await mailing.get(f"{AUTH}/me", headers=bearer(person.access_token))).json()
    assert (me["email"], me["email_verified"]) == (wanted, True)
    assert await log_in(mailing, wanted) == "in"
    assert await log_in(mailing, person.email) == "invalid_credentials"
    await deliver(writing)
    (told,) = box.to(person.email)
    assert "address of your account was changed" in words(told)
    assert await open_link(mailing, token(letter)) == "link_invalid", "it works once"
    async with writing.db.transaction() as tx:
        deeds = await tx.scalars(
            text("SELECT action FROM supervisor.audit WHERE target_id = :id ORDER BY created_at, id"), {"id": person.id}
        )
        assert [one for one in deeds if "email" in one] == ["accounts.email_change_asked", "accounts.email_changed"]


async def test_nobody_but_its_owner_learns_that_an_address_is_taken(
    writing: House, mailing: httpx.AsyncClient, box: Mailbox, join: Join
) -> None:
    curious, owner = await join(), await join()
    answers = [await ask(mailing, curious, email) for email in (owner.email, fresh())]
    assert [(one.status_code, one.json()) for one in answers] == [(200, answers[0].json())] * 2
    assert await deliver(writing) == 2
    told = next(mail for mail in box.mails if mail["To"] == owner.email)
    assert "has an account already" in words(told)
    assert "#" not in words(told), "no link that changes anything"
    me = await mailing.get(f"{AUTH}/me", headers=bearer(owner.access_token))
    assert me.json()["email"] == owner.email


async def test_an_address_that_somebody_got_first_is_not_given_twice(
    writing: House, mailing: httpx.AsyncClient, box: Mailbox, join: Join
) -> None:
    rivals, wanted = [await join(), await join(), await join()], fresh()
    for one in rivals:
        await ask(mailing, one, wanted)
    await deliver(writing)
    opened = await asyncio.gather(*(open_link(mailing, token(mail)) for mail in box.mails))
    assert sorted(opened) == ["link_invalid", "link_invalid", "taken"]


@pytest.mark.parametrize("given", [None, "a wrong one 11"])
async def test_an_open_screen_is_not_enough(
    writing: House, mailing: httpx.AsyncClient, join: Join, given: str | None
) -> None:
    refused = await ask(mailing, await join(), fresh(), given)
    assert (refused.status_code, refused.json()["code"]) == (403, "password_wrong" if given else "password_needed")
    assert await deliver(writing) == 0


async def test_a_link_is_void_once_the_password_is_another_or_time_has_passed(
    writing: House, mailing: httpx.AsyncClient, box: Mailbox, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    robbed, slow = await join(), await join()
    wanted, late = fresh(), fresh()
    await ask(mailing, robbed, wanted)
    await ask(mailing, slow, late)
    await deliver(writing)
    changed = {"current_password": PASSWORD, "new_password": "another courtyard 8"}
    done = await mailing.put("/api/v1/users/me/password", json=changed, headers=bearer(robbed.access_token))
    assert done.status_code == 204
    assert await open_link(mailing, token(*box.to(wanted))) == "link_invalid"
    later = clock.now() + links.LIFETIMES["email_change"]
    monkeypatch.setattr(links, "now", lambda: later)
    assert await open_link(mailing, token(*box.to(late))) == "link_invalid"


async def test_forged_addresses_in_a_link(writing: House, mailing: httpx.AsyncClient, box: Mailbox, join: Join) -> None:
    """The address stands readably in the token, and another one there is no good."""
    await ask(mailing, await join(), "aaaa@example.org")
    await deliver(writing)
    genuine = token(box.mails[0])
    assert await open_link(mailing, genuine[:-1] + ("A" if genuine[-1] != "A" else "B")) == "link_invalid"
    assert await open_link(mailing, genuine[:70]) == "link_invalid"
    assert await open_link(mailing, genuine + "AAAA") == "link_invalid"


async def test_flooding_a_stranger_by_changes(writing: House, mailing: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    answers = [await ask(mailing, person, fresh()) for _ in range(new_address.CHANGES_AN_HOUR + 1)]
    assert [one.status_code for one in answers] == [200] * new_address.CHANGES_AN_HOUR + [429]
    victim, crowd = fresh(), [await join() for _ in range(recovery.LETTERS_AN_HOUR + 2)]
    await deliver(writing)
    assert [(await ask(mailing, one, victim)).status_code for one in crowd] == [200] * len(crowd)
    assert await deliver(writing) == recovery.LETTERS_AN_HOUR


@pytest.mark.parametrize("odd", ["", "x", "a@b@c", "a\x00@example.org", "\ud800@example.org", "a" * 310 + "@x.org"])
async def test_what_is_no_address(mailing: httpx.AsyncClient, join: Join, odd: str) -> None:
    headers = {**bearer((await join()).access_token), "Content-Type": "application/json"}
    body = json.dumps({"email": odd, "password": PASSWORD})
    assert (await mailing.put(ADDRESS, content=body, headers=headers)).status_code == 422


async def test_without_mail_it_changes_at_once_and_says_what_is_taken(api: httpx.AsyncClient, join: Join) -> None:
    person, other, wanted = await join(), await join(), fresh()
    taken = await ask(api, person, other.email)
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")
    same = await ask(api, person, person.email.upper())
    assert (same.status_code, same.json()["code"]) == (422, "email_unchanged")
    done = await ask(api, person, wanted)
    assert (done.status_code, done.json()["email"], done.json()["email_verified"]) == (200, wanted, False)
    assert await log_in(api, wanted) == "in"
    assert await log_in(api, person.email) == "invalid_credentials"
