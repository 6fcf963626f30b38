"""Guessing while Valkey is really gone: killed, hanging, and back again."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.accounts import settings
from madang.features.accounts.service import spare, throttle
from madang.features.accounts.service.spare import Spare
from madang.kernel.audit import AuditRow
from madang.kernel.errors import TooMany
from madang.kernel.house import House
from madang.kernel.settings import Settings
from madang.local.valkey import ValkeyServer
from tests.features.accounts.conftest import PASSWORD, Join
from tests.features.accounts.guarding import Clock
from tests.features.accounts.test_guessing_attacks import addresses, besiege, guess


@pytest.fixture(autouse=True)
def patience() -> None:
    """The product's own: here Valkey does go away."""


@pytest.fixture(autouse=True)
def standing(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(throttle, "now", clock)
    return clock


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey of this test's own, which it may kill."""
    server = ValkeyServer(tmp_path)
    server.start()
    try:
        yield server
    finally:
        if server.pid is not None:
            os.kill(server.pid, signal.SIGCONT)
        server.stop()


@pytest.fixture
async def lonely(house_settings: Settings, server: ValkeyServer) -> AsyncIterator[House]:
    """A house on that Valkey, with the database of the others."""
    changed = house_settings.model_copy(update={"valkey_url": SecretStr(server.url)})
    async with open_house(changed, installed(), "test", lambda _: None) as opened:
        yield opened


@pytest.mark.parametrize("how", ["killed", "hanging"])
async def test_brute_force_while_valkey_is_away_is_bounded_and_people_sign_in(
    how: str, lonely: House, server: ValkeyServer, join: Join
) -> None:
    person, email = await join(), "nobody-at-all@example.org"
    assert (await guess(lonely, person.email, addresses(1)[0], PASSWORD))[0] == str(person.id)
    if how == "killed":
        server.stop()
    else:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
    assert (await guess(lonely, person.email, addresses(1)[0], PASSWORD))[0] == str(person.id)
    (there,) = addresses(1)
    answers = [(await guess(lonely, person.email, there))[0] for _ in range(15)]
    limit = settings.load().sign_in_attempts
    assert answers == ["invalid_credentials"] * limit + ["too_many_attempts"] * (15 - limit)
    await besiege(lonely, person.email, throttle.STRANGE_ATTEMPTS - limit)
    assert (await guess(lonely, person.email, person.email, PASSWORD))[0] == str(person.id), "where they were before"
    await besiege(lonely, email)


async def test_what_was_counted_before_valkey_went_away_still_counts(
    lonely: House, server: ValkeyServer, join: Join, standing: Clock
) -> None:
    person = await join()
    await besiege(lonely, person.email)
    server.stop()
    assert (await guess(lonely, person.email, addresses(1)[0]))[0] == "too_many_attempts"
    standing.step(throttle.STEADY_SECONDS / throttle.STRANGE_ATTEMPTS)
    answers = [(await guess(lonely, person.email, address))[0] for address in addresses(3)]
    assert answers == ["invalid_credentials", "too_many_attempts", "too_many_attempts"], "one has come back"


async def test_what_valkey_counted_counts_again_when_it_is_back(
    lonely: House, server: ValkeyServer, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spare, "APART_SECONDS", 0)
    monkeypatch.setattr(throttle, "PATIENCE_SECONDS", 60)  # it is killed or there, however slow the machine is
    person = await join()
    await besiege(lonely, person.email)
    server.stop()
    gate = await lonely.resource(throttle.open_gate)
    gate.spare = Spare()  # as in a process that starts now
    assert (await guess(lonely, person.email, addresses(1)[0]))[0] == "invalid_credentials"
    server.start()
    assert (await guess(lonely, person.email, addresses(1)[0]))[0] == "too_many_attempts"


async def test_success_takes_back_only_where_it_was_counted(
    lonely: House, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a sign-in that began while Valkey was away would undo a guesser's failure when it is back."""
    monkeypatch.setattr(spare, "APART_SECONDS", 0)
    monkeypatch.setattr(throttle, "PATIENCE_SECONDS", 60)  # it is killed or there, however slow the machine is
    counter = throttle.Counter("somebody", 3)
    await throttle.count(lonely, [counter, counter])
    server.stop()
    async with throttle.attempt(lonely, [counter]):
        server.start()
    await throttle.count(lonely, [counter])
    with pytest.raises(TooMany):
        await throttle.count(lonely, [counter])


async def test_while_valkey_is_away_a_lock_out_is_noted_once(lonely: House, server: ValkeyServer, join: Join) -> None:
    person = await join()
    server.stop()
    await besiege(lonely, person.email)
    await asyncio.gather(*(guess(lonely, person.email, address) for address in addresses(20)))
    query = select(func.count()).where(AuditRow.action == "accounts.sign_in_held_off", AuditRow.target_id == person.id)
    async with lonely.db.transaction() as tx:
        assert await tx.scalar(query) == 1


def test_a_flood_of_names_neither_grows_the_memory_nor_washes_an_attack_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare, "MOST", 100)
    monkeypatch.setattr(spare, "LEFT", 90)
    kept = Spare()
    assert [kept.count("victim", 5, 3600, 0) for _ in range(6)] == [0] * 5 + [720]
    for number in range(1000):
        assert kept.count(f"name {number}", 5, 3600, number) == 0
        assert len(kept) <= 100
    assert kept.count("victim", 5, 3600, 1000) > 0
    assert kept.count("victim", 5, 3600, 720_000) == 0


def test_this_process_counts_as_the_plain_rule_does() -> None:
    limit, window, moment, level = 5, 60, 1_000_000, 0.0
    kept, chance = Spare(), random.Random(7)
    passed: list[bool] = []
    for _ in range(500):
        pause = chance.choice([0, 0, 0, 3, 12, 13, 40])
        moment += pause * 1000
        level = max(0.0, level - pause * limit / window)
        if chance.random() < 0.2 and level >= 1:
            kept.take_back("x", limit, window, moment)
            level -= 1
        expected = level + 1 <= limit + 1e-6
        level += expected
        wait = kept.count("x", limit, window, moment)
        passed.append(not wait)
        assert passed[-1] is expected
        assert wait <= window / limit
    assert {True, False} <= set(passed)


async def test_without_valkey_unknown_addresses_are_told_the_same(
    lonely: House, server: ValkeyServer, join: Join
) -> None:
    person = await join()
    server.stop()
    places = addresses(throttle.STRANGE_ATTEMPTS + 3)
    known, unknown = [
        [await guess(lonely, email, address) for address in places]
        for email in (person.email, "nobody-there@example.org")
    ]
    assert known == unknown
    assert [answer[0] for answer in known].count("too_many_attempts") == 3
