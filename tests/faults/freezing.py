"""Freezing a part of a live Madang (SIGSTOP: connections stay open, nothing answers) under runs at every step."""

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import psycopg

from madang.kernel.jobs import spawn
from tests.faults.readers import LONGEST_SECONDS, Chat, People
from tests.live import Live, eventually

PARTS = ("postgres", "valkey", "worker-1", "api", "model")
TOKENS = 40
STEPS = {
    "before the claim": f"openai/bench?tokens={TOKENS}&rate=80&step=claim",
    "before the first word": f"openai/bench?tokens={TOKENS}&rate=80&first_ms=1500&step=first",
    "in the middle": f"openai/bench?tokens={TOKENS}&rate=12&step=middle",
    "at the end": f"openai/bench?tokens={TOKENS}&rate=40&step=end",
}
"""The steps of a run, and what the model is to do for it."""

WHOLE = "".join(f"tok{i} " for i in range(TOKENS))
PROBE_SECONDS, LONGEST_PROBE_SECONDS = 0.25, 60.0


@dataclass
class Frozen:
    """What one freeze did to four runs and to everybody else."""

    part: str
    statuses: list[str] = field(default_factory=list)
    again: int = 0
    """Answers that another attempt had to say, and pay, again."""
    recovery: float = 0.0
    """Seconds from the thaw until all four had ended."""
    served: int = 0
    refused: int = 0
    longest: float = 0.0
    """Seconds that a request of somebody else took at most."""
    faults: list[str] = field(default_factory=list)


def pids(live: Live, part: str) -> list[int]:
    """All processes of a part: PostgreSQL has one for each connection."""
    if part not in {"postgres", "valkey"}:
        return [live.processes[part].pid]
    pid = (live.postgres if part == "postgres" else live.valkey).pid
    assert pid is not None
    return [pid, *_children(pid)]


def _children(pid: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if entry.name.isdigit() and int(Path(entry, "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(entry.name)


@contextmanager
def held(live: Live, part: str) -> Iterator[None]:
    """The part stands still within the block."""
    stopped = pids(live, part)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def freeze(live: Live, people: People, part: str, seconds: float, steps: Iterable[str] = STEPS) -> Frozen:
    """Freeze the part for so long while a run is at each of the steps; what came of it."""
    seen = Frozen(part)
    asked = await _ask_up_to(people, set(steps))
    probe = spawn(_probe(live, people, seen), "probe")
    with held(live, part):
        await asyncio.sleep(seconds)
    thawed = time.monotonic()
    chats = await asyncio.gather(*asked.values())
    seen.recovery = time.monotonic() - thawed
    probe.cancel()
    await asyncio.wait({probe})
    people.chats += chats
    for step, chat in zip(asked, chats, strict=True):
        seen.statuses.append(chat.answer["status"])
        seen.again += [kind for _, kind, _ in chat.readers[0].events].count("run.started") - 1
        is_whole = chat.answer["text"] == WHOLE
        if not (is_whole or (part == "model" and WHOLE.startswith(chat.answer["text"]))):
            seen.faults.append(f"{step}: {chat.answer}")
    return seen


async def _ask_up_to(people: People, steps: set[str]) -> dict[str, asyncio.Task[Chat]]:
    """Ask for each of the steps, those that take longest to reach first, and wait until all are reached."""
    asked: dict[str, asyncio.Task[Chat]] = {}
    before = set(people.heard)

    async def ask(step: str, words: int = 0) -> None:
        if step not in steps:
            return
        asked[step] = spawn(people.ask(STEPS[step], 1), step)

        async def enough() -> bool:
            return not words or any(people.heard[run] >= words for run in people.heard.keys() - before)

        await eventually(enough, within=LONGEST_SECONDS)

    await ask("in the middle", 5)
    await ask("at the end", TOKENS - 6)
    await ask("before the first word")
    await ask("before the claim")
    await asyncio.sleep(0.1)
    return asked


async def _probe(live: Live, people: People, seen: Frozen) -> None:
    """Ask for something else again and again, as other people do."""
    while True:
        began = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=LONGEST_PROBE_SECONDS + 120)
        url = f"{live.api_url}/chat/sessions/"
        try:
            async with people.http.get(url, headers=people.headers, timeout=timeout) as response:
                if response.status == 200:
                    seen.served += 1
                elif response.status == 503 and "Retry-After" in response.headers:
                    seen.refused += 1
                else:
                    seen.faults.append(f"{response.status}: {await response.text()}")
        except (aiohttp.ClientError, OSError) as error:
            seen.faults.append(f"probe: {error!r}")
        seen.longest = max(seen.longest, time.monotonic() - began)
        await asyncio.sleep(PROBE_SECONDS)


async def double_bookings(live: Live) -> list[tuple[UUID, int, int]]:
    """Runs of one attempt whose ledger does not say exactly what the model said: run, booked, told."""
    async with await psycopg.AsyncConnection.connect(live.postgres.url) as connection:
        cursor = await connection.execute(
            "SELECT r.id, coalesce(sum(u.output_tokens), 0)::bigint, (r.usage ->> 'output_tokens')::bigint"
            " FROM \"user\".runs r LEFT JOIN partner.usage u ON u.run_id = r.id AND u.kind <> 'embedding'"
            " WHERE r.attempt = 1 AND r.status = 'finished' GROUP BY r.id HAVING count(u.*) <> 1"
            " OR sum(u.output_tokens) <> (r.usage ->> 'output_tokens')::bigint OR sum(u.output_tokens) <> %s",
            [TOKENS],
        )
        return [(row[0], row[1], row[2]) for row in await cursor.fetchall()]


async def make_budget(live: Live) -> None:
    """A budget that binds every call of the platform, and is large enough for all."""
    async with await psycopg.AsyncConnection.connect(live.postgres.url, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO partner.budgets"
            " (id, subject_kind, subject_id, path, unit, amount, period, time_zone, since)"
            " VALUES (%s, 'platform', '00000000-0000-0000-0000-000000000000', '{}', 'tokens', 1000000000,"
            " 'total', 'Asia/Seoul', now())",
            [uuid4()],
        )
