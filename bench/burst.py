"""What a burst does: many people ask in one instant, after a quiet minute, with a budget set.

`./dev bench burst [--sizes 100,200,400] [--quiet SECONDS] [--tokens N] [--rate N]`. One api process, one worker, and a
stand-in model. Each question is another person's, whose sign-in the api has not seen for as long as it was quiet. The
first token's time is given over the stand-in's own under the same burst.
"""

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass

import aiohttp
import uvloop
from machine import machine_line, table
from streaming import SETUP_TOKEN, STANDIN, TOKEN, percentile, start

from madang.local.child import free_port

PASSWORD = "a long enough password"  # noqa: S105  # of people who exist for a minute
SIGN_UPS_AT_ONCE = 4
SETTINGS = {
    "MADANG_REGISTRATION": "open",
    "MADANG_SIGN_IN_ADDRESS_ATTEMPTS": "100000",
    "MADANG_ACCESS_TOKEN_MINUTES": "120",
    "MADANG_PASSWORD_HASH_MEMORY_KIB": "64",
    "MADANG_PASSWORD_HASH_ROUNDS": "1",
}
"""Everybody may come in, and quickly: signing up is not what is measured."""


@dataclass
class Seen:
    """What one person saw: the status, when it came, when the first token came, and how many came in all."""

    status: int
    status_ms: float
    retry_after: str | None = None
    first_ms: float = 0
    tokens: int = 0
    end: str = ""


async def sign_up(http: aiohttp.ClientSession, api: str, number: int, gate: asyncio.Semaphore) -> dict[str, str]:
    """The headers of a new account."""
    who = {"email": f"burst{number}@example.com", "password": PASSWORD}
    more = {} if number else {"setup_token": SETUP_TOKEN}
    async with gate:
        async with http.post(f"{api}/auth/register", json={**who, **more, "name": "Burst"}) as response:
            response.raise_for_status()
        async with http.post(f"{api}/auth/login", json=who) as response:
            response.raise_for_status()
            return {"Authorization": f"Bearer {(await response.json())['access_token']}"}


async def ask(http: aiohttp.ClientSession, url: str, body: dict[str, object], headers: dict[str, str]) -> Seen:
    """One question, read to its end."""
    began = time.perf_counter()
    async with http.post(url, json=body, headers=headers) as response:
        seen = Seen(response.status, 1000 * (time.perf_counter() - began), response.headers.get("Retry-After"))
        if response.status != 200:  # OK
            seen.end = str((await response.json())["code"])
            return seen
        tail = b""
        async for data in response.content.iter_any():
            found = len(TOKEN.findall(data))
            if found and not seen.tokens:
                seen.first_ms = 1000 * (time.perf_counter() - began)
            seen.tokens += found
            tail = (tail + data)[-4000:]
        seen.end = next((end for end in ("run.finished", "run.failed") if end.encode() in tail), "cut")
    return seen


async def burst(url: str, body: dict[str, object], people: list[dict[str, str]]) -> list[Seen]:
    """All questions in one instant, each on a connection of its own."""
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        return await asyncio.gather(*(ask(http, url, body, headers) for headers in people))


def row(size: int, own: list[Seen], seen: list[Seen]) -> list[str]:
    """A line of the table."""
    answered = [one for one in seen if one.end == "run.finished"]
    refused = [one for one in seen if one.status != 200]  # OK
    failed = len(seen) - len(answered) - len(refused)
    over = ["-", "-"]
    if answered:
        first = [one.first_ms for one in answered]
        base = [one.first_ms for one in own]
        over = [f"{percentile(first, part) - percentile(base, part):,.0f} ms" for part in (0.5, 0.95)]
    slowest = f"{max(one.status_ms for one in refused):,.0f} ms" if refused else "-"
    told = f"{sum(one.retry_after is not None for one in refused)} of {len(refused)}" if refused else "-"
    why = ", ".join(
        f"{count} {end}" for end, count in Counter(one.end for one in seen).items() if end != "run.finished"
    )
    return [str(size), str(len(answered)), str(len(refused)), str(failed), *over, slowest, told, why or "-"]


async def measure(address: str, model: str, sizes: list[int], quiet: float) -> list[list[str]]:
    """Sign people up, set a budget, and burst after each quiet time."""
    api = f"{address}/api/v1"
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        gate = asyncio.Semaphore(SIGN_UPS_AT_ONCE)
        first = await sign_up(http, api, 0, gate)
        people = await asyncio.gather(*(sign_up(http, api, number, gate) for number in range(1, max(sizes) + 1)))
        budget = {"subject_kind": "platform", "unit": "tokens", "window": "month", "limit": 1_000_000_000}
        async with http.post(f"{api}/budgets/", json=budget, headers=first) as response:
            response.raise_for_status()
    body: dict[str, object] = {"question": "Tell me a story."}
    asked = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "Tell me a story."}]}
    await burst(f"{api}/chat/streaming", body, people[:5])
    rows = []
    for size in sizes:
        own = await burst(f"{model}/chat/completions", asked, [{}] * size)
        await asyncio.sleep(quiet)
        rows.append(row(size, own, await burst(f"{api}/chat/streaming", body, people[:size])))
        print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    return rows


HEADER = (
    "questions", "answered", "refused", "failed", "first token p50", "p95", "slowest refusal", "Retry-After", "ends",
)  # fmt: skip


def main(sizes: list[int], quiet: float, tokens: int, rate: float) -> None:
    """Start the stand-in and a Madang of its own, measure, and end both."""
    port = free_port()
    model = f"http://127.0.0.1:{port}/v1"
    command = [sys.executable, str(STANDIN), str(port), str(tokens), str(rate)]
    standin = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert standin.stdout is not None
    standin.stdout.readline()
    with tempfile.TemporaryDirectory() as folder:
        up, address = start(folder, model, **SETTINGS)
        try:
            rows = uvloop.run(measure(address, model, sizes, quiet))
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait()
            standin.kill()
    print(machine_line(), end="\n\n")
    print(table(HEADER, rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,200,400")
    parser.add_argument("--quiet", type=float, default=60)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50)
    given = parser.parse_args()
    main([int(size) for size in given.sizes.split(",")], given.quiet, given.tokens, given.rate)
