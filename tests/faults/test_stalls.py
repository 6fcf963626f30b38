"""Workers that fall silent for longer than their lease and come back: never do two of them write one answer."""

import asyncio
import random
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from madang.local.child import free_port
from tests.faults.asking import SETTINGS, asking, check_rows, check_whole, in_the_middle, settled
from tests.faults.proxy import Network, network
from tests.faults.readers import People
from tests.live import open_live

WORKERS = tuple(f"worker-{number}" for number in range(1, 5))
STALLS = 10
"""Of each worker, at moments of its own: forty in all, and two or three workers may be silent at a time."""

LEASE_SECONDS = float(SETTINGS["MADANG_RUN_LEASE_SECONDS"])
OTHERS = ("api", "scheduler")

pytestmark = pytest.mark.timeout(900)


async def test_a_network_that_stalls_towards_valkey_delays_and_loses_nothing(tmp_path: Path) -> None:
    with open_live(tmp_path, settings=SETTINGS) as live:
        async with AsyncExitStack() as networks:
            stretches: list[Network] = []
            for worker in WORKERS:
                port = free_port()
                live.per_process[worker] = {"VALKEY_URL": live.valkey.url.replace(f":{live.valkey.port}/", f":{port}/")}
                stretches.append(await networks.enter_async_context(network(port, live.valkey.port)))
            for name in (*OTHERS, *WORKERS):
                live.start(name)
            async with asking(live, 1) as people, asyncio.TaskGroup() as stalls:
                for seed, stretch in enumerate(stretches):
                    stalls.create_task(stall_again_and_again(people, seed, stretch.hold, stretch.go_on))
            await settled(live)
        check_rows(live, people)
        check_whole(people)


async def test_a_worker_that_slept_through_its_lease_can_write_nothing(tmp_path: Path) -> None:
    with open_live(tmp_path, *OTHERS, *WORKERS, settings=SETTINGS) as live:
        async with asking(live, 2) as people, asyncio.TaskGroup() as stalls:
            for seed, worker in enumerate(WORKERS):
                process = live.processes[worker]
                sleep = partial(process.send_signal, signal.SIGSTOP)
                wake = partial(process.send_signal, signal.SIGCONT)
                stalls.create_task(stall_again_and_again(people, seed, sleep, wake))
        await settled(live)
        check_rows(live, people)
        check_whole(people)
        taken_over = [
            chat for chat in people.chats if any(kind == "message.restarted" for _, kind, _ in chat.readers[0].events)
        ]
        assert taken_over


async def stall_again_and_again(people: People, seed: int, stop: Callable[[], None], go_on: Callable[[], None]) -> None:
    """Stop something in the middle of answers for longer than the lease, and let it go on as if nothing had been."""
    dice = random.Random(seed)
    for _ in range(STALLS):
        await in_the_middle(people)
        await asyncio.sleep(dice.uniform(0, 1))
        stop()
        await asyncio.sleep(LEASE_SECONDS * dice.uniform(1.2, 2))
        go_on()
