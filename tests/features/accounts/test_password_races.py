"""A password that is changed while somebody uses the one before: in any order, the old one opens nothing after."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import func, select, text

from madang.features.accounts import settings
from madang.features.accounts.contracts import Device
from madang.features.accounts.service import desk, devices, leaving, signing_in
from madang.features.accounts.service.factors import challenges, held, second_step
from madang.features.accounts.service.registration import reset_password
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel.auth import Principal
from madang.kernel.errors import Problem, Unauthorized
from madang.kernel.house import House
from madang.kernel.jobs import spawn
from tests.features.accounts.conftest import PASSWORD, Join, Person
from tests.features.accounts.guarding import NEVER, Protected

NEW, OTHER = "another courtyard 8", "a third courtyard 9"
HERE = Device("198.51.100.7", "a browser")


class Pause:
    """A place where the first who comes by waits until they are let go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def here(self) -> None:
        if not self.reached.is_set():
            self.reached.set()
            await self.go_on.wait()


async def hashing_of(house: House) -> desk.Hashing:
    return (await house.resource(desk.open_desk)).hashing


def pause_after(monkeypatch: pytest.MonkeyPatch, target: Any, name: str) -> Pause:
    """Let the first call of `target.name` wait when it is done."""
    pause, done = Pause(), getattr(target, name)

    async def slower(*given: Any) -> Any:
        answer = await done(*given)
        await pause.here()
        return answer

    monkeypatch.setattr(target, name, slower)
    return pause


async def meanwhile(pause: Pause, slow: Coroutine[Any, Any, Any], deed: Callable[[], Awaitable[Any]]) -> Any:
    """Do the deed while `slow` waits at its pause; what `slow` gives then, or the code of its refusal."""
    going = spawn(slow, "slow")
    await pause.reached.wait()
    await deed()
    pause.go_on.set()
    try:
        return await going
    except Problem as problem:
        return problem.code


async def standing(house: House, person: Person) -> int:
    async with house.db.transaction() as tx:
        open_ones = (LoginRow.account_id == person.id, LoginRow.ended_at.is_(None))
        return await tx.scalar(select(func.count()).select_from(LoginRow).where(*open_ones)) or 0


async def kept(house: House, person: Person) -> str:
    async with house.db.transaction() as tx:
        return await tx.scalar(select(AccountRow.password_hash).where(AccountRow.id == person.id)) or ""


async def signs_in(house: House, person: Person, password: str) -> bool:
    try:
        await signing_in.sign_in(house, person.email, password, HERE)
    except Unauthorized:
        return False
    return True


async def test_sign_in_with_a_password_that_was_changed_after_it_was_compared(
    house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    pause = pause_after(monkeypatch, await hashing_of(house), "verify")
    late = signing_in.sign_in(house, person.email, PASSWORD, HERE)
    refused = await meanwhile(pause, late, lambda: reset_password(house, person.email, NEW))
    assert refused == "invalid_credentials"
    assert await standing(house, person) == 0
    assert await signs_in(house, person, NEW)


async def test_sign_in_that_began_before_the_password_changed_ends_with_it(
    house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other order: the sign-in holds the account, the change waits for it, and then ends it."""
    person = await join()
    pause = pause_after(monkeypatch, held, "demanded")
    late = spawn(signing_in.sign_in(house, person.email, PASSWORD, HERE), "late")
    await pause.reached.wait()
    change = spawn(reset_password(house, person.email, NEW), "change")
    async with asyncio.timeout(20):
        while not await _somebody_waits(house):
            assert not change.done(), "it has to wait for the sign-in"
    pause.go_on.set()
    signed = await late
    await change
    assert await standing(house, person) == 0
    with pytest.raises(Problem) as caught:
        await signing_in.refresh(house, signed.refresh_token, HERE)
    assert caught.value.code == "refresh_invalid"


async def _somebody_waits(house: House) -> bool:
    async with house.db.transaction() as tx:
        return bool(await tx.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


async def test_disabled_between_the_password_and_the_sign_in(
    house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    pause = pause_after(monkeypatch, await hashing_of(house), "verify")

    async def disable() -> None:
        async with house.db.transaction() as tx:
            await tx.execute(text('UPDATE "user".accounts SET disabled_at = now() WHERE id = :id'), {"id": person.id})

    late = signing_in.sign_in(house, person.email, PASSWORD, HERE)
    assert await meanwhile(pause, late, disable) == "account_disabled"


async def test_a_stronger_hash_of_the_old_password_never_replaces_the_new_password(
    house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    stronger = desk.Hashing(settings.load().password_hash_memory_kib * 2, 1, 1)
    monkeypatch.setattr(await house.resource(desk.open_desk), "hashing", stronger)
    pause = pause_after(monkeypatch, stronger, "verify")
    changed: list[str] = []

    async def change() -> None:
        await reset_password(house, person.email, NEW)
        changed.append(await kept(house, person))

    late = signing_in.sign_in(house, person.email, PASSWORD, HERE)
    assert await meanwhile(pause, late, change) == "invalid_credentials"
    assert [await kept(house, person)] == changed
    assert not await signs_in(house, person, PASSWORD)
    assert await signs_in(house, person, NEW)
    stronger.close()


async def test_sign_ins_at_once_that_renew_a_weak_hash_all_succeed(
    house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    stronger = desk.Hashing(settings.load().password_hash_memory_kib * 2, 1, 4)
    monkeypatch.setattr(await house.resource(desk.open_desk), "hashing", stronger)
    together, verify = asyncio.Barrier(desk.TURNS), stronger.verify
    left = [None] * 2 * desk.TURNS

    async def at_once(*given: Any) -> Any:
        verdict = await verify(*given)
        if left:
            left.pop()
            await together.wait()
        return verdict

    monkeypatch.setattr(stronger, "verify", at_once)
    assert all(await asyncio.gather(*(signs_in(house, person, PASSWORD) for _ in range(len(left)))))
    assert await standing(house, person) == 1 + 2 * desk.TURNS
    stronger.close()


async def test_second_step_after_a_password_that_was_changed_meanwhile(
    house: House, guarded: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = guarded.person
    with pytest.raises(Problem) as caught:
        await signing_in.sign_in(house, person.email, PASSWORD, HERE)
    pause = pause_after(monkeypatch, challenges, "count_try")
    answer = second_step.Answer("totp", guarded.code())
    late = second_step.finish(house, str(caught.value.extra["challenge"]), answer, NEVER, HERE)
    assert await meanwhile(pause, late, lambda: reset_password(house, person.email, NEW)) == "challenge_invalid"
    assert await standing(house, person) == 0


async def test_of_two_changes_at_once_with_one_password_one_succeeds(
    house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    hashing = await hashing_of(house)
    together, verify = asyncio.Barrier(2), hashing.verify

    async def at_once(*given: Any) -> Any:
        verdict = await verify(*given)
        await together.wait()
        return verdict

    async with house.db.transaction() as tx:
        login = await tx.scalar(select(LoginRow.id).where(LoginRow.account_id == person.id))
    who = Principal(person.id, login_id=login)
    monkeypatch.setattr(hashing, "verify", at_once)
    changes = (devices.change_password(house, who, PASSWORD, wanted, HERE) for wanted in (NEW, OTHER))
    ends = await asyncio.gather(*changes, return_exceptions=True)
    monkeypatch.setattr(hashing, "verify", verify)
    assert [one.code for one in ends if isinstance(one, Problem)] == ["password_wrong"]
    won = [wanted for wanted, end in zip((NEW, OTHER), ends, strict=True) if end is None]
    assert [await signs_in(house, person, wanted) for wanted in (*won, PASSWORD)] == [True, False]


async def test_leaving_by_a_password_that_was_changed_meanwhile(
    house: House, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await join()
    who = Principal(person.id)
    pause = pause_after(monkeypatch, await hashing_of(house), "verify")
    late = leaving.leave(house, who, person.id, PASSWORD, HERE)
    refused = await meanwhile(pause, late, lambda: reset_password(house, person.email, NEW))
    assert refused == "password_wrong"
    assert await signs_in(house, person, NEW), "nothing was deleted"
