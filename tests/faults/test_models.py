"""Models that break off, and models that are told to stop."""

import asyncio
import random
import time
from pathlib import Path

import aiohttp
import pytest

from madang.kernel.jobs import spawn
from tests.faults.asking import SETTINGS, asking, check_rows, in_the_middle, settled
from tests.faults.readers import People
from tests.live import Live, eventually, open_live, sign_in

CUTS = 40
AT_ONCE = 50
STOP_SECONDS = 0.5
LOST_WITH_A_RESET = 12
"""Words that may still be in the kernel when the connection is reset; it throws them away."""

pytestmark = pytest.mark.timeout(900)


async def test_an_answer_that_was_cut_off_fails_clearly_and_keeps_what_was_said(tmp_path: Path) -> None:
    dice = random.Random(3)
    with open_live(tmp_path, "api", "worker-1", "scheduler", settings=SETTINGS) as live:
        await live.ready()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            people = People(live, http, await sign_in(live, http), dice)
            cuts = [f"openai/bench?tokens=40&rate=80&cut_after={dice.randint(1, 39)}" for _ in range(CUTS)]
            for batch in (cuts[start : start + 10] for start in range(0, CUTS, 10)):
                people.chats += await asyncio.gather(*(people.ask(model) for model in batch))
        people.check()
        await settled(live)
        check_rows(live, people)
        for chat, model in zip(people.chats, cuts, strict=True):
            assert chat.answer["status"] == "failed"
            assert chat.answer["error"]["code"] == "model_cut_off"
            words = chat.answer["text"].split()
            assert words == [f"tok{i}" for i in range(len(words))]
            assert int(model.rpartition("=")[2]) - LOST_WITH_A_RESET <= len(words) <= int(model.rpartition("=")[2])


async def test_a_model_that_is_killed_fails_its_answers_and_is_used_again(tmp_path: Path) -> None:
    with open_live(tmp_path, "api", "worker-1", "scheduler", settings=SETTINGS) as live:
        async with asking(live, 4) as people:
            for _ in range(5):
                await in_the_middle(people)
                live.kill("model")
                live.start("model")
            await eventually(lambda: _has_answered(people))
        check_rows(live, people)
        assert {chat.answer["status"] for chat in people.chats} == {"complete", "failed"}


async def test_stopping_closes_the_models_connection_at_once(tmp_path: Path) -> None:
    with open_live(tmp_path, "api", "worker-1", "scheduler") as live:
        await live.ready()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            people = People(live, http, await sign_in(live, http), random.Random(5))
            asked = [spawn(people.ask("openai/bench?tokens=100000&rate=50", 1), "asked") for _ in range(AT_ONCE)]
            await eventually(lambda: _are_read(people), within=240)
            took = sorted([await stop(live, people, http, run_id) for run_id in sorted(people.reading)])
            people.chats += await asyncio.gather(*asked)
        people.check()
        assert all(chat.answer["status"] == "stopped" for chat in people.chats)
        assert all(chat.answer["usage"]["output_tokens"] > 0 for chat in people.chats)
        assert took[int(len(took) * 0.95)] < STOP_SECONDS, took[-5:]


async def _has_answered(people: People) -> bool:
    return any(chat.answer["status"] == "complete" for chat in people.chats)


async def _are_read(people: People) -> bool:
    return len(people.reading) == AT_ONCE


async def stop(live: Live, people: People, http: aiohttp.ClientSession, run_id: str) -> float:
    """Seconds from asking for a stop to the model's server seeing its connection closed."""
    before = await _live_connections(live, http)
    began = time.monotonic()
    receipt = spawn(people.request("POST", f"/runs/{run_id}/cancel"), "stop")

    async def closed() -> bool:
        return await _live_connections(live, http) < before

    await eventually(closed)
    took = time.monotonic() - began
    answer = await receipt
    assert answer["status"] == "cancelled"
    assert answer["receipt"]["output_tokens"] > 0
    return took


async def _live_connections(live: Live, http: aiohttp.ClientSession) -> int:
    async with http.get(f"http://127.0.0.1:{live.model_port}/stats") as response:
        return int((await response.json())["live"])
