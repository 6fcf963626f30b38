"""What waits for a place in a worker takes little memory, however much was ordered and however often it was sent."""

import asyncio
import tracemalloc
from collections.abc import Callable
from datetime import timedelta

import pytest

from madang.kernel.db import Delivery
from madang.kernel.ids import new_id
from madang.kernel.jobs import Job, by_name
from madang.kernel.outbox import sweep
from madang.kernel.settings import Settings
from madang.processes import lanes
from madang.processes.dispatcher import Deliverer
from madang.processes.lanes import Lane, Lanes
from tests.kernel.conftest import open_workshop
from tests.kernel.test_jobs import BREW, Brew, Kitchen, begun, order

ROWS = 3000


def delivery(*, lost: bool = False) -> Delivery:
    return Delivery(new_id(), "job", "test.brew", {}, None, again=True, lost=lost)


class Hall:
    """Two lanes, one for what lost its worker; who was begun, in order, and how to end them."""

    def __init__(self, places: int = 1) -> None:
        self.usual, self.suspects = Lane(places), Lane(1)
        self.begun: list[Delivery] = []
        self.ends: list[Callable[[], None]] = []
        self.lanes = Lanes(lambda one: self.suspects if one.lost else self.usual, self._begin)

    def _begin(self, one: Delivery, left: Callable[[], None]) -> None:
        self.begun.append(one)
        self.ends.append(left)


def test_what_is_here_is_not_taken_twice():
    hall = Hall()
    working, waiting = delivery(), delivery()
    for _ in range(50):
        hall.lanes.take(working)
        hall.lanes.take(waiting)
    assert (hall.begun, len(hall.lanes)) == ([working], 2)
    hall.ends.pop(0)()
    hall.ends.pop(0)()
    assert (hall.begun, len(hall.lanes)) == ([working, waiting], 0)
    hall.lanes.take(working)
    assert len(hall.begun) == 3


def test_those_that_wait_begin_in_their_order_and_never_more_than_there_are_places():
    hall = Hall(places=3)
    wanted = [delivery() for _ in range(40)]
    for one in wanted:
        hall.lanes.take(one)
    while hall.ends:
        assert hall.usual.busy <= 3
        hall.ends.pop(0)()
    assert hall.begun == wanted


def test_beyond_what_may_wait_it_is_left_to_the_outbox(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "MOST_WAITING", 5)
    hall = Hall()
    for _ in range(20):
        hall.lanes.take(delivery())
    assert len(hall.lanes) == 6


def test_one_that_lost_a_worker_elsewhere_while_it_waited_here_waits_among_its_like():
    hall = Hall()
    first = delivery()
    waiting = delivery()
    for one in (first, waiting):
        hall.lanes.take(one)
    worse = Delivery(waiting.id, "job", "test.brew", {}, None, again=True, lost=True)
    hall.lanes.take(worse)
    assert hall.begun == [first, worse]
    hall.ends.pop(0)()
    assert hall.begun == [first, worse]


def test_nothing_begins_in_a_worker_that_ends():
    hall = Hall()
    for _ in range(3):
        hall.lanes.take(delivery())
    hall.lanes.close()
    hall.ends.pop(0)()
    hall.lanes.take(delivery())
    assert len(hall.begun) == 1


async def test_thousands_of_rows_that_wait_for_hours_take_a_few_megabytes_and_no_tasks(house_settings: Settings):
    """As many sends as in four hours, of rows that one long job holds up."""
    kitchen = Kitchen(seconds=3600)
    settings = house_settings.model_copy(update={"worker_jobs": 1})
    async with open_workshop(settings, [kitchen.job()]) as shop:
        shop.lost = True
        async with shop.house.db.transaction() as tx:
            for cups in range(ROWS):
                await tx.enqueue(BREW, Brew(cups))
        ordered = list(shop.delivered)
        tracemalloc.start()
        for _ in range(55):
            for one in ordered:
                shop.worker.take(Delivery(one.id, one.kind, one.name, one.payload, None, again=True))
        await begun(kitchen)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 4_000_000
        assert len(shop.worker.lanes) == ROWS
        assert sum(task.get_name() == "job:test.brew" for task in asyncio.all_tasks()) == 1
        shop.worker.lanes.close()
        kitchen.ready.set()


async def test_what_a_worker_let_go_is_sent_again_and_done(house_settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "MOST_WAITING", 2)
    kitchen = Kitchen(seconds=0.01)
    async with open_workshop(house_settings.model_copy(update={"worker_jobs": 1}), [kitchen.job()]) as shop:
        for cups in range(9):
            await order(shop, cups)
        await shop.settled()
        while await shop.swept():
            pass
        assert sorted(brew.cups for brew in kitchen.done) == list(range(9))
        assert len(kitchen.began) == 9


async def test_a_job_that_waits_for_something_apart_holds_up_no_other(house_settings: Settings):
    waiting, quick = Kitchen(seconds=3600), Kitchen()
    settings = house_settings.model_copy(update={"worker_jobs": 1})
    apart = Job(BREW, waiting.handle, timedelta(seconds=30), apart=True)
    letters = Job(type(BREW)("test.letter", Brew), quick.handle)
    async with open_workshop(settings, [apart, letters]) as shop:
        await order(shop)
        await begun(waiting)
        async with shop.house.db.transaction() as tx:
            await tx.enqueue(letters.kind, Brew())
        await begun(quick)
        waiting.ready.set()
        await shop.settled()
        assert await shop.outbox() == []


async def test_an_attempts_number_never_recurs(house_settings: Settings):
    """A worker gives a job back and its late word reaches the row when another has it."""
    kitchen = Kitchen(seconds=3600)
    async with open_workshop(house_settings, [kitchen.job(max_attempts=1)]) as shop:
        for _ in range(3):
            other = Deliverer(shop.house, by_name([kitchen.job(max_attempts=1)]), shop.worker.reactions)
            shop.lost = True
            if not shop.delivered:
                await order(shop)
            await shop.hurry()
            await sweep(shop.house)
            before = len(kitchen.began)
            other.take(shop.delivered[-1])
            await begun(kitchen, before + 1)
            for task in asyncio.all_tasks():
                if task.get_name() == "job:test.brew":
                    task.cancel()
            await shop.settled()
        (row,) = await shop.outbox()
        assert (row["attempts"], row["released"], row["dead_at"]) == (3, 3, None)
