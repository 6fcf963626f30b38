"""What always fails: it is tried later and later, says why, is set aside in the end, and holds up nobody meanwhile."""

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.kernel import outbox
from madang.kernel.db import Delivery, Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import EVENT_ATTEMPTS, Job, JobKind
from madang.kernel.settings import Settings
from tests.kernel.conftest import Workshop, open_workshop
from tests.kernel.victim import DRUDGERY, POISON, POISON_ATTEMPTS, Sip


@dataclass(frozen=True)
class Struck:
    name: ClassVar[str] = "test.struck"
    hour: int


@dataclass(frozen=True)
class Task:
    number: int


TASK = JobKind("test.task", Task)
ROOT = Path(__file__).parents[2]


class Tower:
    """A reaction that fails at some hours, in a way of one's choice, and remembers the others."""

    def __init__(self, *broken: int, error: type[BaseException] = RuntimeError) -> None:
        self.broken = broken
        self.error = error
        self.told: list[int] = []
        self.tries = 0

    async def react(self, _house: House, _tx: Tx, event: Struck) -> None:
        self.tries += 1
        if event.hour in self.broken:
            raise self.error("the rope is torn\nin two")
        self.told.append(event.hour)

    def reactions(self) -> list[Reaction]:
        return [Reaction(Struck, self.react)]


async def announce(shop: Workshop, *hours: int) -> None:
    async with shop.house.db.transaction() as tx:
        for hour in hours:
            await tx.announce(Struck(hour))


async def test_a_reaction_that_always_fails_says_why_waits_longer_and_is_set_aside(house_settings: Settings):
    tower = Tower(13)
    async with open_workshop(house_settings, [], tower.reactions()) as shop:
        began = await shop.clock()
        await announce(shop, 13)
        await shop.settled()
        for attempt in range(1, EVENT_ATTEMPTS):
            (row,) = await shop.outbox()
            assert (row["attempts"], row["last_error"]) == (attempt, "RuntimeError: the rope is torn")
            assert (row["dead_at"], row["claimed_until"]) == (None, None)
            assert await shop.waits(min(300, 2**attempt), began)
            began = await shop.clock()
            assert await shop.swept() == 1
        (row,) = await shop.outbox()
        assert row["dead_at"] is not None
        assert row["attempts"] == tower.tries == EVENT_ATTEMPTS
        assert await shop.swept() == 0


@pytest.mark.parametrize("error", [asyncio.CancelledError, TimeoutError, RecursionError])
async def test_whatever_a_reaction_fails_with_counts(house_settings: Settings, error: type[BaseException]):
    async with open_workshop(house_settings, [], Tower(13, error=error).reactions()) as shop:
        await announce(shop, 13)
        await shop.settled()
        await shop.swept()
        (row,) = await shop.outbox()
        assert (row["attempts"], row["claimed_until"]) == (2, None)
        assert row["last_error"] == f"{error.__name__}: the rope is torn"


async def test_a_handler_that_cancels_itself_has_failed_and_is_not_given_back(house_settings: Settings):
    async def handle(_house: House, _task: Task) -> None:
        raise asyncio.CancelledError

    async with open_workshop(house_settings, [Job(TASK, handle, max_attempts=2)]) as shop:
        async with shop.house.db.transaction() as tx:
            await tx.enqueue(TASK, Task(1))
        await shop.settled()
        await shop.swept()
        (row,) = await shop.outbox()
        assert (row["attempts"], row["dead_at"] is not None) == (2, True)


async def test_what_fails_for_ever_holds_up_nobody(house_settings: Settings):
    tower = Tower(*range(12))
    async with open_workshop(house_settings, [], tower.reactions()) as shop:
        await announce(shop, *range(12))
        await shop.settled()
        for hour in range(20, 25):
            await shop.hurry()
            shop.lost = True
            await announce(shop, hour)
            shop.lost = False
            assert await shop.swept() == 13
            assert tower.told[-1] == hour
        assert len(await shop.outbox()) == 12


async def test_work_without_an_end_is_ended_and_has_failed(house_settings: Settings):
    async def hang(_house: House, _task: Task) -> None:
        await asyncio.Event().wait()

    job = Job(TASK, hang, max_attempts=1, longest=timedelta(seconds=0.1))
    async with open_workshop(house_settings, [job]) as shop:
        async with shop.house.db.transaction() as tx:
            await tx.enqueue(TASK, Task(1))
        await shop.settled()
        (row,) = await shop.outbox()
        assert (row["last_error"], row["dead_at"] is not None) == ("TimeoutError", True)


async def taken_and_lost(shop: Workshop, delivery: Delivery, times: int) -> None:
    """As workers leave it that took the delivery on and were killed."""
    for _ in range(times):
        assert await outbox.claim(shop.house, delivery, timedelta(seconds=30)) is not None
        await shop.sql("UPDATE supervisor.outbox SET claimed_until = now() - interval '1 second' WHERE attempts > 0")


async def test_workers_that_were_lost_count_and_the_wait_grows(house_settings: Settings):
    tower = Tower()
    async with open_workshop(house_settings, [], tower.reactions()) as shop:
        shop.lost = True
        await announce(shop, 1)
        (bell,) = shop.delivered
        for attempt in range(1, EVENT_ATTEMPTS + 1):
            began = await shop.clock()
            await taken_and_lost(shop, bell, 1)
            assert attempt == 1 or await shop.waits(30 + min(300, 2 ** (attempt - 1)), began)
        shop.lost = False
        assert await shop.swept() == 1
        (row,) = await shop.outbox()
        assert row["dead_at"] is not None
        assert row["last_error"] == outbox.WORKER_LOST
        assert tower.tries == 0


async def test_who_gives_up_is_followed_by_another_when_it_dies_on_the_way(house_settings: Settings):
    ended: list[str] = []

    async def on_dead(_house: House, _task: Task, error: str) -> None:
        ended.append(error)
        raise RuntimeError("nor can it be told")

    async def handle(_house: House, _task: Task) -> None:
        raise AssertionError("its attempts are used up")

    async with open_workshop(house_settings, [Job(TASK, handle, max_attempts=3, on_dead=on_dead)]) as shop:
        shop.lost = True
        async with shop.house.db.transaction() as tx:
            await tx.enqueue(TASK, Task(1))
        await taken_and_lost(shop, shop.delivered[0], 3)
        shop.lost = False
        assert await shop.swept() == 1
        assert ended == [outbox.WORKER_LOST]
        (row,) = await shop.outbox()
        assert row["dead_at"] is not None
        assert await shop.swept() == 0


async def test_of_what_lost_its_worker_one_is_tried_after_another(house_settings: Settings):
    at_once, most, done = 0, 0, []

    async def handle(_house: House, task: Task) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        done.append(task.number)

    async with open_workshop(house_settings, [Job(TASK, handle)]) as shop:
        shop.lost = True
        async with shop.house.db.transaction() as tx:
            for number in range(6):
                await tx.enqueue(TASK, Task(number))
        for delivery in shop.delivered:
            await taken_and_lost(shop, delivery, 1)
        shop.lost = False
        assert await shop.swept() == 6
        assert (sorted(done), most) == ([*range(6)], 1)
        assert await shop.outbox() == []


async def test_only_a_few_events_are_told_again_at_once(house_settings: Settings):
    at_once, most = 0, 0

    async def react(_house: House, _tx: Tx, _event: Struck) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    async with open_workshop(house_settings, [], [Reaction(Struck, react)]) as shop:
        shop.lost = True
        await announce(shop, *range(20))
        shop.lost = False
        assert await shop.swept() == 20
        assert 1 <= most <= 4
        assert await shop.outbox() == []


async def test_a_job_that_nobody_knows_says_so_and_is_set_aside_after_a_day(house_settings: Settings):
    async with open_workshop(house_settings) as shop:
        async with shop.house.db.transaction() as tx:
            await tx.enqueue(TASK, Task(1))
        await shop.settled()
        (row,) = await shop.outbox()
        assert row["last_error"] == "no installed module knows this job"
        assert (row["dead_at"], row["attempts"]) == (None, 0)
        await shop.sql("UPDATE supervisor.outbox SET sends = :sends", sends=outbox.STRANGE_SENDS - 1)
        await shop.swept()
        (row,) = await shop.outbox()
        assert row["dead_at"] is not None


async def test_a_worker_that_is_told_to_stop_gives_an_event_back(house_settings: Settings):
    began = asyncio.Event()

    async def react(_house: House, _tx: Tx, _event: Struck) -> None:
        began.set()
        await asyncio.Event().wait()

    async with open_workshop(house_settings, [], [Reaction(Struck, react)]) as shop:
        shop.lost = True
        await announce(shop, 1)
        shop.lost = False
        await shop.hurry()
        await outbox.sweep(shop.house)
        await began.wait()
        for task in asyncio.all_tasks():
            if task.get_name() == "event:test.struck":
                task.cancel()
        await shop.settled()
        (row,) = await shop.outbox()
        assert (row["claimed_until"], row["attempts"] - row["released"], row["last_error"]) == (None, 0, None)


async def test_a_message_that_kills_its_worker_every_time_is_set_aside_and_takes_nobody_along(
    house_settings: Settings, tmp_path: Path
):
    """Real processes, which the poison ends by SIGKILL while they have other work in hand too."""
    async with open_workshop(house_settings) as shop:
        shop.lost = True
        async with shop.house.db.transaction() as tx:
            await tx.enqueue(POISON, Sip(0))
            for number in range(3):
                await tx.enqueue(DRUDGERY, Sip(number))
        ends: list[int] = []
        while 0 not in ends:
            await shop.sql("UPDATE supervisor.outbox SET claimed_until = now() WHERE claimed_until IS NOT NULL")
            await shop.hurry()
            ends.append(await one_life(house_settings, tmp_path))
        assert ends == [-signal.SIGKILL] * POISON_ATTEMPTS + [0]
        (row,) = await shop.outbox()
        assert (row["name"], row["last_error"]) == (POISON.name, outbox.WORKER_LOST)
        assert row["dead_at"] is not None


async def one_life(settings: Settings, folder: Path) -> int:
    """How a worker ended that took on all that is due."""
    told = {
        name: getattr(settings, name).get_secret_value() for name in ("database_url", "valkey_url", "secret_key")
    } | {"data_dir": str(folder), "key_prefix": settings.key_prefix}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kernel.victim", stdin=asyncio.subprocess.PIPE, cwd=ROOT
    )
    await worker.communicate(json.dumps(told).encode())
    assert worker.returncode is not None
    return worker.returncode


@pytest.mark.parametrize(
    "said",
    [
        "cannot connect to postgresql://madang:{}@db.example/madang",
        "refused: Authorization: Bearer {} is not good",
        "GET https://madang.example/reset?token={} failed",
        "login failed (password={})",
        '{{"api_key": "{}"}}',
        "the key mk_{} is gone",
        "Incorrect API key provided: sk-{}",
    ],
)
@given(secret=st.from_regex(r"\A[A-Za-z0-9_]{12,40}\Z"))
def test_no_secret_is_kept_of_an_error(said: str, secret: str):
    assert secret not in outbox.described(RuntimeError(said.format(secret)))


@given(said=st.text(st.characters(codec=None, categories=None), max_size=5000))
def test_whatever_an_error_says_can_be_kept_and_is_short(said: str):
    kept = outbox.described(ValueError(said))
    assert len(kept) <= outbox.LONGEST_ERROR
    assert "\x00" not in kept
    assert kept.encode().decode() == kept
    assert kept.startswith("ValueError")


async def test_an_error_of_the_database_is_kept_without_the_values_of_its_statement(house_settings: Settings):
    async def handle(house: House, _task: Task) -> None:
        async with house.db.transaction() as tx:
            await tx.enqueue(JobKind("\x00 hush-hush", Task), Task(1))

    async with open_workshop(house_settings, [Job(TASK, handle)]) as shop:
        async with shop.house.db.transaction() as tx:
            await tx.enqueue(TASK, Task(1))
        await shop.settled()
        (row,) = await shop.outbox()
        assert "DataError" in str(row["last_error"])
        assert "hush" not in str(row["last_error"])


async def test_a_delivery_from_a_version_before_is_taken_on(house_settings: Settings):
    old = {"id": str(new_id()), "kind": "event", "name": "x", "payload": {}, "request_id": None}
    found = msgspec.convert(old, Delivery)
    assert (found.again, found.lost) == (False, False)


async def test_what_is_told_at_last_is_done_though_another_reaction_always_fails_and_a_retry_tells_all(
    house_settings: Settings,
):
    failing, early, late = Tower(7), Tower(), Tower(8)
    reactions = [
        Reaction(Struck, early.react),
        *failing.reactions(),
        Reaction(Struck, late.react, at_last=True),
        Reaction(Struck, Tower(7).react, at_last=True),
    ]
    async with open_workshop(house_settings, [], reactions) as shop:
        await announce(shop, 7)
        for _ in range(EVENT_ATTEMPTS):
            await shop.settled()
            await shop.swept()
        (row,) = await shop.outbox()
        assert row["dead_at"] is not None
        assert late.told == [7]
