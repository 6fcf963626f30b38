"""Leaving: at once nobody can use the account, for some days it can be kept, and then nothing of it is left."""

import asyncio
import io
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta
from zipfile import ZipFile

import httpx
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from madang.catalog import installed
from madang.features.accounts.cli import admin
from madang.features.accounts.contracts import EXPORT, MAY_LEAVE, ExportedFile
from madang.features.accounts.service import export, leaving
from madang.kernel import settings as kernel_settings
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict
from madang.kernel.house import House
from tests.features.accounts.conftest import PASSWORD, Join, Person, bearer, only

DAYS = 14


async def leave(api: httpx.AsyncClient, who: Person, whom: Person | None = None, **body: str) -> httpx.Response:
    body = body or {"password": PASSWORD}
    path = f"/api/v1/users/{(whom or who).id}"
    return await api.request("DELETE", path, json=body, headers=bearer(who.access_token))


async def sign_in(api: httpx.AsyncClient, who: Person) -> httpx.Response:
    return await api.post("/api/v1/auth/login", json={"email": who.email, "password": PASSWORD})


async def restore(api: httpx.AsyncClient, who: Person, password: str = PASSWORD) -> httpx.Response:
    return await api.post("/api/v1/auth/restore", json={"email": who.email, "password": password})


async def sql(house: House, statement: str, **values: object) -> list[dict[str, object]]:
    async with house.db.transaction() as tx:
        found = await tx.execute(text(statement), values)
        return [dict(row) for row in found.mappings()] if found.returns_rows else []


async def hurry(house: House, who: Person) -> None:
    """Let the account's days of grace be over."""
    await sql(house, 'UPDATE "user".accounts SET deletion_at = now() WHERE id = :id', id=who.id)


async def deeds(house: House, who: Person) -> list[str]:
    asked = "('accounts.deletion_ordered', 'accounts.restored', 'accounts.deleted', 'accounts.exported')"
    query = f"SELECT action FROM supervisor.audit WHERE target_id = :id AND action IN {asked} ORDER BY id"
    return [str(row["action"]) for row in await sql(house, query, id=who.id)]


async def test_an_account_that_leaves_is_of_no_use_and_can_be_kept(
    api: httpx.AsyncClient, join: Join, house: House
) -> None:
    person = await join()
    assert (await leave(api, person)).status_code == 204
    assert (await api.get("/api/v1/auth/me", headers=bearer(person.access_token))).json()["code"] == "signed_out"
    token = {"refresh_token": person.refresh_token}
    assert (await api.post("/api/v1/auth/refresh", json=token)).json()["code"] == "refresh_invalid"
    refused = await sign_in(api, person)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_leaving")
    assert refused.json()["can_restore"] is True
    left = datetime.fromisoformat(refused.json()["deletion_at"]) - now()
    assert timedelta(days=DAYS) - timedelta(minutes=5) < left <= timedelta(days=DAYS)
    assert (await restore(api, person, "another courtyard 8")).json()["code"] == "invalid_credentials"
    assert [(await restore(api, person)).status_code for _ in range(2)] == [204, 204]
    signed = await sign_in(api, person)
    assert (signed.status_code, signed.json()["user"]["deletion_at"]) == (200, None)
    assert await deeds(house, person) == ["accounts.deletion_ordered", "accounts.restored"]


async def test_a_sign_in_that_slipped_through_meanwhile_is_of_no_use(
    api: httpx.AsyncClient, join: Join, house: House
) -> None:
    person = await join()
    await leave(api, person)
    await sql(house, 'UPDATE "user".logins SET ended_at = NULL WHERE account_id = :id', id=person.id)
    assert (await api.get("/api/v1/auth/me", headers=bearer(person.access_token))).json()["code"] == "signed_out"
    token = {"refresh_token": person.refresh_token}
    assert (await api.post("/api/v1/auth/refresh", json=token)).json()["code"] == "refresh_invalid"


async def test_after_its_days_nothing_is_left_and_before_them_everything(
    api: httpx.AsyncClient, join: Join, house: House
) -> None:
    person, other = await join("Minji"), await join()
    await leave(api, person)
    await leaving.finish_due(house)
    assert (await sql(house, 'SELECT deleted_at FROM "user".accounts WHERE id = :id', id=person.id))[0][
        "deleted_at"
    ] is None
    await hurry(house, person)
    await asyncio.gather(*(leaving.finish_due(house) for _ in range(3)))
    row = (await sql(house, 'SELECT * FROM "user".accounts WHERE id = :id', id=person.id))[0]
    assert (row["name"], row["password_hash"], row["email"]) == ("", "", f"{person.id}@deleted.invalid")
    assert await sql(house, 'SELECT 1 FROM "user".logins WHERE account_id = :id', id=person.id) == []
    told = "SELECT 1 FROM supervisor.outbox WHERE name = 'accounts.deleted' AND payload->>'account_id' = :id"
    assert len(await sql(house, told, id=str(person.id))) == 1
    assert (await restore(api, person)).json()["code"] == (await sign_in(api, person)).json()["code"]
    assert (await sign_in(api, other)).status_code == 200


@pytest.mark.parametrize(("body", "code"), [({"password": "a wrong one"}, "password_wrong"), ({}, "password_needed")])
async def test_an_open_screen_is_not_enough(
    api: httpx.AsyncClient, join: Join, body: dict[str, str], code: str
) -> None:
    person = await join()
    path = f"/api/v1/users/{person.id}"
    refused = await api.request("DELETE", path, json=body, headers=bearer(person.access_token))
    assert (refused.status_code, refused.json()["code"]) == (403, code)
    assert (await api.get("/api/v1/auth/me", headers=bearer(person.access_token))).status_code == 200


async def test_a_password_cannot_be_guessed_there(
    api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, sign_in_attempts=3)
    person = await join()
    answers = [(await leave(api, person, password="a wrong one")).status_code for _ in range(4)]
    assert answers == [403, 403, 403, 429]
    assert (await leave(api, person)).status_code == 429


async def test_without_a_password_a_fresh_sign_in_is_asked_for(
    api: httpx.AsyncClient, join: Join, house: House
) -> None:
    person = await join()
    await sql(house, "UPDATE \"user\".accounts SET password_hash = '' WHERE id = :id", id=person.id)
    old = "UPDATE \"user\".logins SET created_at = now() - interval '11 minutes' WHERE account_id = :id"
    await sql(house, old, id=person.id)
    assert (await leave(api, person)).json()["code"] == "sign_in_again"
    await sql(house, 'UPDATE "user".logins SET created_at = now() WHERE account_id = :id', id=person.id)
    assert (await leave(api, person)).status_code == 204


async def test_whom_a_supervisor_deletes_only_a_supervisor_keeps(api: httpx.AsyncClient, join: Join) -> None:
    boss, person = await join(supervisor=True), await join()
    assert (await leave(api, boss, person, password="")).status_code == 204
    assert (await leave(api, boss, person)).json()["code"] == "account_leaving"
    assert (await sign_in(api, person)).json()["can_restore"] is False
    assert (await restore(api, person)).json()["code"] == "account_leaving"
    path = f"/api/v1/users/{person.id}"
    shown = await api.get(path, headers=bearer(boss.access_token))
    assert shown.json()["deletion_at"] is not None
    kept = await api.post(f"{path}/restore", headers=bearer(boss.access_token))
    assert (kept.status_code, kept.json()["deletion_at"]) == (200, None)
    assert (await sign_in(api, person)).status_code == 200


async def test_strangers_neither_delete_nor_restore(api: httpx.AsyncClient, join: Join) -> None:
    person, stranger = await join(), await join()
    assert (await leave(api, stranger, person)).status_code == 404
    refused = await api.post(f"/api/v1/users/{person.id}/restore", headers=bearer(stranger.access_token))
    assert (refused.status_code, refused.json()["code"]) == (403, "supervisor_only")


async def test_of_two_last_supervisors_who_leave_at_once_one_stays(
    empty: None, api: httpx.AsyncClient, join: Join
) -> None:
    first, second = await join(supervisor=True), await join(supervisor=True)
    answers = await asyncio.gather(leave(api, first), leave(api, second))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["code"] == "last_supervisor"


async def test_others_may_refuse_at_the_beginning_and_at_the_end(
    api: httpx.AsyncClient, join: Join, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, other = await join(), await join()
    refuse = True

    async def keep(_tx: Tx, account_id: object) -> None:
        if refuse and account_id == person.id:
            raise Conflict("last_owner", "Give the organisation another owner first.")

    monkeypatch.setattr(house.offers, "_offers", [*house.offers._offers, MAY_LEAVE.offer(keep)])
    assert (await leave(api, person)).json()["code"] == "last_owner"
    refuse = False
    assert (await leave(api, person)).status_code == 204
    assert (await leave(api, other)).status_code == 204
    refuse = True
    await hurry(house, person)
    await hurry(house, other)
    await leaving.finish_due(house)
    emptied = 'SELECT deleted_at IS NOT NULL AS gone FROM "user".accounts WHERE id = :id'
    assert [(await sql(house, emptied, id=one.id))[0]["gone"] for one in (person, other)] == [False, True]


async def test_without_grace_it_is_deleted_at_once(
    api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    only(monkeypatch, deletion_grace_days=0)
    assert (await leave(api, person)).status_code == 204
    assert (await sign_in(api, person)).json()["code"] == "invalid_credentials"


def read(packed: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_one_takes_along_what_is_ones_own_and_no_secret(api: httpx.AsyncClient, join: Join, house: House) -> None:
    person, other = await join("Minji"), await join("Somebody Else")
    answer = await api.get("/api/v1/users/me/export", headers=bearer(person.access_token))
    assert answer.headers["content-type"] == "application/zip"
    found = read(answer.content)
    assert json.loads(found["account/account.json"])["account"]["email"] == person.email
    assert json.loads(found["account/logins.json"])[0]["address"] == person.email
    everything = b"".join(found.values())
    secrets = await sql(house, 'SELECT password_hash FROM "user".accounts WHERE id = :id', id=person.id)
    for alien in (other.email, "Somebody Else", str(other.id), str(secrets[0]["password_hash"]), "salt"):
        assert alien.encode() not in everything
    assert await deeds(house, person) == ["accounts.exported"]


async def test_the_archive_of_a_large_document_needs_little_memory(
    join: Join, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    piece, pieces = bytes(range(256)) * 4096, 50

    async def large(_house: House, _who: Principal) -> AsyncIterator[ExportedFile]:
        async def content() -> AsyncIterator[bytes]:
            for _ in range(pieces):
                yield piece

        yield ExportedFile("large", content())

    monkeypatch.setattr(house.offers, "_offers", [EXPORT.offer(large)])
    monkeypatch.setattr(export, "ZIP_DEFLATED", 0)
    size = 0
    tracemalloc.start()
    try:
        async with aclosing(export.archive(house, Principal(person.id))) as sent:
            async for part in sent:
                size += len(part)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > pieces * len(piece)
    assert peak < 6 << 20


@pytest.fixture
def typed(house: House, monkeypatch: pytest.MonkeyPatch):
    """Type a command against the house of this test, in a thread, as each command has a loop of its own."""
    monkeypatch.setattr(kernel_settings, "load", lambda: house.settings)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, admin, words, obj=installed())

    return run


async def test_the_operator_does_the_same_by_command(
    typed, tmp_path, join: Join, house: House, api: httpx.AsyncClient
) -> None:
    person = await join()
    file = tmp_path / "export.zip"
    done = await typed("export", person.email, str(file))
    assert done.exit_code == 0, done.output
    assert json.loads(read(file.read_bytes())["account/account.json"])["account"]["id"] == str(person.id)
    assert "will be deleted on" in (await typed("delete", person.email)).output
    assert (await sign_in(api, person)).json()["can_restore"] is False
    assert "stays" in (await typed("restore", person.email)).output
    assert (await sign_in(api, person)).status_code == 200
    assert json.loads((await typed("delete", person.email, "--now", "--json")).output)["email"] == person.email
    assert (await sign_in(api, person)).json()["code"] == "invalid_credentials"
    assert "no account" in (await typed("delete", person.email)).output
