"""Guessing one account's password from many addresses, and making use of the defence to lock its owner out."""

import asyncio
import ipaddress
import random
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from madang.features.accounts import settings
from madang.features.accounts.contracts import Device
from madang.features.accounts.module import Accounts
from madang.features.accounts.service import desk, devices, leaving, links, recovery, signing_in, throttle
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel.auth import Principal
from madang.kernel.errors import Problem, TooMany
from madang.kernel.house import House
from madang.kernel.http import build_app
from tests.features.accounts.conftest import PASSWORD, Join
from tests.features.accounts.guarding import Clock
from tests.features.accounts.passkeys import question, with_passkey
from tests.features.accounts.passkeys import sign_in as sign_in_by_passkey

NEW = "another courtyard 8"
STEP_SECONDS = throttle.STEADY_SECONDS / throttle.STRANGE_ATTEMPTS


@pytest.fixture(autouse=True)
def standing(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The moment that failures are counted at; it stands still while thousands guess."""
    clock = Clock()
    monkeypatch.setattr(throttle, "now", clock)
    return clock


@dataclass
class Hashes:
    """How often a password was compared with a hash, of an account or of nobody's."""

    count: int = 0
    kept: list[str | None] = field(default_factory=list)


@pytest.fixture
async def hashes(house: House, monkeypatch: pytest.MonkeyPatch) -> Hashes:
    counted = Hashes()
    hashing = (await house.resource(desk.open_desk)).hashing
    verify = hashing.verify

    async def counting(kept: str | None, password: str) -> Any:
        counted.count += 1
        counted.kept.append(kept)
        return await verify(kept, password)

    monkeypatch.setattr(hashing, "verify", counting)
    return counted


def addresses(count: int) -> list[str]:
    """So many addresses that nobody ever came from."""
    first = int(ipaddress.ip_address("10.0.0.0")) + secrets.randbelow(2**22)
    return [str(ipaddress.ip_address(first + number)) for number in range(count)]


async def guess(house: House, email: str, address: str, password: str = "not the courtyard") -> tuple[str, str, Any]:
    """What is answered: the code, the sentence, and when to come again."""
    try:
        signed = await signing_in.sign_in(house, email, password, Device(address, "a guesser"))
    except Problem as problem:
        return problem.code, problem.detail, problem.headers.get("Retry-After")
    return str(signed.account.id), "signed in", None


async def besiege(house: House, email: str, count: int = throttle.STRANGE_ATTEMPTS) -> None:
    """Use up all that strangers have."""
    for address in addresses(count):
        assert (await guess(house, email, address))[0] == "invalid_credentials"
    assert (await guess(house, email, addresses(1)[0]))[0] == "too_many_attempts"


async def test_brute_force_from_many_addresses_is_bounded(
    house: House, join: Join, hashes: Hashes, standing: Clock
) -> None:
    person = await join()
    hashes.count = 0
    offered = addresses(3000)
    answers = await asyncio.gather(*(guess(house, person.email, address) for address in offered))
    assert hashes.count == throttle.STRANGE_ATTEMPTS
    assert [answer[0] for answer in answers].count("invalid_credentials") == throttle.STRANGE_ATTEMPTS
    assert {answer[0] for answer in answers} == {"invalid_credentials", "too_many_attempts", "sign_in_busy"}
    later = await asyncio.gather(*(guess(house, person.email, address) for address in addresses(desk.WAITING_AT_MOST)))
    assert {answer[0] for answer in later} == {"too_many_attempts"}
    assert hashes.count == throttle.STRANGE_ATTEMPTS
    for steps in (1, 3):
        hashes.count = 0
        standing.step(steps * STEP_SECONDS)
        await asyncio.gather(*(guess(house, person.email, address) for address in addresses(100)))
        assert hashes.count == steps


async def test_strangers_behind_a_proxy_that_is_not_trusted_share_no_known_place(house: House, join: Join) -> None:
    person = await join()
    proxy = addresses(1)[0]
    await signing_in.sign_in(house, person.email, PASSWORD, Device(proxy, "the owner"))
    await besiege(house, person.email)
    with pytest.raises(Problem) as caught:
        await signing_in.sign_in(house, person.email, PASSWORD, Device(proxy, "anybody", is_shared=True))
    assert caught.value.code == "too_many_attempts"
    signed = await signing_in.sign_in(house, person.email, PASSWORD, Device(proxy, "the owner"))
    assert signed.account.id == person.id


async def test_a_school_behind_one_address_signs_in_at_once(house: House, join: Join) -> None:
    people = [await join() for _ in range(3)]
    device = Device(addresses(1)[0], "a classroom")
    at_once = 2 * settings.load().sign_in_address_attempts // 3
    entered = await asyncio.gather(
        *(signing_in.sign_in(house, people[at % 3].email, PASSWORD, device) for at in range(at_once))
    )
    assert len(entered) == at_once


async def test_brute_force_from_many_addresses_through_every_door(house: House, join: Join, hashes: Hashes) -> None:
    """Restoring an account asks for the same password, so it is counted with signing in."""
    person = await join()
    hashes.count = 0

    async def restore(address: str) -> None:
        with pytest.raises(Problem):
            await leaving.restore(house, person.email, "not the courtyard", Device(address, "a guesser"))

    places = addresses(throttle.STRANGE_ATTEMPTS * 2)
    ways = [guess(house, person.email, one) if number % 2 else restore(one) for number, one in enumerate(places)]
    await asyncio.gather(*ways)
    assert hashes.count == throttle.STRANGE_ATTEMPTS


async def test_brute_force_from_the_addresses_of_one_network(house: House, join: Join, hashes: Hashes) -> None:
    """Whoever has an IPv6 network has 2^64 addresses, which are one client's."""
    person = await join()
    hashes.count = 0
    network = f"2001:db8:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}"
    places = [f"{network}:{secrets.randbelow(65536):x}::{number:x}" for number in range(200)]
    await asyncio.gather(*(guess(house, person.email, address) for address in places))
    assert hashes.count == settings.load().sign_in_attempts


async def test_brute_force_with_a_stolen_sign_in_from_many_addresses(house: House, join: Join, hashes: Hashes) -> None:
    """Who stole a sign-in does not get at the password behind it, wherever they guess from, nor shuts others out."""
    person = await join()
    async with house.db.transaction() as tx:
        login = await tx.scalar(select(LoginRow.id).where(LoginRow.account_id == person.id))
    who = Principal(person.id, login_id=login)
    hashes.count = 0
    codes = []
    for address in addresses(settings.load().sign_in_attempts + 5):
        with pytest.raises(Problem) as caught:
            await devices.change_password(house, who, "not the courtyard", NEW, Device(address, "a thief"))
        codes.append(caught.value.code)
    limit = settings.load().sign_in_attempts
    assert codes == ["password_wrong"] * limit + ["too_many_attempts"] * 5
    assert hashes.count == limit
    assert (await guess(house, person.email, addresses(1)[0], PASSWORD))[1] == "signed in"


async def test_brute_force_from_places_that_are_known_is_bounded_too(
    house: House, join: Join, hashes: Hashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stolen sign-in that is renewed here and there makes these places known, and still does not guess for ever."""
    monkeypatch.setattr(throttle, "KNOWN_ATTEMPTS", 15)
    person = await join()
    places = addresses(30)
    async with house.db.transaction() as tx:
        login = await tx.scalar(select(LoginRow).where(LoginRow.account_id == person.id))
        assert login is not None
        for address in places:
            copied = {"salt": login.salt, "rotated_at": login.rotated_at, "expires_at": login.expires_at}
            tx.add(LoginRow(account_id=person.id, address=address, user_agent="", **copied))
    hashes.count = 0
    await asyncio.gather(*(guess(house, person.email, address) for address in places))
    assert hashes.count == 15


async def test_brute_force_cannot_lock_the_owner_out_where_they_were_before(house: House, join: Join) -> None:
    person = await join()  # who signs in from an address that is their own e-mail address
    await besiege(house, person.email)
    for _ in range(3):
        assert (await guess(house, person.email, person.email, PASSWORD))[0] == str(person.id)
    await signing_in.sign_out(house, person.refresh_token)
    assert (await guess(house, person.email, person.email, PASSWORD))[0] == str(person.id)


async def test_brute_force_cannot_lock_the_owner_out_of_a_network_they_were_in(house: House, join: Join) -> None:
    """Addresses of IPv6 change every day, and the network stays."""
    person = await join()
    network = f"2001:db8:{secrets.randbelow(65536):x}:1"
    assert (await guess(house, person.email, f"{network}::5", PASSWORD))[0] == str(person.id)
    await besiege(house, person.email)
    assert (await guess(house, person.email, f"{network}:dead:beef::", PASSWORD))[0] == str(person.id)


async def test_brute_force_leaves_a_steady_number_of_tries_to_new_places(
    house: House, join: Join, standing: Clock
) -> None:
    person = await join()
    await besiege(house, person.email)
    told = await guess(house, person.email, addresses(1)[0], PASSWORD)
    assert told[0] == "too_many_attempts"
    assert 0 < int(told[2]) <= STEP_SECONDS
    standing.step(int(told[2]))
    for address in addresses(5):
        assert (await guess(house, person.email, address, PASSWORD))[0] == str(person.id), "the right one is free"


async def test_brute_force_cannot_lock_out_who_chooses_a_password_by_mail(house: House, join: Join) -> None:
    person = await join()
    await besiege(house, person.email)
    (there,) = addresses(1)
    for _ in range(settings.load().sign_in_attempts + 1):
        assert (await guess(house, person.email, there, PASSWORD))[0] == "too_many_attempts"
    async with house.db.transaction() as tx:
        row = await tx.get(AccountRow, person.id)
        assert row is not None
        token = links.token(house, "password_reset", row)
    await recovery.reset(house, token, NEW, Device(there, "a new phone"))
    assert (await guess(house, person.email, there, NEW))[0] == str(person.id)
    assert (await guess(house, person.email, addresses(1)[0], NEW))[0] == "too_many_attempts"


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(house, [Accounts()]), client=(addresses(1)[0], 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


async def test_brute_force_cannot_lock_out_who_has_a_passkey(api: httpx.AsyncClient, house: House, join: Join) -> None:
    person = await join()
    device = await with_passkey(api, person)
    await besiege(house, person.email)
    asked = await question(api)
    answer = await sign_in_by_passkey(api, asked["challenge"], device.get(asked["options"]))
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, str(person.id))
    login = await api.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert login.status_code == 200, "from now on this place is known"


async def test_brute_force_tells_nothing_about_which_addresses_exist(house: House, join: Join, hashes: Hashes) -> None:
    person = await join()
    unknown = f"{secrets.token_hex(6)}@example.org"
    seen: list[list[Any]] = []
    for email in (person.email, unknown, unknown.upper()):
        hashes.count, hashes.kept = 0, []
        answers = [await guess(house, email, address) for address in addresses(throttle.STRANGE_ATTEMPTS + 5)]
        seen.append([answers, hashes.count])
    assert seen[0] == seen[1], "word for word, and after as many hashes"
    assert {answer[0] for answer in seen[2][0]} == {"too_many_attempts"}, "however it is spelled"


async def test_timing_of_unknown_addresses_is_that_of_a_hash(house: House, join: Join, hashes: Hashes) -> None:
    """One comparison each, with the hash of nobody's password where there is no account."""
    person = await join()
    for email, is_known in ((person.email, True), ("nobody@example.org", False), ("not an address", False)):
        hashes.count, hashes.kept = 0, []
        assert (await guess(house, email, addresses(1)[0]))[0] == "invalid_credentials"
        assert (hashes.count, hashes.kept[0] is not None) == (1, is_known)


async def test_what_is_counted_is_forgotten_in_time(house: House, join: Join, standing: Clock) -> None:
    person = await join()
    await besiege(house, person.email)
    key = throttle._key(house, "attempts", f"strangers to {person.email}")
    left = await house.valkey.pttl(key)
    assert 0 < left <= throttle.STEADY_SECONDS * 1000
    assert len(await house.valkey.get(key)) < 20
    standing.step(throttle.STEADY_SECONDS)
    assert (await guess(house, person.email, addresses(1)[0], PASSWORD))[1] == "signed in"
    assert await house.valkey.exists(key) == 0, "nothing is left of who signs in well"


async def test_without_valkey_people_still_sign_in(house: House, join: Join) -> None:
    person = await join()

    class Away:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionError(name)

    gone: Any = replace(house, valkey=Away())  # type: ignore[arg-type]  # whatever is asked of it fails
    assert (await guess(gone, person.email, addresses(1)[0], PASSWORD))[0] == str(person.id)
    assert (await guess(gone, person.email, addresses(1)[0]))[0] == "invalid_credentials"


async def test_a_steady_counter_lets_pass_what_it_says_and_no_more(house: House, standing: Clock) -> None:
    """In any stretch of time no more than the limit and what came back in it, against the plain rule."""
    limit, window = 5, 60
    counter = throttle.Counter(secrets.token_hex(8), limit, window, steady=True)
    level, chance = 0.0, random.Random(7)
    passed: list[bool] = []
    for _ in range(300):
        pause = chance.choice([0, 0, 0, 3, 12, 13, 40])
        standing.step(pause)
        level = max(0.0, level - pause * limit / window)
        expected = level + 1 <= limit + 1e-6
        level += expected
        waits = 0
        try:
            await throttle.count(house, [counter])
        except TooMany as refused:
            waits = int(refused.headers["Retry-After"])
        passed.append(not waits)
        assert passed[-1] is expected
        assert waits <= window / limit
    assert {True, False} <= set(passed)


@given(st.text(max_size=60))
def test_any_address_has_a_place(address: str) -> None:
    assert throttle.place(throttle.place(address)) == throttle.place(address)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_the_place_of_an_address(address: str, place: str) -> None:
    assert throttle.place(address) == place
