"""Whether strangers at the door starve answers: first tokens of a crowd of chats, alone and beside a flood.

`./dev bench doors [--rounds N] [--floods N]`. Each round streams the crowd of `streaming.py` twice, without and with a
flood from a process of its own that is signed in nowhere: 200 connections that send a byte now and then, and `--floods`
requests a second that are endless headers, bodies of 2 MB, thousands of unknown members and deep JSON in turn. The
promise: the 95th percentile of first tokens grows by less than a fifth, and the api's memory stays bounded.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from machine import machine_line, table
from signing_in import UNBOUND
from streaming import STANDIN, Chat, crowd, names, percentile, sign_in, start

from madang.local.child import free_port

SLOW, SLOW_GAP_SECONDS = 200, 2.0
CHATS, TOKENS, TOKENS_A_SECOND = 100, 100, 50.0
LOGIN = (
    b"POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
)


def floods() -> dict[str, bytes]:
    """What one attacker sends at once, by name."""
    members = b"{" + b",".join(b'"m%d":1' % number for number in range(5_000)) + b"}"
    deep = b'{"email":' * 5_000 + b"1" + b"}" * 5_000
    large = b'{"email":"' + b"a" * 2_000_000 + b'"}'
    return {
        "headers": b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x-fill: aaaaaaaaaaaaaaaa\r\n" * 40_000,
        "large": LOGIN % len(large) + large,
        "members": LOGIN % len(members) + members,
        "deep": LOGIN % len(deep) + deep,
    }


async def one_flood(host: str, port: int, sent: bytes) -> str:
    """Send it all; the status that comes back, or "cut"."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            with contextlib.suppress(OSError):
                writer.write(sent)
                await writer.drain()
            line = await reader.readline()
            return line.split()[1].decode() if line else "cut"
        finally:
            writer.close()
    return "cut"


async def one_slow(host: str, port: int) -> None:
    """A connection that sends a byte now and then, and comes back when it is cut."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(b"POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
            while not writer.is_closing():
                writer.write(b"a")
                await asyncio.sleep(SLOW_GAP_SECONDS)
        await asyncio.sleep(SLOW_GAP_SECONDS)


async def flood(host: str, port: int, rate: float) -> None:
    """Attack until killed; what was answered is printed once a second."""
    answers: Counter[str] = Counter()
    began = time.perf_counter()
    kinds = itertools.cycle(floods().items())

    async def attack(name: str, sent: bytes) -> None:
        answers[f"{name} {await one_flood(host, port, sent)}"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(SLOW):
            group.create_task(one_slow(host, port))
        for count in itertools.count(1):
            group.create_task(attack(*next(kinds)))
            await asyncio.sleep(max(0.0, began + count / rate - time.perf_counter()))
            if count % max(1, int(rate)) == 0:
                print(", ".join(f"{count} × {kind}" for kind, count in sorted(answers.items())), flush=True)


@contextlib.asynccontextmanager
async def flooding(address: str, rate: float, told: list[str]) -> AsyncGenerator[None]:
    """Let a process of its own attack for as long as the block lasts."""
    command = [sys.executable, __file__, "--attack", address, "--floods", str(rate)]
    attacker = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert attacker.stdout is not None
    await attacker.stdout.readline()
    try:
        yield
    finally:
        attacker.kill()
        lines = (await attacker.stdout.read()).decode().splitlines()
        told += lines[-1:]
        await attacker.wait()


def memory_mb(pid: int, field: str) -> float:
    """A line of the process's status in MB: `VmRSS` now, `VmHWM` the most ever."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    return 0


async def measure(address: str, up: int, rate: float, rounds: int) -> None:
    """Warm up, and let the crowds come in turns."""
    api = f"{address}/api/v1"
    headers = await sign_in(api)
    body: dict[str, object] = {"question": "Tell me a story."}
    alone: list[Chat] = []
    beside: list[Chat] = []
    told: list[str] = []
    pid = next(pid for pid, name in names(up).items() if name == "api")
    await crowd(f"{api}/chat/streaming", body, 5, headers)
    before = 0.0
    for _ in range(rounds):
        alone += await crowd(f"{api}/chat/streaming", body, CHATS, headers)
        before = memory_mb(pid, "VmRSS")
        async with flooding(address, rate, told):
            beside += await crowd(f"{api}/chat/streaming", body, CHATS, headers)
    first = {
        name: [percentile([chat.first_ms for chat in chats], part) for part in (0.5, 0.95)]
        for name, chats in (("alone", alone), ("beside", beside))
    }
    rows = [
        ("first token, nobody at the door", "p50 {:.0f} ms, p95 {:.0f} ms".format(*first["alone"])),
        (f"first token, {SLOW} slow and {rate:.0f} floods/s", "p50 {:.0f} ms, p95 {:.0f} ms".format(*first["beside"])),
        ("p95 with to without", f"{first['beside'][1] / first['alone'][1]:.2f}"),
        ("complete answers", f"{sum(chat.tokens == TOKENS for chat in alone + beside)} of {len(alone + beside)}"),
        ("memory of the api", f"{before:.0f} MB before the last flood, {memory_mb(pid, 'VmHWM'):.0f} MB at most"),
        ("answered, last round", told[-1] if told else "nothing"),
    ]
    print(machine_line(), end="\n\n")
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
            uvloop.run(measure(address, up.pid, rate, rounds))
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait()
            standin.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--floods", type=float, default=20.0)
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.attack:
        os.nice(19)  # an attacker has a machine of its own
        at = urlsplit(chosen.attack)
        uvloop.run(flood(at.hostname or "127.0.0.1", at.port or 80, chosen.floods))
    else:
        main(chosen.floods, chosen.rounds)
