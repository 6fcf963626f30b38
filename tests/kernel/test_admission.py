"""Admission: as many as there are slots, a line that is bounded, and room for those who read."""

import asyncio

import pytest

from madang.kernel.admission import Admission
from madang.kernel.errors import Unavailable


async def _hold(admission: Admission, held: asyncio.Event, *, is_writing: bool = True) -> None:
    async with admission.slot(is_writing=is_writing):
        await held.wait()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_writers_leave_slots_to_readers_and_are_served_in_order():
    admission, held = Admission(slots=3, write_slots=2, longest_line=10, longest_wait=5), asyncio.Event()
    order: list[int] = []

    async def write(number: int) -> None:
        async with admission.slot(is_writing=True):
            order.append(number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(_hold(admission, held))
        await _settle()
        for number in range(3):
            tasks.create_task(write(number))
        await _settle()
        async with asyncio.timeout(1), admission.slot(is_writing=False):
            assert order == []
        held.set()
    assert order == [0, 1, 2]


async def test_who_finds_the_line_full_is_refused_at_once_and_told_when_to_come_again():
    admission, held = Admission(slots=1, write_slots=1, longest_line=1, longest_wait=5), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_hold(admission, held))
        await _settle()
        tasks.create_task(_hold(admission, held))
        await _settle()
        with pytest.raises(Unavailable) as refused:
            await _hold(admission, held)
        assert refused.value.code == "server_busy"
        assert int(refused.value.headers["Retry-After"]) >= 1
        held.set()


async def test_who_waits_too_long_or_gives_up_leaves_no_slot_taken():
    admission, held = Admission(slots=1, write_slots=1, longest_line=5, longest_wait=0.05), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_hold(admission, held))
        await _settle()
        with pytest.raises(Unavailable):
            await _hold(admission, held)
        gone = tasks.create_task(_hold(admission, held))
        await _settle()
        gone.cancel()
        await _settle()
        held.set()
    async with asyncio.timeout(1), admission.slot(is_writing=True):
        pass
