"""`kill -9` of every part in the middle of answers, forty times each, with readers attached."""

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.asking import SETTINGS, WHOLE, agreeing, asking, check_rows, check_whole, in_the_middle, settled
from tests.faults.readers import People
from tests.live import Live, open_live

TOGETHER = 6
MOMENTS = int(os.environ.get("MADANG_TEST_MOMENTS", "40"))

WORKERS = ("worker-1", "worker-2", "worker-3")

pytestmark = pytest.mark.timeout(900)


async def kill_again_and_again(live: Live, people: People, names: list[str], seed: int) -> None:
    """Kill one of the named parts while answers are being written, start it again a moment later, forty times."""
    dice = random.Random(seed)
    for moment in range(MOMENTS):
        name = names[moment % len(names)]
        await in_the_middle(people)
        await asyncio.sleep(dice.uniform(0, 0.4))
        await asyncio.to_thread(live.kill, name)
        await asyncio.sleep(dice.uniform(0, 0.3))
        await asyncio.to_thread(live.restart, name)
        await live.ready()


@pytest.mark.parametrize("victims", [list(WORKERS), ["api"], ["valkey"], ["postgres"]], ids=lambda v: v[0])
async def test_every_reader_sees_every_event_once_and_in_order(victims: list[str], tmp_path: Path) -> None:
    seed = 20_261_121
    with open_live(tmp_path, "api", "scheduler", *WORKERS, settings=SETTINGS) as live:
        began = time.monotonic()
        try:
            async with asking(live, seed) as people:
                await kill_again_and_again(live, people, victims, seed)
            await settled(live)
            check_rows(live, people)
            check_whole(people)
            if "worker-1" not in victims:  # what a killed worker has not booked is in no ledger: no budget held it
                await agreeing(live)
        except BaseException:
            print(live.logs())  # noqa: T201  # the logs are what explains a failure
            raise
        restarts = sum(kind == "message.restarted" for c in people.chats for _, kind, _ in c.readers[0].events)
        resumed = sum(seen.connections - 1 for chat in people.chats for seen in chat.readers)
        print(  # noqa: T201  # shown with -s, for the record
            f"{victims}: {MOMENTS} kills, {len(people.chats)} answers, {restarts} said again, "
            f"{resumed} resumptions, {time.monotonic() - began:.0f} s"
        )


async def test_stops_are_kept_though_everything_dies_together(tmp_path: Path) -> None:
    """As when a machine loses its power; and whoever stopped an answer in between has stopped it."""
    parts, dice = ["postgres", "valkey", "api", "scheduler", "worker-1", "worker-2"], random.Random(6)
    with open_live(tmp_path, *parts[2:], settings=SETTINGS) as live:
        async with asking(live, 6, stops=0.6) as people:
            for _ in range(TOGETHER):
                await in_the_middle(people)
                await asyncio.sleep(dice.uniform(0, 0.4))
                dying = [part for part in parts if dice.random() < 0.7]
                for part in dice.sample(dying, len(dying)):
                    await asyncio.to_thread(live.kill, part)
                for part in sorted(dying, key=parts.index):
                    await asyncio.to_thread(live.restart, part)
                await live.ready()
        await settled(live)
        check_rows(live, people)
        ends = Counter(chat.readers[0].events[-1][1] for chat in people.chats)
        assert ends.keys() == {"run.finished", "run.cancelled"}
        for chat in people.chats:
            assert WHOLE.startswith(chat.answer["text"])
            assert (chat.answer["text"] == WHOLE) or chat.answer["status"] == "stopped"
