"""The lock: one holder at a time, only the owner extends or releases, and the fencing number only grows."""

import asyncio
import contextvars
import math
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang.kernel.house import House
from madang.kernel.lock import Locks

HOLDERS = 3
STEPS = st.lists(
    st.tuples(st.integers(0, HOLDERS - 1), st.sampled_from(["acquire", "extend", "release", "expire"])), max_size=30
)


class Model:
    """What should be: who holds the lock, and which holder still believes to."""

    def __init__(self) -> None:
        self.owner: int | None = None
        self.believes: set[int] = set()
        self.fences: list[int] = []

    def acquire(self, who: int, fence: int) -> None:
        assert bool(fence) == (self.owner is None)
        if fence:
            assert fence > max(self.fences, default=0)
            self.fences.append(fence)
            self.owner = who
            self.believes.add(who)

    def extend(self, who: int, *, done: bool) -> None:
        assert done == (self.owner == who and who in self.believes)

    def release(self, who: int, *, done: bool) -> None:
        assert done == (self.owner == who and who in self.believes)
        self.believes.discard(who)
        if done:
            self.owner = None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_it_does_what_a_plain_model_does(house: House, steps: list[tuple[int, str]]):
    locks, name, model = Locks(house.valkey, f"t{uuid4().hex}"), "door", Model()
    contexts = [contextvars.copy_context() for _ in range(HOLDERS)]

    async def act(who: int, work: Coroutine[Any, Any, Any]) -> Any:
        return await asyncio.get_running_loop().create_task(work, context=contexts[who])

    for who, step in steps:
        if step == "acquire":
            model.acquire(who, await act(who, locks.acquire(name, 60)))
        elif step == "extend":
            model.extend(who, done=await act(who, locks.extend(name, 60)))
        elif step == "release":
            model.release(who, done=await act(who, locks.release(name)))
        else:
            await house.valkey.delete(locks._keys(name)[0])
            model.owner = None
        assert await locks.is_locked(name) == (model.owner is not None)


async def test_of_many_who_want_it_one_at_a_time_holds_it(house: House, prefix: str):
    locks, inside, most, fences = Locks(house.valkey, prefix), 0, 0, []

    async def want() -> None:
        nonlocal inside, most
        fence = await locks.acquire("counter", ttl=20, timeout=20)
        assert fence
        fences.append(fence)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        assert await locks.release("counter")

    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(want())
    assert most == 1
    assert fences == sorted(set(fences))


async def test_it_ends_by_itself_and_its_late_owner_can_neither_extend_nor_release(house: House, prefix: str):
    locks = Locks(house.valkey, prefix)
    first = await locks.acquire("short", ttl=0.03)
    second = await asyncio.get_running_loop().create_task(locks.acquire("short", ttl=30, timeout=5))
    assert second > first > 0
    assert not await locks.extend("short", 30)
    assert not await locks.release("short")
    assert await locks.is_locked("short")


async def test_a_call_that_is_repeated_because_its_reply_was_lost_gets_the_same_answer(house: House, prefix: str):
    locks = Locks(house.valkey, prefix)
    answers = [await locks._acquire(keys=locks._keys("twice"), args=[who, 9000]) for who in ("me", "me", "another")]
    assert answers == [1, 1, 0]


async def test_extending_holds_it_longer(house: House, prefix: str):
    locks = Locks(house.valkey, prefix)
    async with locks.lock("long", ttl=5) as acquired:
        assert acquired
        assert await locks.extend("long", 60)
        until = int(await house.valkey.hget(locks._keys("long")[0], "until") or 0)
        assert until / 1000 > (await house.valkey.time())[0] + 50
    assert not await locks.is_locked("long")


async def test_a_block_that_did_not_get_it_takes_it_from_nobody(house: House, prefix: str):
    locks = Locks(house.valkey, prefix)
    await asyncio.get_running_loop().create_task(locks.acquire("taken", ttl=60))
    async with locks.lock("taken", ttl=60, timeout=0.03) as acquired:
        assert not acquired
    assert await locks.is_locked("taken")


async def test_another_object_is_another_owner_also_in_the_same_task(house: House, prefix: str):
    owner, other = Locks(house.valkey, prefix), Locks(house.valkey, prefix)
    assert await owner.acquire("mine", ttl=60)
    assert not await other.acquire("mine", ttl=60)
    assert not await other.extend("mine", 60)
    assert not await other.release("mine")
    async with other.lock("mine", ttl=60) as acquired:
        assert not acquired
    assert await owner.extend("mine", 60)
    assert await owner.release("mine")


async def test_who_came_too_late_leaves_the_lock_of_the_next_object_alone(house: House, prefix: str):
    late, current = Locks(house.valkey, prefix), Locks(house.valkey, prefix)
    assert await late.acquire("handed", ttl=0.03)
    assert await current.acquire("handed", ttl=60, timeout=5)
    assert not await late.release("handed")
    assert await current.release("handed")


async def test_a_task_that_the_owner_started_may_extend_for_it(house: House, prefix: str):
    locks = Locks(house.valkey, prefix)
    async with locks.lock("beaten", ttl=60):
        assert await asyncio.get_running_loop().create_task(locks.extend("beaten", 60))


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf])
async def test_a_lock_for_no_time_or_for_ever_is_refused(house: House, prefix: str, ttl: float):
    with pytest.raises(ValueError, match="must be positive"):
        await Locks(house.valkey, prefix).acquire("never", ttl=ttl)
