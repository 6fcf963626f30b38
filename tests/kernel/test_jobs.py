"""Jobs and events: nothing that was committed is lost, nothing is done by two at once, and who fails is tried again."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import pytest

from madang.kernel import outbox
from madang.kernel.clock import now
from madang.kernel.db import Delivery, Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House
from madang.kernel.jobs import Job, JobKind
from madang.kernel.outbox import claim, sweep
from madang.kernel.settings import Settings
from tests.kernel.conftest import Workshop, open_workshop


@dataclass(frozen=True)
class Brew:
    cups: int = 1


BREW = JobKind("test.brew", Brew)


class Kitchen:
    """A handler that remembers, and does as it is told."""

    def __init__(self, *, fails: int = 0, seconds: float = 0) -> None:
        self.fails = fails
        self.seconds = seconds
        self.began: list[Brew] = []
        self.done: list[Brew] = []
        self.dead: list[str] = []
        self.cancelled = 0
        self.ready = asyncio.Event()

    async def handle(self, house: House, brew: Brew) -> None:
        self.began.append(brew)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ready.wait(), self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if len(self.began) <= self.fails:
            raise RuntimeError("the kettle is cold")
        self.done.append(brew)

    async def on_dead(self, house: House, brew: Brew, error: str) -> None:
        self.dead.append(error)

    def job(self, *, lease: float = 30, max_attempts: int = 5) -> Job:
        return Job(BREW, self.handle, timedelta(seconds=lease), max_attempts, self.on_dead)


async def order(shop: Workshop, cups: int = 1) -> None:
    async with shop.house.db.transaction() as tx:
        await tx.enqueue(BREW, Brew(cups))


async def begun(kitchen: Kitchen, times: int = 1) -> None:
    async with asyncio.timeout(30):
        while len(kitchen.began) < times:  # noqa: ASYNC110  # the handler is what is being watched
            await asyncio.sleep(0.005)


async def test_a_job_is_done_once_and_leaves_nothing(house_settings: Settings):
    kitchen = Kitchen()
    async with open_workshop(house_settings, [kitchen.job()]) as shop:
        await order(shop, cups=3)
        await shop.settled()
        assert kitchen.done == [Brew(3)]
        assert await shop.outbox() == []


async def test_what_was_committed_before_a_crash_is_done_after_it(house_settings: Settings):
    kitchen = Kitchen()
    async with open_workshop(house_settings, [kitchen.job()]) as shop:
        shop.lost = True
        await order(shop)
        shop.lost = False
        assert await sweep(shop.house) == 0, "not yet: it may still be on its way"
        assert await shop.swept() == 1
        assert kitchen.done == [Brew(1)]
        assert await shop.swept() == 0


async def test_deliveries_that_arrive_many_times_are_done_once(house_settings: Settings):
    kitchen = Kitchen(seconds=0.05)
    async with open_workshop(house_settings, [kitchen.job()]) as shop:
        shop.lost = True
        await order(shop)
        for _ in range(12):
            shop.worker.take(shop.delivered[0])
        await shop.settled()
        shop.worker.take(shop.delivered[0])
        await shop.settled()
        assert kitchen.began == [Brew(1)]


async def test_who_fails_is_tried_again_later_and_later(house_settings: Settings):
    kitchen = Kitchen(fails=3)
    async with open_workshop(house_settings, [kitchen.job()]) as shop:
        began = await shop.clock()
        await order(shop)
        await shop.settled()
        for seconds in (2, 4, 8):
            assert await shop.waits(seconds, began)
            assert (await shop.outbox())[0]["last_error"] == "RuntimeError: the kettle is cold"
            began = await shop.clock()
            await shop.swept()
        assert kitchen.done == [Brew(1)]
        assert await shop.outbox() == []


async def test_after_the_last_attempt_it_stays_for_the_operator(house_settings: Settings):
    kitchen = Kitchen(fails=9)
    async with open_workshop(house_settings, [kitchen.job(max_attempts=2)]) as shop:
        await order(shop)
        await shop.settled()
        await shop.swept()
        assert kitchen.dead == ["the kettle is cold"]
        (row,) = await shop.outbox()
        assert row["dead_at"] is not None
        assert await shop.swept() == 0
        shop.worker.take(shop.delivered[0])
        await shop.settled()
        assert len(kitchen.began) == 2


async def test_the_lease_is_renewed_while_the_work_lasts(house_settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """Leases that are long beside a machine's stalls, renewed far more often than they need to be."""
    monkeypatch.setattr(outbox, "RENEWALS", 300)
    kitchen = Kitchen(seconds=3600)
    async with open_workshop(house_settings, [kitchen.job(lease=30)]) as shop:
        await order(shop)
        await begun(kitchen)
        ends: list[object] = []
        while len(ends) < 4:
            await shop.hurry()
            assert await sweep(shop.house) == 0
            assert await claim(shop.house, shop.delivered[0], timedelta(seconds=1)) is None
            (row,) = await shop.outbox()
            ends += [row["claimed_until"]] if row["claimed_until"] not in ends else []
        assert ends == sorted(ends)
        kitchen.ready.set()
        await shop.settled()
        assert kitchen.began == kitchen.done == [Brew(1)]


async def test_a_worker_that_died_leaves_its_job_to_the_next(house_settings: Settings):
    kitchen = Kitchen()
    async with open_workshop(house_settings, [kitchen.job()]) as shop:
        shop.lost = True
        await order(shop)
        assert await claim(shop.house, shop.delivered[0], timedelta(seconds=30)) == (1, 1)
        shop.lost = False
        assert await shop.swept() == 0
        await shop.sql("UPDATE supervisor.outbox SET claimed_until = now()")
        assert await shop.swept() == 1
        assert kitchen.done == [Brew(1)]


async def test_who_lost_the_lease_stops_and_leaves_the_new_holder_alone(house_settings: Settings):
    kitchen = Kitchen(seconds=60)
    async with open_workshop(house_settings, [kitchen.job(lease=0.3)]) as shop:
        await order(shop)
        await begun(kitchen)
        await shop.sql(
            "UPDATE supervisor.outbox SET attempts = attempts + 1, claimed_until = now() + interval '1 minute'"
        )
        before = await shop.outbox()
        await shop.settled()
        assert kitchen.cancelled == 1
        assert await shop.outbox() == before


async def test_a_late_failure_does_not_touch_the_new_holder(house_settings: Settings):
    kitchen = Kitchen(fails=1, seconds=0.1)
    async with open_workshop(house_settings, [kitchen.job(max_attempts=1)]) as shop:
        await order(shop)
        await begun(kitchen)
        await shop.sql("UPDATE supervisor.outbox SET attempts = 2, claimed_until = now() + interval '1 minute'")
        before = await shop.outbox()
        await shop.settled()
        assert await shop.outbox() == before
        assert kitchen.dead == []


async def test_a_worker_that_is_told_to_stop_gives_its_job_back_at_once(house_settings: Settings):
    kitchen = Kitchen(seconds=60)
    async with open_workshop(house_settings, [kitchen.job()]) as shop:
        await order(shop)
        await begun(kitchen)
        for task in asyncio.all_tasks():
            if task.get_name() == "job:test.brew":
                task.cancel()
        await shop.settled()
        (row,) = await shop.outbox()
        assert (row["claimed_until"], row["attempts"], row["released"], kitchen.cancelled) == (None, 1, 1, 1)
        kitchen.seconds = 0
        assert await shop.swept() == 1
        assert kitchen.done == [Brew(1)]


async def test_a_job_for_later_is_not_done_before(house_settings: Settings):
    kitchen = Kitchen()
    async with open_workshop(house_settings, [kitchen.job()]) as shop:
        async with shop.house.db.transaction() as tx:
            await tx.enqueue(BREW, Brew(), due_at=now() + timedelta(hours=1))
        assert await sweep(shop.house) == 0
        assert kitchen.began == shop.delivered == []
        assert await shop.swept() == 1
        assert kitchen.done == [Brew(1)]


async def test_no_more_jobs_run_at_once_than_there_are_places(house_settings: Settings):
    kitchen = Kitchen(seconds=0.05)
    settings = house_settings.model_copy(update={"worker_jobs": 2})
    async with open_workshop(settings, [kitchen.job()]) as shop:
        for cups in range(6):
            await order(shop, cups)
        while len(kitchen.done) < 6:
            assert len(kitchen.began) - len(kitchen.done) <= 2
            await asyncio.sleep(0.01)
        assert sorted(brew.cups for brew in kitchen.done) == [0, 1, 2, 3, 4, 5]


async def test_a_row_that_was_sent_a_thousand_times_does_not_stop_the_rest(house_settings: Settings):
    kitchen = Kitchen()
    async with open_workshop(house_settings, [kitchen.job()]) as shop:
        shop.lost = True
        for sends in (1, 1030, 32_767):
            await order(shop)
            await shop.sql("UPDATE supervisor.outbox SET sends = :sends WHERE sends = 0", sends=sends)
        shop.lost = False
        assert await shop.swept() == 3
        assert len(kitchen.done) == 3


async def test_two_schedulers_at_once_send_each_row_once(house_settings: Settings):
    async with open_workshop(house_settings) as shop:
        shop.lost = True
        for _ in range(40):
            await order(shop)
        shop.delivered.clear()
        await shop.hurry()
        counts = await asyncio.gather(sweep(shop.house), sweep(shop.house), sweep(shop.house))
        assert sum(counts) == 40
        assert len({delivery.id for delivery in shop.delivered}) == 40


async def test_what_no_handler_can_be_given_fails_like_any_other_and_holds_nobody_up(house_settings: Settings):
    kitchen = Kitchen()
    async with open_workshop(house_settings, [kitchen.job(max_attempts=2)]) as shop:
        shop.lost = True
        await order(shop)
        await shop.sql("""UPDATE supervisor.outbox SET payload = '{"cups": "many"}'""")
        await order(shop, cups=2)
        shop.lost = False
        assert await shop.swept() == 2
        assert kitchen.done == [Brew(2)]
        assert await shop.swept() == 1
        (row,) = await shop.outbox()
        assert (row["attempts"], row["dead_at"] is None) == (2, False)
        assert "cups" in str(row["last_error"])
        assert await shop.swept() == 0
        assert kitchen.dead == []


async def test_an_unknown_job_stays_until_somebody_knows_it(house_settings: Settings):
    async with open_workshop(house_settings) as shop:
        await order(shop)
        await shop.settled()
        assert [row["attempts"] for row in await shop.outbox()] == [0]


@dataclass(frozen=True)
class Rang:
    name: ClassVar[str] = "test.rang"
    bell: int


class Neighbours:
    """Two reactions, each writing a row; the second fails as often as it is told."""

    def __init__(self, fails: int) -> None:
        self.fails = fails
        self.tries = 0

    async def first(self, house: House, tx: Tx, event: Rang) -> None:
        await tx.enqueue(BREW, Brew(event.bell))

    async def second(self, house: House, tx: Tx, event: Rang) -> None:
        self.tries += 1
        if self.tries <= self.fails:
            raise RuntimeError("nobody heard")
        await tx.enqueue(BREW, Brew(-event.bell))

    def reactions(self) -> list[Reaction]:
        return [Reaction(Rang, self.first), Reaction(Rang, self.second)]


@pytest.mark.parametrize("seed", range(4))
async def test_what_reactions_write_is_written_once_however_they_fail_and_however_often_they_are_told(
    house_settings: Settings, seed: int
):
    dice = random.Random(seed)
    neighbours = Neighbours(fails=dice.randrange(4))
    async with open_workshop(house_settings, [], neighbours.reactions()) as shop:
        shop.lost = True
        async with shop.house.db.transaction() as tx:
            await tx.announce(Rang(7))
        bell: Delivery = shop.delivered[0]
        for _ in range(8):
            for _ in range(dice.randrange(1, 6)):
                shop.worker.take(bell)
            await shop.settled()
        rows = await shop.outbox()
        assert sorted(row["payload"]["cups"] for row in rows) == [-7, 7]
        assert {row["kind"] for row in rows} == {"job"}


async def test_a_rolled_back_reaction_delivers_nothing(house_settings: Settings):
    kitchen, neighbours = Kitchen(), Neighbours(fails=1)
    async with open_workshop(house_settings, [kitchen.job()], neighbours.reactions()) as shop:
        async with shop.house.db.transaction() as tx:
            await tx.announce(Rang(1))
        await shop.settled()
        assert kitchen.began == []
        await shop.swept()
        assert sorted(brew.cups for brew in kitchen.done) == [-1, 1]
        assert await shop.outbox() == []
