"""The api, the worker and the scheduler as processes: how they begin, hand over and end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
import redis

from tests.live import Live, eventually, open_live, sign_in

SLOW = "openai/bench?tokens=60&rate=12"
"""Five seconds: whoever is told to end is told so long before the answer's own end."""
FAST = "openai/bench?tokens=60&rate=0"
WHOLE = "".join(f"tok{number} " for number in range(60))
END_SECONDS = 20

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def live(tmp_path: Path):
    with open_live(tmp_path, settings={"MADANG_LOG_LEVEL": "INFO"}) as opened:
        yield opened


async def ask(live: Live, http: aiohttp.ClientSession, who: dict[str, str], model: str) -> dict[str, Any]:
    async with http.post(f"{live.api_url}/chat/sessions/", json={}, headers=who) as made:
        session = (await made.json())["id"]
    question = {"text": "이야기해 줘", "model": model}
    async with http.post(f"{live.api_url}/chat/sessions/{session}/messages", json=question, headers=who) as asked:
        assert asked.status == 202, await asked.text()
        return await asked.json()


async def read(
    live: Live, http: aiohttp.ClientSession, who: dict[str, str], run: str
) -> AsyncIterator[tuple[str, Any]]:
    """The run's events, each as (type, data)."""
    async with http.get(f"{live.api_url}/runs/{run}/events", headers=who, timeout=aiohttp.ClientTimeout(60)) as stream:
        kind = ""
        async for line in stream.content:
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                kind = value
            elif field == "data":
                yield kind, json.loads(value)


async def ends(live: Live, name: str) -> tuple[int, float]:
    """Ask a process to end; its exit code and how long it took."""
    began = time.monotonic()
    live.processes[name].send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(live.processes[name].wait, END_SECONDS)
    return code, time.monotonic() - began


async def test_a_worker_that_is_told_to_end_hands_its_answers_over_at_once(live: Live):
    for name in ("api", "worker-1", "scheduler"):
        live.start(name)
    await live.ready()
    async with aiohttp.ClientSession() as http:
        who = await sign_in(live, http)
        run = (await ask(live, http, who, SLOW))["run_id"]
        said, last_seq_said, attempts, took = "", 0, 0, 0.0
        async for kind, data in read(live, http, who, run):
            if kind == "run.started":
                attempts += 1
            if kind == "message.restarted":
                said = ""
            if kind == "message.delta":
                said += data["text"]
                last_seq_said += 1
            if last_seq_said == 5 and not took:
                live.start("worker-2")
                code, took = await ends(live, "worker-1")
                assert code == 0
        assert said == WHOLE
        assert attempts == 2
        assert took < END_SECONDS


async def test_an_api_that_is_told_to_end_does_not_wait_for_its_readers(live: Live):
    for name in ("api", "worker-1", "scheduler"):
        live.start(name)
    await live.ready()
    async with aiohttp.ClientSession() as http:
        who = await sign_in(live, http)
        run = (await ask(live, http, who, SLOW))["run_id"]
        reader = read(live, http, who, run)
        await anext(reader)
        code, took = await ends(live, "api")
        assert code in {0, -signal.SIGTERM}
        assert took < END_SECONDS
        with suppress(aiohttp.ClientError):
            assert [kind async for kind, _ in reader][-1] != "run.finished", "the stream was cut, not waited for"
        live.start("api")
        await live.ready()
        assert (
            "".join([data["text"] async for kind, data in read(live, http, who, run) if kind == "message.delta"])
            == WHOLE
        )


async def test_everything_may_start_before_the_databases(live: Live):
    for name in ("postgres", "valkey"):
        live.kill(name)
    for name in ("api", "worker-1", "scheduler"):
        live.start(name)
    async with aiohttp.ClientSession() as http:

        async def answers() -> bool:
            async with http.get(f"{live.url}/health/ready") as response:
                return response.status == 503

        await eventually(answers, within=90)
        async with http.post(
            f"{live.api_url}/auth/login", json={"email": "a@example.org", "password": "x" * 12}
        ) as away:
            assert away.status == 503
            assert (await away.json())["code"] in {"database_unavailable", "valkey_unavailable"}
        for name in ("postgres", "valkey"):
            await asyncio.to_thread(live.restart, name)
        await live.ready()
        who = await sign_in(live, http)
        run = (await ask(live, http, who, FAST))["run_id"]
        kinds = [kind async for kind, _ in read(live, http, who, run)]
        assert kinds[-1] == "run.finished"
    assert all(process.poll() is None for process in live.processes.values()), "nobody died of waiting"


@pytest.mark.parametrize("kind", ["api", "worker", "scheduler"])
async def test_a_process_that_cannot_work_ends_and_says_why(tmp_path: Path, kind: str):
    """No server is needed for it: what is wrong is a setting."""
    wrong = {
        "DATABASE_URL": "postgresql://a:b@127.0.0.1:1/x",
        "VALKEY_URL": "redis://127.0.0.1:1/0",
        "MADANG_SECRET_KEY": "a secret for tests that is long enough",
        "MADANG_STORAGE_URL": "nonsense://nowhere",
        "MADANG_DATA_DIR": str(tmp_path),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"madang.processes.{kind}"), env={**os.environ, **wrong}, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"storage_url" in errors
    assert b"nonsense" not in errors, "a value may be a secret"


def leaders(live: Live) -> list[str]:
    """Which schedulers have ever led."""
    return [
        name for name in ("scheduler-1", "scheduler-2") if '"leading"' in (live.data_dir / f"{name}.log").read_text()
    ]


def lose(live: Live) -> None:
    """An event that was committed and never delivered."""
    with psycopg.connect(live.postgres.url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO supervisor.outbox (id, kind, name, payload, due_at)"
            " VALUES (uuidv7(), 'event', 'test.lost', '{}', now())"
        )


async def found(live: Live) -> bool:
    """Whether the scheduler sent it again and a worker struck it off."""
    async with await psycopg.AsyncConnection.connect(live.postgres.url) as connection:
        cursor = await connection.execute("SELECT count(*) FROM supervisor.outbox WHERE name = 'test.lost'")
        return await cursor.fetchone() == (0,)


async def test_one_scheduler_leads_and_another_takes_over_when_it_dies(live: Live):
    for name in ("worker-1", "scheduler-1", "scheduler-2"):
        live.start(name)

    async def one_leads() -> bool:
        return len(leaders(live)) == 1

    async def both_led() -> bool:
        return len(leaders(live)) == 2

    await eventually(one_leads, within=90)
    lose(live)
    await eventually(lambda: found(live))
    assert len(leaders(live)) == 1
    first = leaders(live)[0]
    live.kill(first)
    await eventually(both_led)
    lose(live)
    await eventually(lambda: found(live))

    live.kill("valkey")
    await asyncio.to_thread(live.restart, "valkey")
    live.kill("postgres")
    await asyncio.to_thread(live.restart, "postgres")
    lose(live)
    await eventually(lambda: found(live))

    last = "scheduler-2" if first == "scheduler-1" else "scheduler-1"
    code, _ = await ends(live, last)
    assert code == 0
    with redis.Redis.from_url(live.valkey.url) as valkey:
        assert not valkey.exists("madang:lock:{scheduler}:holder"), "the lead was given back"
