"""Workers that fall silent for longer than their lease and come back: never do two of them write one answer."""

import asyncio
import random
import signal
from pathlib import Path

import pytest

from madang.local.child import free_port
from tests.faults.asking import SETTINGS, asking, check_rows, check_whole, in_the_middle, settled
from tests.faults.proxy import network
from tests.live import Live, open_live

STALLS = 8
LEASE_SECONDS = float(SETTINGS["MADANG_RUN_LEASE_SECONDS"])
NAMES = ("api", "worker-1", "worker-2", "scheduler")

pytestmark = pytest.mark.timeout(400)


async def test_a_network_that_stalls_towards_valkey_delays_and_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    dice = random.Random(1)
    with open_live(tmp_path, settings=SETTINGS) as live:
        live.per_process["worker-1"] = {"VALKEY_URL": live.valkey.url.replace(f":{live.valkey.port}/", f":{port}/")}
        for name in NAMES:
            live.start(name)
        async with network(port, live.valkey.port) as stretch:
            async with asking(live, 1) as people:
                for _ in range(STALLS):
                    await in_the_middle(people)
                    await asyncio.sleep(dice.uniform(0, 0.4))
                    stretch.hold()
                    await asyncio.sleep(LEASE_SECONDS * dice.uniform(1.2, 1.6))
                    stretch.go_on()
            await settled(live)
        check_rows(live, people)
        check_whole(people)


async def test_a_worker_that_slept_through_its_lease_can_write_nothing(tmp_path: Path) -> None:
    dice = random.Random(2)
    with open_live(tmp_path, *NAMES, settings=SETTINGS) as live:
        async with asking(live, 2) as people:
            for stall in range(STALLS):
                await in_the_middle(people)
                await asyncio.sleep(dice.uniform(0, 0.4))
                await sleep_through(live, f"worker-{1 + stall % 2}", LEASE_SECONDS * dice.uniform(1.5, 2))
        await settled(live)
        check_rows(live, people)
        check_whole(people)
        taken_over = [
            chat for chat in people.chats if any(kind == "message.restarted" for _, kind, _ in chat.readers[0].events)
        ]
        assert taken_over


async def sleep_through(live: Live, name: str, seconds: float) -> None:
    """Stop a process where it is, and let it go on later as if nothing had been."""
    live.processes[name].send_signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    live.processes[name].send_signal(signal.SIGCONT)
