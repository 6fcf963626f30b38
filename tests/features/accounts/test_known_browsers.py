"""A browser that somebody signed in with is known wherever it is; and every use that a thief could make of that."""

import asyncio
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import func, select, update

from madang.adapters.opening import open_house
from madang.features.accounts import settings
from madang.features.accounts.contracts import WRITE, Device
from madang.features.accounts.module import Accounts
from madang.features.accounts.service import (
    browsers,
    desk,
    devices,
    links,
    overseeing,
    people,
    recovery,
    rotation,
    signing_in,
    throttle,
    tokens,
)
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel import mail
from madang.kernel.audit import AuditRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import OUTBOX
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.ids import new_id
from tests.features.accounts.conftest import PASSWORD, Join, Person, bearer
from tests.features.accounts.guarding import Clock
from tests.features.accounts.test_guessing_attacks import Hashes, addresses, besiege, guess, hashes

AUTH = "/api/v1/auth"
COOKIE = "madang_browser"
KEYS = tokens.derive_keys("a secret for tests that is long enough")

__all__ = ["hashes"]


@pytest.fixture(autouse=True)
def standing(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(throttle, "now", clock)
    return clock


@asynccontextmanager
async def browser(house: House, cookies: dict[str, str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at an address that nobody was at before."""
    transport = httpx.ASGITransport(build_app(house, [Accounts()]), client=(addresses(1)[0], 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        for name, value in (cookies or {}).items():
            client.cookies.set(name, value, domain="madang.test", path=AUTH)
        yield client


async def enter(client: httpx.AsyncClient, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    body = {"email": email, "password": password, "session": "cookie"}
    return await client.post(f"{AUTH}/login", json=body, headers=headers)


async def cookies_of(house: House, email: str) -> dict[str, str]:
    """What a browser keeps of somebody who signed in with it and out again."""
    async with browser(house) as client:
        entered = await enter(client, email)
        assert entered.status_code == 200, entered.text
        await client.post(f"{AUTH}/logout")
        return {COOKIE: client.cookies[COOKIE]}


async def is_let_in(house: House, email: str, cookies: dict[str, str], password: str = PASSWORD) -> bool:
    """Whether a browser with these cookies signs in somewhere new while strangers guess; the cookie stays as it is."""
    async with browser(house, cookies) as client:
        answer = await enter(client, email, password)
    assert answer.status_code in {200, 401, 429}, answer.text
    return answer.status_code == 200


async def test_brute_force_cannot_lock_out_a_browser_that_is_known(house: House, join: Join) -> None:
    person = await join()
    cookies = await cookies_of(house, person.email)
    await besiege(house, person.email)
    assert not await is_let_in(house, person.email, {})
    assert await is_let_in(house, person.email, cookies)


async def test_brute_force_beside_a_known_browser_cannot_lock_it_out(house: House, join: Join) -> None:
    """Whoever guesses in the same network, at everybody, uses up what that address has and not this browser's."""
    person = await join()
    cookies = await cookies_of(house, person.email)
    async with browser(house) as neighbour:
        for _ in range(settings.load().sign_in_address_attempts + 1):
            answer = await enter(neighbour, f"{new_id()}@example.org", "x")
        assert answer.status_code == 429
        assert (await enter(neighbour, person.email)).status_code == 429
        neighbour.cookies.set(COOKIE, cookies[COOKIE], domain="madang.test", path=AUTH)
        assert (await enter(neighbour, person.email)).status_code == 200


async def test_a_stolen_cookie_has_few_guesses_wherever_it_is(house: House, join: Join, hashes: Hashes) -> None:
    person = await join()
    cookies = await cookies_of(house, person.email)
    await besiege(house, person.email)
    hashes.count = 0
    for _ in range(throttle.BROWSER_ATTEMPTS + 10):
        assert not await is_let_in(house, person.email, cookies, "not the courtyard")
    assert hashes.count == throttle.BROWSER_ATTEMPTS
    assert not await is_let_in(house, person.email, cookies)
    assert (await guess(house, person.email, person.email, PASSWORD))[0] == str(person.id), "where the owner was before"


async def test_a_stolen_cookie_has_its_guesses_once_however_it_is_written(
    house: House, join: Join, hashes: Hashes
) -> None:
    """The last letter of base64 has bits that mean nothing, and a cookie may name a sign-in twice."""
    person = await join()
    (cookie,) = (await cookies_of(house, person.email)).values()
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    first = letters.index(cookie[-1]) // 4 * 4
    written = {f"{cookie[:-1]}{last}" for last in letters[first : first + 4]} | {f"{cookie}.{cookie}", f".{cookie}."}
    assert all(len(browsers.read(KEYS, one)) == 1 for one in written)
    await besiege(house, person.email)
    hashes.count = 0
    for one in written:
        await is_let_in(house, person.email, {COOKIE: one}, "not the courtyard")
    await is_let_in(house, person.email, {COOKIE: cookie}, "not the courtyard")
    assert hashes.count == throttle.BROWSER_ATTEMPTS


async def test_a_copy_of_the_cookie_ends_when_its_owner_signs_in_again(house: House, join: Join) -> None:
    person = await join()
    stolen = await cookies_of(house, person.email)
    async with browser(house, stolen) as client:
        assert (await enter(client, person.email)).status_code == 200
        fresh = {COOKIE: client.cookies[COOKIE]}
    assert fresh != stolen
    await besiege(house, person.email)
    assert not await is_let_in(house, person.email, stolen)
    assert await is_let_in(house, person.email, fresh)


async def by_mail(house: House, person: Person) -> None:
    async with house.db.transaction() as tx:
        token = links.token(house, "password_reset", await tx.get_one(AccountRow, person.id))
    await recovery.reset(house, token, PASSWORD + "!", Device("elsewhere", "a phone"))


async def everywhere(house: House, person: Person) -> None:
    await devices.end_others(house, Principal(person.id), including_this=True)


async def elsewhere(house: House, person: Person) -> None:
    login = await signing_in.sign_in(house, person.email, PASSWORD, Device(person.email, "another"))
    keys = (await house.resource(desk.open_desk)).keys
    login_id = tokens.read_access_token(keys, login.access_token).login_id
    await devices.end_others(house, Principal(person.id, login_id=login_id), including_this=False)


async def by_password(house: House, person: Person) -> None:
    who, device = Principal(person.id, login_id=new_id()), Device(person.email, "another")
    await devices.change_password(house, who, PASSWORD, PASSWORD + "!", device)


async def by_a_supervisor(house: House, person: Person) -> None:
    async with house.db.transaction() as tx:
        boss = await tx.scalar(select(AccountRow.id).where(AccountRow.is_supervisor.is_(True)).limit(1))
    assert boss is not None
    await overseeing.end_sign_ins(house, Principal(boss, is_supervisor=True), person.id)


async def by_the_operator(house: House, person: Person) -> None:
    await people.end_by_operator(house, person.email)


@pytest.mark.parametrize("how", [by_mail, everywhere, elsewhere, by_password, by_a_supervisor, by_the_operator])
async def test_known_browsers_end_with_all_sign_ins(
    how: Callable[[House, Person], Awaitable[None]], house: House, join: Join
) -> None:
    """That of a sign-in that was signed out before, too."""
    await join(supervisor=True)
    person = await join()
    cookies = await cookies_of(house, person.email)
    await how(house, person)
    changed = PASSWORD + "!" if how in {by_mail, by_password} else PASSWORD
    await besiege(house, person.email)
    assert not await is_let_in(house, person.email, cookies, changed)


async def test_ending_one_device_ends_its_cookie_and_no_other(house: House, join: Join) -> None:
    person = await join()
    other = await cookies_of(house, person.email)
    async with browser(house) as client:
        entered = await enter(client, person.email)
        token = entered.json()["access_token"]
        listed = (await client.get(f"{AUTH}/sessions/", headers=bearer(token))).json()["items"]
        (this,) = [one["id"] for one in listed if one["is_current"]]
        assert (await client.delete(f"{AUTH}/sessions/{this}", headers=bearer(token))).status_code == 204
        ended = {COOKIE: client.cookies[COOKIE]}
    await besiege(house, person.email)
    assert not await is_let_in(house, person.email, ended)
    assert await is_let_in(house, person.email, other)


async def test_a_replayed_refresh_token_ends_the_cookie_that_was_stolen_with_it(
    house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_in, "GRACE", timedelta(0))
    person = await join()
    async with browser(house) as client:
        await enter(client, person.email)
        stolen = dict(client.cookies)
        assert (await client.post(f"{AUTH}/refresh")).status_code == 200
    async with browser(house, stolen) as thief:
        assert (await thief.post(f"{AUTH}/refresh")).status_code == 401
    await besiege(house, person.email)
    assert not await is_let_in(house, person.email, {COOKIE: stolen[COOKIE]})


async def test_a_cookie_is_nobody_elses(house: House, join: Join) -> None:
    person, other = await join(), await join()
    cookies = await cookies_of(house, other.email)
    await besiege(house, person.email)
    assert not await is_let_in(house, person.email, cookies)


async def test_a_cookie_tells_nothing_about_which_addresses_exist(house: House, join: Join, hashes: Hashes) -> None:
    """A genuine one, at the doors of somebody else and of nobody."""
    mine, other = await join(), await join()
    (cookie,) = (await cookies_of(house, mine.email)).values()
    seen = []
    for email in (other.email, f"{new_id()}@example.org"):
        hashes.count = 0
        answers = []
        for address in addresses(throttle.STRANGE_ATTEMPTS + 3):
            async with browser(house, {COOKIE: cookie}) as client:
                client._transport.client = (address, 1)  # type: ignore[attr-defined]  # httpx keeps it there
                answer = await enter(client, email, "not the courtyard")
            told = {key: value for key, value in answer.json().items() if key != "request_id"}
            answers.append((answer.status_code, told, answer.headers.get("retry-after"), answer.cookies.get(COOKIE)))
        seen.append((answers, hashes.count))
    assert seen[0] == seen[1]


async def test_a_cookie_is_good_for_nothing_else(house: House, join: Join) -> None:
    person = await join()
    (cookie,) = (await cookies_of(house, person.email)).values()
    async with browser(house) as client:
        assert (await client.get(f"{AUTH}/me", headers=bearer(cookie))).status_code == 401
        assert (await client.post(f"{AUTH}/refresh", json={"refresh_token": cookie})).status_code == 401
        client.cookies.set("madang_refresh", cookie, domain="madang.test", path=AUTH)
        assert (await client.post(f"{AUTH}/refresh")).status_code == 401
        client.cookies.set(COOKIE, cookie, domain="madang.test", path=AUTH)
        assert (await client.get(f"{AUTH}/me")).status_code == 401


async def test_the_cookie_is_out_of_reach_and_outlives_the_sign_in(house: House, join: Join) -> None:
    person = await join()
    async with browser(house) as client:
        entered = await enter(client, person.email)
        (said,) = [one for one in entered.headers.get_list("set-cookie") if one.startswith(f"{COOKIE}=")]
        parts = {part.strip().lower() for part in said.split(";")[1:]}
        assert parts == {"httponly", "samesite=lax", f"path={AUTH}", f"max-age={90 * 24 * 3600}"}
        out = await client.post(f"{AUTH}/logout")
        assert COOKIE not in str(out.headers)
        token = await client.post(f"{AUTH}/login", json={"email": person.email, "password": PASSWORD})
        assert COOKIE in token.cookies, "it moves on with the browser, whatever else that keeps"
    async with browser(house) as program:
        token = await program.post(f"{AUTH}/login", json={"email": person.email, "password": PASSWORD})
        assert "set-cookie" not in token.headers, "a program has no browser"


async def test_who_is_signed_in_gets_one_by_going_on(house: House, join: Join) -> None:
    """Those who were signed in before there was such a cookie, and those whose cookie was signed with a former key."""
    person = await join()
    async with browser(house) as client:
        await enter(client, person.email)
        del client.cookies[COOKIE]
        assert (await client.post(f"{AUTH}/refresh")).status_code == 200
        cookies = {COOKIE: client.cookies[COOKIE]}
    await besiege(house, person.email)
    assert await is_let_in(house, person.email, cookies)


async def test_people_who_share_a_browser_are_each_known(house: House, join: Join) -> None:
    family = [await join() for _ in range(browsers.AT_MOST + 1)]
    async with browser(house) as client:
        for person in [*family, *family[1:], family[-1], family[-1]]:
            assert (await enter(client, person.email)).status_code == 200
            assert (await client.post(f"{AUTH}/refresh")).status_code == 200
        cookies = {COOKIE: client.cookies[COOKIE]}
    assert len(cookies[COOKIE].split(".")) == browsers.AT_MOST
    for person in (family[0], family[1], family[-1]):
        await besiege(house, person.email)
    assert not await is_let_in(house, family[0].email, cookies), "whose turn was longest ago"
    assert await is_let_in(house, family[1].email, cookies)
    assert await is_let_in(house, family[-1].email, cookies)


async def test_other_sites_do_not_use_a_browsers_tries_up(house: House, join: Join) -> None:
    person = await join()
    cookies = await cookies_of(house, person.email)
    await besiege(house, person.email)
    body = {"email": person.email, "password": "not the courtyard"}
    for number in range(throttle.BROWSER_ATTEMPTS + 1):
        site = {"sec-fetch-site": "same-site"} if number % 2 else {"origin": "http://blog.madang.test"}
        async with browser(house, cookies) as client:
            answer = await client.post(f"{AUTH}/login", json=body, headers=site)
        assert answer.status_code == 429
    assert await is_let_in(house, person.email, cookies)


async def test_two_tabs_that_sign_in_at_once_leave_a_browser_that_is_known(house: House, join: Join) -> None:
    person = await join()
    cookies = await cookies_of(house, person.email)
    async with browser(house, cookies) as client:
        answers = await asyncio.gather(*(enter(client, person.email) for _ in range(2)))
        assert [answer.status_code for answer in answers] == [200, 200]
        kept = {COOKIE: client.cookies[COOKIE]}
    await besiege(house, person.email)
    assert await is_let_in(house, person.email, kept)


async def test_a_known_browser_goes_through_a_rotation_of_the_secret(house: House, join: Join) -> None:
    person = await join()
    cookies = await cookies_of(house, person.email)
    await besiege(house, person.email)
    new = SecretStr("another secret for tests that is long enough")
    rotated = house.settings.model_copy(update={"secret_key": new, "old_secret_keys": (house.settings.secret_key,)})
    async with (
        open_house(rotated, [Accounts()], "test", lambda _: None) as later,
        browser(later, cookies) as client,
    ):
        assert (await enter(client, person.email)).status_code == 200
        fresh = {COOKIE: client.cookies[COOKIE]}
    without = house.settings.model_copy(update={"secret_key": new})
    async with open_house(without, [Accounts()], "test", lambda _: None) as last:
        assert not await is_let_in(last, person.email, cookies), "a secret that is taken away is gone"
        assert await is_let_in(last, person.email, fresh)


async def test_a_former_secret_is_kept_while_browsers_are_known_by_it(house: House, join: Join) -> None:
    person = await join()
    async with house.db.transaction() as tx:
        mine = update(LoginRow).where(LoginRow.account_id == person.id)
        long_ago = now() - timedelta(days=10_000)
        await tx.execute(mine.values(rotated_at=long_ago, ended_at=long_ago))
        until = await rotation.good_until(tx, long_ago + timedelta(days=1))
        assert until == long_ago + browsers.LIFETIME
        await tx.execute(mine.values(is_trusted=False))
        assert await rotation.good_until(tx, long_ago + timedelta(days=1)) < until


async def test_a_browser_is_forgotten_in_time(house: House, join: Join) -> None:
    person = await join()
    cookies = await cookies_of(house, person.email)
    async with house.db.transaction() as tx:
        mine = update(LoginRow).where(LoginRow.account_id == person.id)
        await tx.execute(mine.values(rotated_at=now() - browsers.LIFETIME))
    await besiege(house, person.email)
    assert not await is_let_in(house, person.email, cookies)


@given(st.text(max_size=400) | st.from_regex(r"[A-Za-z0-9_.-]{0,300}", fullmatch=True))
def test_whatever_is_in_the_cookie_it_names_nobody(cookie: str) -> None:
    assert browsers.read(KEYS, cookie) == []


@given(st.lists(st.uuids(), max_size=8, unique=True))
def test_what_is_written_is_read_again_up_to_so_many(logins: "list[object]") -> None:
    written = browsers.written(KEYS, logins)  # type: ignore[arg-type]  # they are UUIDs
    assert browsers.read(KEYS, written) == logins[: browsers.AT_MOST]
    assert len(written) < 256


async def test_a_lock_out_is_noted_and_told_once_and_not_for_each_guess(
    house: House, join: Join, standing: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    monkeypatch.setattr(mail, "is_set_up", lambda _: True)
    refused = throttle.REFUSED.labels("strangers")._value.get()
    await besiege(house, person.email)
    await asyncio.gather(*(guess(house, person.email, address) for address in addresses(50)))
    assert throttle.REFUSED.labels("strangers")._value.get() == refused + 51
    assert await noted(house, person) == ([{"lane": "strangers"}], 1)
    standing.step(throttle.STEADY_SECONDS)
    await house.valkey.delete(throttle._key(house, "first", f"strangers of {person.email} wait"))  # it is over by then
    await besiege(house, person.email)
    assert await noted(house, person) == ([{"lane": "strangers"}] * 2, 1), "and a letter a day"


async def noted(house: House, person: Person) -> tuple[list[dict[str, object]], int]:
    """What the audit log says about attempts being held off, and how many letters are on their way."""
    async with house.db.transaction() as tx:
        held = select(AuditRow.details).where(
            AuditRow.action == "accounts.sign_in_held_off", AuditRow.target_id == person.id
        )
        wanted = select(func.count()).where(
            OUTBOX.c.name == WRITE.name,
            OUTBOX.c.payload["kind"].astext == "sign_in_guessed",
            OUTBOX.c.payload["email"].astext == person.email,
        )
        return list(await tx.scalars(held)), await tx.scalar(wanted) or 0
