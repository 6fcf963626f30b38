"""Whether signing in starves answers: first tokens of a crowd of chats, alone and while many people sign in.

`./dev bench signing_in [--rate N] [--rounds N]`. Each round streams the crowd of `streaming.py` twice, without and
with `--rate` log-ins a second offered to the same api; argon2 bounds how many of them it takes. The promise: with 50 a
second offered, the 95th percentile of first tokens grows by less than a fifth.
"""

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import aiohttp
import uvloop
from machine import machine_line, table
from streaming import SETUP_TOKEN, STANDIN, Chat, crowd, percentile, start

from madang.local.child import free_port

PEOPLE = 20
CHATS, TOKENS, TOKENS_A_SECOND = 100, 100, 50.0
PASSWORD = "courtyard rain 7"  # noqa: S105  # of a house that lives for a minute
UNBOUND = {
    "MADANG_REGISTRATION": "open",
    "MADANG_QUESTIONS_PER_MINUTE": "0",
    "MADANG_REQUESTS_PER_MINUTE": "0",
}


@dataclass
class Door:
    """What those who signed in met: how often each answer came, how long the good ones took, for how long in all."""

    answers: Counter[int] = field(default_factory=Counter[int])
    took_ms: list[float] = field(default_factory=list[float])
    seconds: float = 0


async def people(api: str) -> list[dict[str, str]]:
    """Accounts that are there."""
    made = [{"email": f"person{n}@example.com", "password": PASSWORD} for n in range(PEOPLE)]
    async with aiohttp.ClientSession() as http:
        for one in made:
            body = {**one, "name": "Person", "setup_token": SETUP_TOKEN}
            async with http.post(f"{api}/auth/register", json=body) as response:
                response.raise_for_status()
    return made


async def log_in(http: aiohttp.ClientSession, url: str, who: dict[str, str], door: Door) -> None:
    """One log-in, counted by its answer."""
    began = time.perf_counter()
    async with http.post(url, json=who) as response:
        await response.read()
    door.answers[response.status] += 1
    if response.ok:
        door.took_ms.append(1000 * (time.perf_counter() - began))


@contextlib.asynccontextmanager
async def knocking(api: str, who: list[dict[str, str]], rate: float, door: Door) -> AsyncGenerator[None]:
    """Offer log-ins at a steady rate for as long as the block lasts, then wait for the last of them."""
    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http, asyncio.TaskGroup() as group:

        async def knock() -> None:
            offered = 0
            while True:
                group.create_task(log_in(http, f"{api}/auth/login", who[offered % len(who)], door))
                offered += 1
                await asyncio.sleep(max(0.0, began + offered / rate - time.perf_counter()))

        task = asyncio.get_running_loop().create_task(knock())
        try:
            yield
        finally:
            task.cancel()
            door.seconds += time.perf_counter() - began


async def measure(address: str, rate: float, rounds: int) -> None:
    """Sign in, warm up, and let the crowds come."""
    api = f"{address}/api/v1"
    who = await people(api)
    async with aiohttp.ClientSession() as http, http.post(f"{api}/auth/login", json=who[0]) as response:
        headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
    body: dict[str, object] = {"question": "Tell me a story."}
    alone: list[Chat] = []
    beside: list[Chat] = []
    door = Door()
    await crowd(f"{api}/chat/streaming", body, 5, headers)
    for _ in range(rounds):
        alone += await crowd(f"{api}/chat/streaming", body, CHATS, headers)
        async with knocking(api, who, rate, door):
            beside += await crowd(f"{api}/chat/streaming", body, CHATS, headers)
    report(alone, beside, door, rate)


def report(alone: list[Chat], beside: list[Chat], door: Door, rate: float) -> None:
    """Print the table."""
    first = {
        name: [percentile([chat.first_ms for chat in chats], part) for part in (0.5, 0.95)]
        for name, chats in (("alone", alone), ("beside", beside))
    }
    taken = door.answers[200]
    refused = ", ".join(f"{count} × {status}" for status, count in sorted(door.answers.items()) if status != 200) or "0"
    print(machine_line(), end="\n\n")
    rows = [
        ("first token, nobody signing in", "p50 {:.0f} ms, p95 {:.0f} ms".format(*first["alone"])),
        (f"first token, {rate:.0f} log-ins/s offered", "p50 {:.0f} ms, p95 {:.0f} ms".format(*first["beside"])),
        ("p95 with to without", f"{first['beside'][1] / first['alone'][1]:.2f}"),
        ("complete answers", f"{sum(chat.tokens == TOKENS for chat in alone + beside)} of {len(alone + beside)}"),
        ("log-ins taken", f"{taken} ({taken / door.seconds:.0f}/s), p50 {percentile(door.took_ms, 0.5):.0f} ms"),
        ("log-ins refused", refused),
    ]
    print(table(("what", "figure"), rows))


def main(rate: float, rounds: int) -> None:
    """Start the stand-in and a Madang of its own, measure, and end both."""
    port = free_port()
    command = [sys.executable, str(STANDIN), str(port), str(TOKENS), str(TOKENS_A_SECOND)]
    standin = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert standin.stdout is not None
    standin.stdout.readline()
    with tempfile.TemporaryDirectory() as folder:
        up, address = start(folder, f"http://127.0.0.1:{port}/v1", **UNBOUND)
        try:
            uvloop.run(measure(address, rate, rounds))
        finally:
            up.terminate()
            up.wait()
            standin.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    main(chosen.rate, chosen.rounds)
