"""What changes how somebody signs in is told to them by a letter, through a real mail server."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from madang.features.accounts.contracts import WRITE
from madang.features.accounts.service import letters, registration
from madang.features.accounts.service.factors import second_step
from madang.kernel.house import House
from tests.features.accounts.authenticator import Device
from tests.features.accounts.conftest import PASSWORD, SITE, Join, bearer, visitor
from tests.features.accounts.guarding import ME, Clock, post, protect
from tests.features.accounts.passkeys import PASSKEYS, add, creation
from tests.features.accounts.posting import deliver, forget_letters
from tests.mailbox import Mailbox, words


@pytest.fixture
async def api(writing: House) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(writing, SITE) as client:
        yield client


async def delivered(house: House, box: Mailbox) -> list[Any]:
    """The letters that are wanted, as they arrive."""
    before = len(box.mails)
    await deliver(house)
    return box.mails[before:]


@pytest.mark.parametrize("language", ["ko", "en"])
async def test_the_owner_is_told_of_every_change_of_how_they_sign_in(
    language: str, api: httpx.AsyncClient, writing: House, box: Mailbox, join: Join, clock: Clock
) -> None:
    person = await join()
    headers = bearer(person.access_token)
    assert (await api.put(f"{ME}/preferences", json={"language": language}, headers=headers)).status_code == 200
    told: list[str] = []

    async def hear() -> None:
        (mail,) = await delivered(writing, box)
        assert mail["To"] == person.email
        assert f"{SITE}/" in words(mail)
        assert PASSWORD not in words(mail)
        told.append(mail["Subject"])

    await protect(api, person, clock)
    await hear()
    renewed = await post(api, person, "recovery-codes", {"password": PASSWORD})
    assert renewed.status_code == 201
    await hear()
    assert (await api.request("DELETE", f"{ME}/totp", json={"password": PASSWORD}, headers=headers)).status_code == 204
    await hear()
    made = await add(api, person, Device(SITE).create(await creation(api, person)))
    assert made.status_code == 201, made.text
    await hear()
    assert (await api.delete(f"{PASSKEYS}/{made.json()['id']}", headers=headers)).status_code == 204
    await hear()
    body = {"current_password": PASSWORD, "new_password": "another courtyard 8"}
    assert (await api.put(f"{ME}/password", json=body, headers=headers)).status_code == 204
    await hear()
    kinds = ("totp_enabled", "recovery_codes_renewed", "totp_disabled", "passkey_added", "passkey_removed")
    subjects = letters.SUBJECTS["ko" if language == "ko" else "en"]
    assert told == [subjects[kind] for kind in (*kinds, "password_changed")]


async def test_the_owner_is_told_of_what_the_operator_did(
    api: httpx.AsyncClient, writing: House, box: Mailbox, join: Join, clock: Clock
) -> None:
    person = await join()
    await protect(api, person, clock)
    await delivered(writing, box)
    await second_step.reset(writing, person.email)
    await registration.reset_password(writing, person.email, "another courtyard 8")
    told = sorted(mail["Subject"] for mail in await delivered(writing, box))
    assert told == sorted(letters.SUBJECTS["en"][kind] for kind in ("totp_disabled", "password_changed"))


async def test_what_did_not_happen_is_not_told(
    api: httpx.AsyncClient, writing: House, box: Mailbox, join: Join
) -> None:
    person = await join()
    headers = bearer(person.access_token)
    body = {"current_password": "not the courtyard", "new_password": "another courtyard 8"}
    assert (await api.put(f"{ME}/password", json=body, headers=headers)).status_code == 403
    assert (await api.request("DELETE", f"{ME}/totp", json={"password": PASSWORD}, headers=headers)).status_code == 409
    assert (await post(api, person, "totp/confirm", {"code": "123456"})).status_code == 409
    assert await delivered(writing, box) == []


async def test_without_mail_no_letter_waits(house: House, join: Join, clock: Clock) -> None:
    await forget_letters(house)
    async with visitor(house) as client:
        await protect(client, await join(), clock)
    async with house.db.transaction() as tx:
        waiting = text("SELECT count(*) FROM supervisor.outbox WHERE name = :name")
        assert await tx.scalar(waiting, {"name": WRITE.name}) == 0


def test_every_letter_is_written_in_both_languages() -> None:
    for written in (letters.SUBJECTS, letters.TEXTS, letters.ACTIONS):
        assert written["ko"].keys() == written["en"].keys() == letters.SUBJECTS["ko"].keys()
