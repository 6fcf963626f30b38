"""A new signing secret, and nobody loses anything: signed in, apps of codes, links, ways to a provider."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pyotp
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select, text, update

from madang import keyring
from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.accounts.module import Accounts
from madang.features.accounts.service import links, rotation, sealing
from madang.features.accounts.service.factors import totp
from madang.features.accounts.tables import AccountRow, AuthenticatorRow, LoginRow
from madang.features.organisations.service import codes
from madang.features.organisations.service.invites import good_until
from madang.features.organisations.tables import InviteRow
from madang.kernel.audit import AuditRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Row
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.settings import Settings
from tests.features.accounts.conftest import PASSWORD, Join, Person, bearer, visitor
from tests.features.accounts.guarding import LOGIN, STEP, Clock, Protected, protect
from tests.features.accounts.oidc import address, begin, come_back, who_is
from tests.features.accounts.provider import Provider

NEW = SecretStr("a secret that was made a moment ago, and is long enough")
AUTH = "/api/v1/auth"


async def asked(house: House, verb: str, path: str, token: str | None = None, **body: object) -> httpx.Response:
    async with visitor(house) as client:
        return await client.request(verb, path, json=body or None, headers=bearer(token) if token else {})


@pytest.fixture(autouse=True)
async def nothing_old(house: House) -> None:
    """Nothing of another test is left that needs a former secret: no app, and no sign-in or invite of days ago."""
    today = now() - timedelta(hours=1)
    async with house.db.transaction() as tx:
        await tx.execute(text('DELETE FROM "user".authenticators'))
        await tx.execute(update(LoginRow).where(LoginRow.rotated_at < today).values(rotated_at=today))
        await tx.execute(update(InviteRow).where(InviteRow.created_at < today).values(revoked_at=today))


@pytest.fixture
def folder(tmp_path: Path, house: House) -> Path:
    """A data folder whose secret is the one that the house of this test signs with."""
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "secrets" / keyring.CURRENT).write_text(house.settings.secret_key.get_secret_value())
    return tmp_path


def ring_of(folder: Path) -> keyring.Ring:
    ring = keyring.read(folder)
    assert ring is not None
    return ring


def settings_of(house: House, folder: Path) -> Settings:
    """Settings of the processes of a `madang up` that starts now."""
    ring = ring_of(folder)
    keys = {"secret_key": SecretStr(ring.current), "old_secret_keys": tuple(map(SecretStr, ring.secrets[1:]))}
    return house.settings.model_copy(update={**keys, "data_dir": folder})


@asynccontextmanager
async def restarted(house: House, folder: Path) -> AsyncIterator[House]:
    """The house of a `madang up` that starts now."""
    keyring.retire(folder, now())
    async with open_house(settings_of(house, folder), installed(), "test", lambda _: None) as opened:
        yield opened


async def turn(house: House, folder: Path) -> rotation.Rotation:
    with keyring.locked(folder):
        return await rotation.rotate(house, folder)


async def app_of(house: House, person: Person) -> bytes:
    """Begin codes of an app; the row's sealed secret."""
    async with house.db.transaction(Principal(person.id)) as tx:
        await totp.begin(house, tx, Principal(person.id))
    return (await sealed(house))[person.id]


async def sealed(house: House) -> dict[UUID, bytes]:
    async with house.db.transaction() as tx:
        rows = await tx.execute(select(AuthenticatorRow.account_id, AuthenticatorRow.sealed_secret))
        return {row.account_id: row.sealed_secret for row in rows}


async def sign_in_with_code(house: House, guarded: Protected) -> httpx.Response:
    guarded.clock.step()
    begun = await asked(house, "POST", LOGIN, email=guarded.person.email, password=PASSWORD)
    body = {"challenge": begun.json()["challenge"], "method": "totp", "code": guarded.code()}
    return await asked(house, "POST", STEP, **body)


@pytest.fixture
async def rotated(house: House):
    settings = house.settings.model_copy(update={"secret_key": NEW, "old_secret_keys": (house.settings.secret_key,)})
    async with open_house(settings, [Accounts()], "test", lambda _: None) as opened:
        yield opened


async def test_who_is_signed_in_stays_so_and_gets_tokens_of_the_new_secret(rotated: House, join: Join):
    person = await join()
    assert (await asked(rotated, "GET", f"{AUTH}/me", person.access_token)).status_code == 200
    renewed = await asked(rotated, "POST", f"{AUTH}/refresh", refresh_token=person.refresh_token)
    assert renewed.status_code == 200
    settings = rotated.settings.model_copy(update={"old_secret_keys": ()})
    async with open_house(settings, [Accounts()], "test", lambda _: None) as later:
        tokens = renewed.json()
        assert (await asked(later, "GET", f"{AUTH}/me", tokens["access_token"])).status_code == 200
        again = await asked(later, "POST", f"{AUTH}/refresh", refresh_token=tokens["refresh_token"])
        assert again.status_code == 200
        stale = await asked(later, "GET", f"{AUTH}/me", person.access_token)
        assert (stale.status_code, stale.json()["code"]) == (401, "token_invalid"), (
            "a secret that is taken away is gone"
        )


async def test_the_app_of_a_second_factor_goes_on(
    rotated: House, api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
):
    clock = Clock()
    monkeypatch.setattr(totp, "now", clock)
    guarded = await protect(api, await join(), clock)
    clock.step()
    begun = await asked(rotated, "POST", LOGIN, email=guarded.person.email, password=PASSWORD)
    body = {"challenge": begun.json()["challenge"], "method": "totp", "code": guarded.app.at(clock.moment)}
    done = await asked(rotated, "POST", STEP, **body)
    assert done.status_code == 200, done.text


async def test_everything_goes_through_ten_rotations(
    house: House, folder: Path, guarded: Protected, join: Join, idp: Provider
):
    person, forgetful, email = await join(), await join(), address()
    async with house.db.transaction() as tx:
        row = await tx.get_one(AccountRow, forgetful.id)
        link = links.token(house, "password_reset", row)
    async with _browser(house) as browser:
        url = await begin(browser)
        cookies = dict(browser.cookies)
    code = codes.make()
    known = codes.digest(house.settings.secrets[0], code)
    for count in range(1, 11):
        async with restarted(house, folder) as running:
            done = await turn(running, folder)
            assert (done.kept, done.dropped, done.unreadable) == (count, 0, 0)
            assert done.sealed == 1
    async with restarted(house, folder) as last:
        assert len(last.settings.secrets) == 11
        assert (await asked(last, "GET", f"{AUTH}/me", person.access_token)).status_code == 200
        renewed = await asked(last, "POST", f"{AUTH}/refresh", refresh_token=person.refresh_token)
        assert renewed.status_code == 200
        assert (await sign_in_with_code(last, guarded)).status_code == 200
        async with _browser(last) as browser:
            words = {"token": link, "password": "another courtyard 8"}
            reset = await browser.post(f"{AUTH}/password/reset", json=words)
            assert reset.status_code == 204, reset.text
            browser.cookies.update(cookies)
            back = await come_back(browser, url, idp.sign_in(url, email=email, sub=email))
            assert (await who_is(browser, back))["email"] == email
        assert known in [codes.digest(one, code) for one in last.settings.secrets]


def _browser(house: House) -> httpx.AsyncClient:
    return visitor(house)


async def test_between_the_rotation_and_the_restart_apps_of_codes_go_on(house: House, folder: Path, guarded: Protected):
    async with restarted(house, folder) as running:
        await turn(running, folder)
        assert (await sign_in_with_code(running, guarded)).status_code == 200
        kept = (await sealed(house))[guarded.person.id]
        assert sealing.unseal_with([ring_of(folder).current], kept, guarded.person.id) is not None


async def test_what_is_opened_with_a_former_secret_is_sealed_anew(rotated: House, guarded: Protected):
    assert (await sign_in_with_code(rotated, guarded)).status_code == 200
    kept = (await sealed(rotated))[guarded.person.id]
    assert sealing.unseal_with([NEW.get_secret_value()], kept, guarded.person.id) is not None
    assert (await sign_in_with_code(rotated, guarded)).status_code == 200


async def test_an_app_that_is_being_set_up_is_sealed_anew_by_its_first_code(
    house: House, rotated: House, join: Join, clock: Clock
):
    person = await join()
    begun = await asked(house, "POST", "/api/v1/users/me/totp", person.access_token, password=PASSWORD)
    code = pyotp.TOTP(begun.json()["secret"]).at(clock.moment)
    done = await asked(rotated, "POST", "/api/v1/users/me/totp/confirm", person.access_token, code=code)
    assert done.status_code == 200, done.text
    kept = (await sealed(rotated))[person.id]
    assert sealing.unseal_with([NEW.get_secret_value()], kept, person.id) is not None


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from madang.catalog import installed
from madang.features.accounts.service import rotation, sealing
from madang import keyring
from madang.kernel import settings
from madang.adapters.opening import open_house

rotation.BATCH = 2
folder, left, seal = Path(sys.argv[1]), 5, sealing.seal_with

def seal_and_die(*given):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return seal(*given)

sealing.seal_with = seal_and_die

async def main():
    async with open_house(settings.load(), installed(), "test", lambda _: None) as house:
        with keyring.locked(folder):
            await rotation.rotate(house, folder)

asyncio.run(main())
"""


def environment(house: House, folder: Path) -> dict[str, str]:
    settings, ring = house.settings, ring_of(folder)
    return {
        **os.environ,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "VALKEY_URL": settings.valkey_url.get_secret_value(),
        "MADANG_SECRET_KEY": ring.current,
        "MADANG_OLD_SECRET_KEYS": json.dumps(ring.secrets[1:]),
        "MADANG_DATA_DIR": str(folder),
    }


async def test_killed_in_the_middle_of_sealing_nothing_is_lost_and_the_next_one_goes_on(
    house: House, folder: Path, join: Join
):
    people = [await join() for _ in range(6)]
    for person in people:
        await app_of(house, person)
    old = ring_of(folder).current
    command = [sys.executable, "-c", KILLED, str(folder)]
    dead = await asyncio.to_thread(subprocess.run, command, env=environment(house, folder), check=False)
    assert dead.returncode == -signal.SIGKILL
    ring = ring_of(folder)
    assert (ring.secrets[1:], ring.is_sealing) == ((old,), True)
    found = {owner: kept for owner, kept in (await sealed(house)).items() if _opens(ring.secrets, owner, kept)}
    assert found.keys() >= {person.id for person in people}
    anew = sum(_opens([ring.current], owner, kept) for owner, kept in found.items())
    assert anew == 4, "two whole batches"
    async with restarted(house, folder) as running:
        done = await turn(running, folder)
        assert done.sealed == len(found) - anew
        assert ring_of(folder).secrets == ring.secrets, "it goes on with the secret that the dead one made"
    assert all(_opens([ring.current], owner, kept) for owner, kept in (await sealed(house)).items() if owner in found)


def _opens(keys: "list[str] | tuple[str, ...]", owner: UUID, kept: bytes) -> bool:
    return sealing.unseal_with(keys, kept, owner) is not None


async def test_two_commands_at_the_same_time_rotate_one_after_the_other(house: House, folder: Path, join: Join):
    person = await join()
    await app_of(house, person)
    first = ring_of(folder).current
    command = [sys.executable, "-c", "from madang.cli import main; main()", "admin", "rotate-keys", "--json"]
    given = environment(house, folder)
    two = [await asyncio.create_subprocess_exec(*command, env=given, stdout=-1, stderr=-1) for _ in range(2)]
    told = [(await one.communicate(), one.returncode) for one in two]
    assert [code for _, code in told] == [0, 0], told
    assert sorted(json.loads(out)["kept"] for (out, _), _ in told) == [1, 2]
    ring = ring_of(folder)
    assert (len(set(ring.secrets)), ring.secrets[-1]) == (3, first)
    assert _opens([ring.current], person.id, (await sealed(house))[person.id])


async def _renewed_at(house: House, person: Person, days_ago: int) -> None:
    async with house.db.transaction() as tx:
        values = {"rotated_at": now() - timedelta(days=days_ago)}
        await tx.execute(update(LoginRow).where(LoginRow.account_id == person.id).values(values))


async def test_a_former_secret_goes_only_when_nobody_is_signed_in_by_it(
    house: House, folder: Path, guarded: Protected, join: Join
):
    person = await join()
    await _renewed_at(house, person, days_ago=11)
    async with restarted(house, folder) as running:
        await turn(running, folder)
    first = ring_of(folder).secrets[1]
    keyring.retire(folder, now() - timedelta(days=10))
    async with restarted(house, folder) as running:
        done = await turn(running, folder)
        assert (done.kept, done.dropped) == (2, 0), "somebody is signed in by it"
        assert done.needed_until >= now() + timedelta(days=29)
    await _renewed_at(house, person, days_ago=9)
    async with restarted(house, folder) as running:
        assert (await turn(running, folder)).dropped == 1
        assert first not in ring_of(folder).secrets
    async with restarted(house, folder) as running:
        assert (await sign_in_with_code(running, guarded)).status_code == 200


async def test_a_former_secret_stays_while_links_or_codes_of_invitations_are_good(
    house: House, folder: Path, join: Join
):
    async with restarted(house, folder) as running:
        await turn(running, folder)
    keyring.retire(folder, now() - timedelta(days=2))
    async with restarted(house, folder) as running:
        assert (await turn(running, folder)).dropped == 0, "a link that proves an address is good for three days"
    boss = await join(supervisor=True)
    async with house.db.transaction() as tx:
        place = new_id()
        made = text("INSERT INTO partner.scopes (id, kind, path, name) VALUES (:id, 'organisation', :path, 'A school')")
        await tx.execute(made, {"id": place, "path": [place]})
        tx.add(_invite(place, boss.id))
        await tx.flush()
        assert await good_until(tx, now() - timedelta(days=8)) is not None
        await tx.execute(update(InviteRow).where(InviteRow.scope_id == place).values(used_count=1))
        assert await good_until(tx, now() - timedelta(days=8)) is None, "a code that is used up needs no key"


def _invite(place: UUID, boss: UUID) -> InviteRow:
    times = {"created_at": now() - timedelta(days=9), "expires_at": now() + timedelta(days=20)}
    whose = {"scope_id": place, "path": [place], "role": "student", "created_by": boss}
    return InviteRow(**whose, **times, code_hash=os.urandom(32), note="", max_uses=1)


async def test_the_house_notes_a_rotation_without_any_secret(house: House, folder: Path):
    async with restarted(house, folder) as running:
        done = await turn(running, folder)
    async with house.db.transaction() as tx:
        query = select(AuditRow).where(AuditRow.action == "accounts.keys_rotated").order_by(AuditRow.id.desc()).limit(1)
        row = (await tx.scalars(query)).one()
    assert (row.actor_id, row.target_kind, row.target_id) == (None, "house", None)
    assert row.details == {"sealed": done.sealed, "unreadable": done.unreadable, "kept": 1, "dropped": 0}


def test_everything_that_is_sealed_is_known_to_the_rotation():
    columns = [f"{table}.{column.name}" for table in Row.metadata.tables.values() for column in table.columns]
    assert [one for one in columns if "sealed" in one] == ["user.authenticators.sealed_secret"]


@pytest.mark.parametrize("keys", ['["stumpy"]', '["%s", "stumpy"]' % ("x" * 32)])
def test_a_former_secret_that_is_short_is_refused_and_not_shown(keys: str, house: House):
    given = house.settings
    with pytest.raises(ValidationError, match="each has at least 32 characters") as refused:
        Settings(
            database_url=given.database_url,
            valkey_url=given.valkey_url,
            secret_key=given.secret_key,
            old_secret_keys=json.loads(keys),
        )
    assert "stumpy" not in str(refused.value)
