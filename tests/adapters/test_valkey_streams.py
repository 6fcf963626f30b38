"""The resumable log: every reader sees every event once and in order, whoever writes and whatever breaks."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from redis.exceptions import RedisError

from madang.adapters.opening import open_house
from madang.adapters.valkey_streams import ValkeyStreams
from madang.kernel.house import House
from madang.kernel.jobs import spawn
from madang.kernel.settings import Settings
from madang.kernel.streams import Event, FencedError, LogWriter
from madang.local.valkey import ValkeyServer


def new_key() -> str:
    return uuid4().hex


def data_of(number: int) -> bytes:
    return b'{"number":%d}' % number


async def collect(streams: ValkeyStreams, key: str, after: int, until: Callable[[Event], bool]) -> list[Event]:
    """Follow the log up to the event that ends it."""
    seen: list[Event] = []
    async with aclosing(streams.follow(key, after, beat=0.2)) as batches:
        async for batch in batches:
            seen.extend(batch)
            if seen and until(seen[-1]):
                return seen
    raise AssertionError("a log never ends by itself")


def is_end(event: Event) -> bool:
    return event.type == b"end"


async def test_what_is_appended_is_read(house: House):
    key = new_key()
    writer = await house.streams.claim(key, 1)
    for number in range(1, 2501):
        assert writer.append(b"n", data_of(number)) == number
    await writer.drained()
    assert await house.streams.read(key, 0) == writer.events
    assert [event.seq for event in await house.streams.read(key, 2490)] == [*range(2491, 2501)]
    await house.valkey.unlink(*house.streams._keys(key))
    assert await house.streams.read(key, 0) == []


@pytest.mark.parametrize("seed", range(3))
async def test_readers_see_all_of_it_once_through_any_change_of_writers(house: House, seed: int):
    dice, key, last = random.Random(seed), new_key(), 400

    async def read_from(after: int) -> None:
        await asyncio.sleep(dice.uniform(0, 0.4))
        seen = await collect(house.streams, key, after, is_end)
        assert [event.seq for event in seen] == [*range(after + 1, seen[-1].seq + 1)]
        assert seen == (await house.streams.read(key, 0))[after:]

    async def usurp(old: LogWriter, fence: int) -> LogWriter:
        """Another writer takes over and begins where the log ends; the old one finds out."""
        writer = await house.streams.claim(key, fence)
        with suppress(FencedError):
            old.append(b"late", b"{}")
            with pytest.raises(FencedError):
                await old.drained()
        return writer

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(read_from(dice.randrange(0, 60)))
        writer, fence = await house.streams.claim(key, 1), 1
        while writer.last < last:
            for _ in range(dice.randrange(1, 25)):
                writer.append(b"n", data_of(fence))
            if dice.random() < 0.3:
                fence += dice.randrange(1, 4)
                writer = await usurp(writer, fence)
            await asyncio.sleep(dice.choice([0, 0, 0.01, 0.02]))
        writer.append(b"end", b"{}")
        await writer.drained()
    assert not any(event.type == b"late" for event in await house.streams.read(key, 0))


async def test_a_lower_fence_can_neither_claim_nor_append(house: House):
    key = new_key()
    old = house.streams.writer(key, 3)
    old.append(b"n", b"1")
    await old.drained()
    new = await house.streams.claim(key, 4)
    assert new.events == old.events
    old.append(b"n", b"2")
    with pytest.raises(FencedError):
        await old.drained()
    with pytest.raises(FencedError):
        old.append(b"n", b"3")
    with pytest.raises(FencedError):
        await house.streams.claim(key, 3)
    assert [event.data for event in await house.streams.read(key, 0)] == [b"1"]


async def test_an_append_that_is_repeated_after_a_lost_reply_changes_nothing(house: House):
    key = new_key()
    writer = house.streams.writer(key, 1)
    writer._mark = lambda _: None
    for number in range(3):
        writer.append(b"n", data_of(number))
    for stored in (0, 0, 1, 2, 3):
        writer.stored = stored
        await house.streams._write([writer])
        assert writer.stored == 3
    assert await house.streams.read(key, 0) == writer.events


async def test_a_log_that_was_lost_is_written_again_from_the_writer_that_holds_it(house: House):
    key = new_key()
    writer = house.streams.writer(key, 1)
    writer.append(b"n", b"1")
    await writer.drained()
    await house.valkey.unlink(*house.streams._keys(key))
    writer.append(b"n", b"2")
    await writer.drained()
    assert await house.streams.read(key, 0) == writer.events


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_valkey_loses_of_a_log_the_last_writer_makes_it_whole_again(house: House, seed: int):
    """A flush loses all of it, an eviction a part, a crash what was written last; former writers may wake up then."""
    dice, key = random.Random(seed), new_key()
    stream, head = house.streams._keys(key)
    writers = [house.streams.writer(key, 1)]
    for _ in range(60):
        for writer in writers[-3:]:
            with suppress(FencedError):
                for _ in range(dice.choice([0, 1, 5])):
                    writer.append(b"n", data_of(writer.fence))
        match dice.randrange(6):
            case 0:
                await house.valkey.delete(*dice.choice([(stream,), (head,), (stream, head)]))
            case 1:
                known = dice.choice([(), writers[-1].events])
                writers.append(await house.streams.claim(key, writers[-1].fence + 1, known))
            case 2:
                await house.valkey.hset(head, "fence", dice.randrange(writers[-1].fence + 1))
        await asyncio.sleep(dice.choice([0, 0, 0.015]))
    writers[-1].append(b"end", b"{}")
    await writers[-1].drained()
    assert await house.streams.read(key, 0) == writers[-1].events
    assert [event.seq for event in writers[-1].events] == [*range(1, writers[-1].last + 1)]


async def test_a_part_of_a_log_that_was_evicted_leaves_no_gap(house: House):
    key = new_key()
    writer = house.streams.writer(key, 1)
    writer.append(b"n", b"1")
    await writer.drained()
    await house.valkey.delete(house.streams._keys(key)[0])
    writer.append(b"n", b"2")
    await writer.drained()
    assert await house.streams.read(key, 0) == writer.events


async def test_who_goes_on_from_what_was_known_here_keeps_what_valkey_has_lost(house: House):
    key = new_key()
    before = house.streams.writer(key, 1)
    for number in range(3):
        before.append(b"n", data_of(number))
    await before.drained()
    await house.valkey.unlink(*house.streams._keys(key))
    after = await house.streams.claim(key, 2, before.events)
    assert after.append(b"n", b"4") == 4
    await after.drained()
    assert await house.streams.read(key, 0) == after.events
    assert after.events[:3] == before.events


async def test_what_an_outage_has_heaped_up_is_written_in_parts(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("madang.adapters.valkey_streams.MOST_EVENTS", 7)
    sizes: list[int] = []
    real = house.streams._append

    async def counted(*, keys: list[str], args: list[object]) -> object:
        sizes.append((len(args) - 1 - len(keys) // 2 * 3) // 2)
        return await real(keys=keys, args=args)

    monkeypatch.setattr(house.streams, "_append", counted)
    writers = [house.streams.writer(new_key(), 1) for _ in range(3)]
    for writer in writers:
        for number in range(25):
            writer.append(b"n", data_of(number))
    async with asyncio.timeout(10):
        for writer in writers:
            await writer.drained()
    assert max(sizes) == 7
    for writer in writers:
        assert await house.streams.read(writer.key, 0) == writer.events


async def test_whoever_joins_while_the_reader_waits_is_not_kept_waiting(house: House):
    """One connection reads for all; every newcomer must be asked for at once, not when the read before has ended."""
    quiet = spawn(collect(house.streams, new_key(), 0, is_end), "quiet")
    slowest = 0.0
    for _ in range(120):
        key = new_key()
        writer = house.streams.writer(key, 1)
        writer.append(b"end", b"{}")
        await writer.drained()
        began = asyncio.get_running_loop().time()
        await collect(house.streams, key, 0, is_end)
        slowest = max(slowest, asyncio.get_running_loop().time() - began)
    quiet.cancel()
    assert slowest < 1.5


async def test_whoever_joins_from_the_start_while_others_wait_at_the_end_misses_nothing(house: House):
    """The reply that is on its way then was asked for by those at the end only."""
    key = new_key()
    writer = house.streams.writer(key, 1)
    writer.append(b"n", b"{}")
    await writer.drained()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        joined = []
        for _ in range(60):
            joined += [group.create_task(collect(house.streams, key, after, is_end)) for after in (writer.last, 0)]
            await asyncio.sleep(0)
            writer.append(b"n", b"{}")
            await writer.drained()
        writer.append(b"end", b"{}")
    for number, task in enumerate(joined):
        assert task.result() == (writer.events if number % 2 else writer.events[number // 2 + 1 :])


async def test_many_who_join_together_are_all_served(house: House):
    keys = [new_key() for _ in range(60)]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(collect(house.streams, key, 0, is_end))
            await asyncio.sleep(0)
        for key in keys:
            writer = house.streams.writer(key, 1)
            writer.append(b"end", b"{}")
            await asyncio.sleep(0.001)


async def test_an_idle_log_beats(house: House):
    beats = 0
    async with aclosing(house.streams.follow(new_key(), 0, beat=0.02)) as batches:
        async for batch in batches:
            assert batch == []
            beats += 1
            if beats == 3:
                break


async def test_logs_do_not_stay_for_ever(house: House, house_settings: Settings):
    claimed, written = new_key(), new_key()
    await house.streams.claim(claimed, 1)
    writer = house.streams.writer(written, 1)
    writer.append(b"n", b"1")
    await writer.drained()
    keys = [house.streams._keys(claimed)[1], *house.streams._keys(written)]
    longest = house_settings.stream_retention_hours * 3600
    for key in keys:
        assert longest - 60 < await house.valkey.ttl(key) <= longest


@asynccontextmanager
async def own_valkey(settings: Settings, folder: Path) -> AsyncIterator[tuple[House, ValkeyServer]]:
    """A house on a Valkey that the test may kill."""
    server = ValkeyServer(folder)
    await asyncio.to_thread(server.start)
    try:
        own = settings.model_copy(update={"valkey_url": SecretStr(server.url)})
        async with open_house(own, [], "test", lambda _: None) as house:
            yield house, server
    finally:
        server.stop()


async def test_killing_valkey_again_and_again_loses_and_repeats_nothing(house_settings: Settings, tmp_path: Path):
    dice, keys = random.Random(11), [new_key() for _ in range(4)]
    async with own_valkey(house_settings, tmp_path) as (house, server):
        readers = [spawn(collect(house.streams, key, 0, is_end), "reader") for key in keys for _ in range(2)]
        writers = [house.streams.writer(key, 1) for key in keys]
        over = asyncio.Event()

        async def write() -> None:
            number = 0
            while not over.is_set():
                number += 1
                for writer in writers:
                    writer.append(b"n", data_of(number))
                await asyncio.sleep(0.002)

        writing = spawn(write(), "writing")
        for _ in range(6):
            await asyncio.sleep(dice.uniform(0.05, 0.3))
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(dice.uniform(0, 0.3))
            await asyncio.to_thread(server.start)
        over.set()
        await writing
        async with asyncio.timeout(20):
            for writer in writers:
                writer.append(b"end", b"{}")
                await writer.drained()
            seen = await asyncio.gather(*readers)
        for number, events in enumerate(seen):
            assert events == writers[number // 2].events
            assert [event.seq for event in events] == [*range(1, len(events) + 1)]


async def test_while_valkey_is_away_claims_fail_and_readers_hear_beats(house_settings: Settings, tmp_path: Path):
    async with own_valkey(house_settings, tmp_path) as (house, server):
        key = new_key()
        writer = house.streams.writer(key, 1)
        await asyncio.to_thread(server.kill)
        with pytest.raises((RedisError, OSError)):
            await house.streams.claim(key, 2)
        reader = spawn(collect(house.streams, key, 0, is_end), "reader")
        writer.append(b"end", b"{}")
        await asyncio.sleep(0.3)
        assert not reader.done()
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(10):
            assert await reader == writer.events
