"""What a streamed answer costs: 100 people chat at once through the whole path, from sign-in to server-sent events.

`./dev bench streaming [--chats N] [--tokens N] [--rate N] [--parts]`. A stand-in model on this machine streams words at
a steady rate. Each chat has a session of its own. CPU is that of every process of `madang up` together, PostgreSQL and
Valkey counted, from the first request to the last event; memory is the resident set of each process after the last
event. `--parts` says instead what an answer costs whatever its length, and what 1,000 tokens of it cost besides, from
answers of 20 and of 400 tokens.
"""

import argparse
import asyncio
import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvloop
from machine import machine_line, table
from startup import children, family

from madang.local.child import free_port

MADANG = str(Path(sys.executable).with_name("madang"))
STANDIN = Path(__file__).parent.parent / "tests" / "standin.py"
TICK = os.sysconf("SC_CLK_TCK")
TOKEN = re.compile(rb"tok\d+ ")
RAMP_SECONDS = 2.0
SETUP_TOKEN = "the set-up token of a bench"  # noqa: S105  # of a server that lives for a minute
SHORT, LONG = 20, 400
OURS = ("api", "worker", "scheduler")


@dataclass
class Chat:
    """What one person saw."""

    first_ms: float = 0
    gaps_ms: list[float] = field(default_factory=list)
    tokens: int = 0


def names(up: int) -> dict[int, str]:
    """Each child of `madang up` with its name."""
    found = {}
    for child in children(up):
        words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        found[child] = next(
            (word.rpartition(".")[2] for word in words if word.startswith("madang.")), Path(words[0]).name
        )
    return found


def cpu_ms(pid: int) -> float:
    """Processor time of a process and all below it, in milliseconds."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return 1000 * total / TICK


def resident_mb(pid: int) -> float:
    """The resident set of the process itself, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0


async def read(response: aiohttp.ClientResponse, began: float) -> Chat:
    """Take the events of one answer."""
    chat, last = Chat(), began
    async for data in response.content.iter_any():
        found = len(TOKEN.findall(data))
        if not found:
            continue
        now = time.perf_counter()
        if chat.tokens:
            chat.gaps_ms.append(1000 * (now - last))
        else:
            chat.first_ms = 1000 * (now - began)
        chat.tokens += found
        last = now
    return chat


async def ask(
    http: aiohttp.ClientSession, url: str, body: dict[str, object], delay: float, headers: dict[str, str] | None = None
) -> Chat:
    """One chat, begun after `delay` seconds."""
    await asyncio.sleep(delay)
    began = time.perf_counter()
    async with http.post(url, json=body, headers=headers) as response:
        response.raise_for_status()
        return await read(response, began)


async def crowd(url: str, body: dict[str, object], chats: int, headers: dict[str, str]) -> list[Chat]:
    """All chats, begun evenly over two seconds."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as http:
        return await asyncio.gather(*(ask(http, url, body, RAMP_SECONDS * i / chats) for i in range(chats)))


async def sign_in(api: str, *, is_new: bool = True) -> dict[str, str]:
    """The headers of the bench's account, which is made first if it is new."""
    who = {"email": "bench@example.com", "password": "a long enough password"}
    async with aiohttp.ClientSession() as http:
        if is_new:
            body = {**who, "name": "Bench", "setup_token": SETUP_TOKEN}
            async with http.post(f"{api}/auth/register", json=body) as response:
                response.raise_for_status()
        async with http.post(f"{api}/auth/login", json=who) as response:
            return {"Authorization": f"Bearer {(await response.json())['access_token']}"}


def start(folder: str, model: str, **settings: str) -> tuple[subprocess.Popen[str], str]:
    """`madang up` with the stand-in as its model, and other settings; its process and address."""
    environment = {
        **os.environ,
        "MADANG_DATA_DIR": folder,
        "MADANG_PORT": str(free_port()),
        "MADANG_LOCAL_MODELS": "false",
        "MADANG_LOG_LEVEL": "WARNING",
        "MADANG_SETUP_TOKEN": SETUP_TOKEN,
        "MADANG_RUN_MAX_STREAMS": "10000",
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": model,
        "MADANG_DEFAULT_MODEL": "openai/bench",
        **settings,
    }
    process = subprocess.Popen([MADANG, "up"], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Madang is ready at "):
            return process, line.removeprefix("Madang is ready at ").strip()
    raise SystemExit("Madang did not become ready.")


def percentile(values: list[float], part: float) -> float:
    """The value that `part` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def report(own: list[Chat], chats: list[Chat], wanted: int, used: dict[str, float], memory: dict[str, float]) -> None:
    """Print the table."""
    tokens = sum(chat.tokens for chat in chats)
    base = {part: percentile([chat.first_ms for chat in own], part) for part in (0.5, 0.95)}
    first = {part: percentile([chat.first_ms for chat in chats], part) for part in (0.5, 0.95)}
    gaps = [gap for chat in chats for gap in chat.gaps_ms]
    print(machine_line(), end="\n\n")
    rows = [
        ("complete", f"{sum(chat.tokens == wanted for chat in chats)} of {len(chats)} chats, {tokens} tokens"),
        ("first token", f"p50 {first[0.5]:.0f} ms, p95 {first[0.95]:.0f} ms"),
        ("over the model's own", f"p50 {first[0.5] - base[0.5]:.0f} ms, p95 {first[0.95] - base[0.95]:.0f} ms"),
        ("between pieces", f"p50 {statistics.median(gaps):.0f} ms, p99 {percentile(gaps, 0.99):.0f} ms"),
        ("CPU", f"{1000 * sum(used.values()) / tokens:.1f} ms per 1,000 tokens"),
        *((f"  {name}", f"{1000 * ms / tokens:.1f} ms") for name, ms in sorted(used.items(), key=lambda one: -one[1])),
        ("memory", f"{sum(memory[name] for name in OURS):.0f} MB for api, worker and scheduler"),
        *((f"  {name}", f"{memory[name]:.0f} MB") for name in OURS),
    ]
    print(table(("what", "figure"), rows))


async def measure(address: str, up: int, model: str, chats: int, tokens: int) -> None:
    """Sign in, warm up, take the model's own times, then the crowd's."""
    api = f"{address}/api/v1"
    headers = await sign_in(api)
    body: dict[str, object] = {"question": "Tell me a story."}
    await crowd(f"{api}/chat/streaming", body, 5, headers)
    asked = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "Tell me a story."}]}
    own = await crowd(f"{model}/chat/completions", asked, chats, {})
    parts = names(up)
    before = {pid: cpu_ms(pid) for pid in parts}
    seen = await crowd(f"{api}/chat/streaming", body, chats, headers)
    used = {name: cpu_ms(pid) - before[pid] for pid, name in parts.items()}
    report(own, seen, tokens, used, {name: resident_mb(pid) for pid, name in parts.items()})


async def spend(address: str, up: int, chats: int) -> dict[str, float]:
    """CPU of each process for all chats, in milliseconds, once everything is warm."""
    api = f"{address}/api/v1"
    headers = await sign_in(api)
    body: dict[str, object] = {"question": "Tell me a story."}
    await crowd(f"{api}/chat/streaming", body, 5, headers)
    parts = names(up)
    before = {pid: cpu_ms(pid) for pid in parts}
    await crowd(f"{api}/chat/streaming", body, chats, headers)
    await asyncio.sleep(1)  # for what is done after the last event: messages, bookings
    return {name: cpu_ms(pid) - before[pid] for pid, name in parts.items()}


def start_standin(tokens: int, rate: float) -> tuple[subprocess.Popen[str], str]:
    """The stand-in model, with so many words an answer, so many a second; its process and address."""
    port = free_port()
    command = [sys.executable, str(STANDIN), str(port), str(tokens), str(rate)]
    standin = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert standin.stdout is not None
    standin.stdout.readline()
    return standin, f"http://127.0.0.1:{port}/v1"


def end(up: subprocess.Popen[str]) -> None:
    """End a `madang up` well."""
    up.send_signal(signal.SIGTERM)
    up.wait()


@contextlib.contextmanager
def served(tokens: int, rate: float) -> Generator[tuple[str, int, str]]:
    """A Madang of its own over a stand-in with such answers: its address, its process, the stand-in's address."""
    standin, model = start_standin(tokens, rate)
    with tempfile.TemporaryDirectory() as folder:
        up, address = start(folder, model)
        try:
            yield address, up.pid, model
        finally:
            end(up)
            standin.kill()


def main(chats: int, tokens: int, rate: float) -> None:
    """Measure what a crowd sees and costs."""
    with served(tokens, rate) as (address, up, model):
        uvloop.run(measure(address, up, model, chats, tokens))


def split(chats: int, rate: float) -> None:
    """Print what an answer costs at least, and what its length adds."""
    spent: dict[int, dict[str, float]] = {}
    for tokens in (SHORT, LONG):
        with served(tokens, rate) as (address, up, _):
            spent[tokens] = uvloop.run(spend(address, up, chats))
    rows: list[tuple[str, ...]] = []
    for name in ("all", *spent[LONG]):
        short, long = (sum(one.values()) if name == "all" else one[name] for one in spent.values())
        running = (long - short) / (LONG - SHORT)
        rows.append((name, f"{(short - running * SHORT) / chats:.1f}", f"{1000 * running / chats:.1f}"))
    print(machine_line(), end="\n\n")
    print(table(("CPU-ms", "an answer", "1,000 tokens"), rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--parts", action="store_true")
    given = parser.parse_args()
    if given.parts:
        split(given.chats, given.rate)
    else:
        main(given.chats, given.tokens, given.rate)
