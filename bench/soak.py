"""Whether anything grows: answers at a steady rate for as long as you like, and what all processes hold each minute.

`./dev bench soak [--minutes N] [--rate N] [--tokens N]`, `--rate` in answers a second. One `madang up` of its own with
a stand-in model; every question begins a new chat and its answer is read to its end. Printed each minute: the memory of
every process (PSS, so that pages which processes share count once), Valkey's keys and memory, PostgreSQL's connections
and the rows that wait in its queues, answers, and the time to the first token. The verdict fits a line through each
column after a third of the time: flat is what would grow by less than a tenth of its level in that time.
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import psycopg
import uvloop
from machine import machine_line, table
from redis.asyncio import Redis
from startup import family
from streaming import Chat, ask, end, names, percentile, sign_in, start, start_standin

COUNTED = {
    "outbox": "SELECT count(*) FROM supervisor.outbox",
    "held": "SELECT count(*) FROM partner.reservations",
    "open runs": "SELECT count(*) FROM \"user\".runs WHERE status IN ('queued', 'running')",
    "unbooked": 'SELECT count(*) FROM "user".runs WHERE unbooked IS NOT NULL',
    "conn": "SELECT count(*) FROM pg_stat_activity WHERE application_name <> ''",
    "outbox kB": "SELECT pg_total_relation_size('supervisor.outbox') / 1024",
    "held kB": "SELECT pg_total_relation_size('partner.reservations') / 1024",
    "checkpoints": "SELECT coalesce(sum(n_live_tup), 0)::bigint FROM pg_stat_user_tables WHERE relname ~ 'checkpoint'",
    "bytes a run": 'SELECT pg_total_relation_size(\'"user".runs\') / greatest(count(*), 1) FROM "user".runs',
}
"""What PostgreSQL is asked each minute. Stored conversations grow with what people ask, as they should."""
EXEMPT = {"minute", "answers", "failed", "bytes a run"}
SIGN_IN_SECONDS = 600
UNBOUND = {"MADANG_QUESTIONS_PER_MINUTE": "0", "MADANG_REQUESTS_PER_MINUTE": "0"}
NOISE = {"conn": 32, "outbox": 20, "held": 20, "open runs": 20, "unbooked": 100, "first p95": 100}
"""How much these may move between minutes on a machine that others use too; of the rest, 5.

Pools open a connection when all are in use and keep it: 32 is what one of each process may open.
"""

type Minute = dict[str, float]


class Load:
    """Asks at a steady rate, whatever the answers do, and remembers what the current minute saw."""

    def __init__(self, api: str, rate: float) -> None:
        self.api, self.rate = api, rate
        self.headers: dict[str, str] = {}
        self.seen: list[Chat] = []
        self.failed = 0
        self.under_way: set[asyncio.Task[None]] = set()

    async def run(self, http: aiohttp.ClientSession, until: float) -> None:
        """Ask until a moment of the loop's clock, then wait for the last answers."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while next_at < until:
            await asyncio.sleep(next_at - loop.time())
            task = loop.create_task(self._ask(http))
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)
            next_at += 1 / self.rate
        if self.under_way:
            await asyncio.wait(self.under_way)

    async def _ask(self, http: aiohttp.ClientSession) -> None:
        try:
            asked: dict[str, object] = {"question": "Tell me a story."}
            self.seen.append(await ask(http, f"{self.api}/chat/streaming", asked, 0, self.headers))
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed += 1
            print(f"  an answer failed: {error}", flush=True)

    def take(self) -> tuple[list[Chat], int]:
        """What was seen since the last call."""
        seen, failed = self.seen, self.failed
        self.seen, self.failed = [], 0
        return seen, failed


async def look(parts: dict[int, str], load: Load, valkey: Redis, database: str, minute: int) -> Minute:
    """One row of figures."""
    seen, failed = load.take()
    firsts = [chat.first_ms for chat in seen if chat.tokens]
    row: Minute = {"minute": minute, "answers": len(seen), "failed": failed}
    row["first p95"] = percentile(firsts, 0.95) if firsts else 0
    for pid, name in parts.items():
        row[f"{name.removesuffix('-server')} MB"] = held_by(pid)
    memory = await valkey.info("memory")
    row["valkey used MB"] = memory["used_memory"] / 1e6
    row["keys"] = await valkey.dbsize()
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        for name, statement in COUNTED.items():
            found = await (await connection.execute(statement.encode())).fetchone()
            row[name] = float(found[0]) if found else 0
    return row


def held_by(pid: int) -> float:
    """The memory of a process and all below it, in MiB; those that end just now hold nothing.

    The buffers that PostgreSQL's processes share fill up to their fixed size and are left out.
    """
    held = 0
    for one in family(pid):
        with suppress(OSError):
            lines = dict(line.split(":", 1) for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()[1:])
            held += int(lines["Pss"].split()[0]) - int(lines["Pss_Shmem"].split()[0])
    return held / 1024


def slope(values: list[float]) -> float:
    """Growth from one minute to the next, by least squares."""
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    above = sum((at - middle) * (value - mean) for at, value in enumerate(values))
    return above / sum((at - middle) ** 2 for at in range(len(values)))


def verdict(rows: list[Minute]) -> list[tuple[str, ...]]:
    """For each column: level, growth an hour and over the measured time, and whether that is flat."""
    after = rows[len(rows) // 3 :]
    lines: list[tuple[str, ...]] = []
    for name in after[0]:
        values = [row[name] for row in after]
        grown = slope(values) * (len(values) - 1)
        level = sum(values) / len(values)
        is_flat = grown <= max(level / 10, NOISE.get(name, 5))
        said = "–" if name in EXEMPT else "flat" if is_flat else "GROWS"
        lines.append((name, f"{level:.1f}", f"{60 * slope(values):+.1f}", f"{grown:+.1f}", said))
    return lines


async def soak(address: str, up: int, folder: Path, minutes: int, rate: float) -> None:
    """Load, a row each minute, and the verdict."""
    environment = json.loads((folder / "run" / "environment.json").read_text())
    valkey = Redis.from_url(environment["VALKEY_URL"])
    database = environment.get("MADANG_OWNER_DATABASE_URL") or environment["DATABASE_URL"]
    load = Load(f"{address}/api/v1", rate)
    load.headers = await sign_in(load.api)
    parts, rows = names(up), []
    loop = asyncio.get_running_loop()
    began = signed_in = loop.time()
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        asking = loop.create_task(load.run(http, began + 60 * minutes))
        for minute in range(1, minutes + 1):
            await asyncio.sleep(began + 60 * minute - loop.time())
            if loop.time() - signed_in > SIGN_IN_SECONDS:
                load.headers, signed_in = await sign_in(load.api, is_new=False), loop.time()
            rows.append(await look(parts, load, valkey, database, minute))
            print(", ".join(f"{name} {value:.0f}" for name, value in rows[-1].items()), flush=True)
        await asking
    await valkey.aclose()
    print("\n" + machine_line(), end="\n\n")
    shown = ["minute", "answers", "failed", "first p95", *(name for name in rows[0] if name.endswith("MB"))]
    shown += ["keys", *COUNTED]
    print(table(shown, [[f"{row[name]:.0f}" for name in shown] for row in rows]), end="\n\n")
    print(table(("what", "level", "an hour", "grown", "verdict"), verdict(rows)))


@contextmanager
def madang(tokens: int, rate: float) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """The stand-in and a Madang of its own; its process, address and data folder."""
    standin, model = start_standin(tokens, rate)
    with tempfile.TemporaryDirectory() as folder:
        try:
            up, address = start(folder, model, **UNBOUND)
            try:
                yield up, address, Path(folder)
            finally:
                end(up)
        finally:
            standin.kill()


def main(minutes: int, rate: float, tokens: int, speed: float) -> None:
    """Measure."""
    print(f"{minutes} minutes, {rate} answers a second of {tokens} tokens; began {time.strftime('%H:%M')}", flush=True)
    with madang(tokens, speed) as (up, address, folder):
        uvloop.run(soak(address, up.pid, folder, minutes, rate))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--rate", type=float, default=5)
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--speed", type=float, default=50, help="tokens a second of each answer")
    given = parser.parse_args()
    main(given.minutes, given.rate, given.tokens, given.speed)
