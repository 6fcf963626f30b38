"""What reading a model's stream costs: our path beside httpx, the OpenAI SDK and LangChain's ChatOpenAI.

`./dev bench provider_stream [--streams 100] [--tokens 200] [--rate 50]`. A stand-in in a process of its own streams so
many answers at once; the figure is the CPU time of the reading process alone, for each 1,000 tokens. The SDK and
LangChain are measured when they are installed (`uv pip install langchain-openai`); httpx is always here. The last line
is what stopping takes: from the cancellation of a task to the closed connection.
"""

import argparse
import asyncio
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import uvloop
from machine import machine_line, table

if TYPE_CHECKING:
    from madang.features.usage.public import Call, Metering
    from madang.kernel.settings import Settings

STANDIN = Path(__file__).parent.parent / "tests" / "standin.py"
QUESTION = "Tell me a story."
KEPT = AsyncExitStack()
type Read = Callable[[], Awaitable[int]]


def body(model: str) -> dict[str, object]:
    """The request that every reader sends."""
    return {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": QUESTION}],
    }


@asynccontextmanager
async def unmetered(house: object, spender: object, call: "Call") -> AsyncGenerator["Metering"]:
    """What stands in for `usage.metered`: reading is measured here, and needs no database."""
    from madang.features.usage.public import Metering

    yield Metering(call.max_output)


async def by_madang(url: str) -> Read:
    """`providers.public.stream_chat`."""
    from madang.adapters.opening import open_house
    from madang.features.providers.public import ChatRequest, Message, stream_chat
    from madang.features.providers.service import streaming

    vars(streaming)["metered"] = unmetered
    house = await KEPT.enter_async_context(open_house(nowhere(), [], "bench", lambda _: None))

    async def read() -> int:
        request = ChatRequest([Message("user", QUESTION)], "openai/bench")
        async with aclosing(stream_chat(house, request)) as chunks:
            return sum([chunk.text.count("tok") async for chunk in chunks])

    return read


async def by_httpx(url: str) -> Read:
    """Httpx and json, line by line, as most do it."""
    httpx = importlib.import_module("httpx")
    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=60)

    async def read() -> int:
        count = 0
        async with client.stream("POST", f"{url}/chat/completions", json=body("bench")) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line[6:])["choices"]
                    count += (choices[0]["delta"].get("content") or "").count("tok") if choices else 0
        return count

    return read


async def by_openai(url: str) -> Read:
    """OpenAI's own SDK."""
    client = importlib.import_module("openai").AsyncOpenAI(base_url=url, api_key="x")

    async def read() -> int:
        count = 0
        async for chunk in await client.chat.completions.create(**body("bench")):
            count += (chunk.choices[0].delta.content or "").count("tok") if chunk.choices else 0
        return count

    return read


async def by_langchain(url: str) -> Read:
    """LangChain's ChatOpenAI, as most agents use it."""
    module = importlib.import_module("langchain_openai")
    model = module.ChatOpenAI(model="bench", base_url=url, api_key="x", stream_usage=True)

    async def read() -> int:
        return sum([str(chunk.content).count("tok") async for chunk in model.astream(QUESTION)])

    return read


async def by_bridge(url: str) -> Read:
    """`providers.public.chat_model`: LangChain's interface over our path."""
    from madang.adapters.opening import open_house
    from madang.features.providers.public import chat_model
    from madang.features.providers.service import streaming

    vars(streaming)["metered"] = unmetered
    house = await KEPT.enter_async_context(open_house(nowhere(), [], "bench", lambda _: None))
    model = chat_model(house, "openai/bench")

    async def read() -> int:
        return sum([str(chunk.content).count("tok") async for chunk in model.astream(QUESTION)])

    return read


READERS: dict[str, Callable[[str], Awaitable[Read]]] = {
    "LangChain ChatOpenAI": by_langchain,
    "OpenAI SDK": by_openai,
    "httpx and json": by_httpx,
    "LangChain over our path": by_bridge,
    "Madang stream_chat": by_madang,
}


def nowhere() -> "Settings":
    """Settings of a house without servers."""
    from madang.kernel.settings import Settings

    return Settings(database_url="postgresql://x@127.0.0.1:1/x", valkey_url="redis://127.0.0.1:1", secret_key="x" * 32)


async def measure(name: str, url: str, streams: int) -> tuple[int, float, float]:
    """Tokens, CPU seconds and wall seconds of one reader. Streams begin over two seconds."""
    read = await READERS[name](url)
    await read()

    async def one(number: int) -> int:
        await asyncio.sleep(number / streams * 2)
        return await read()

    cpu, wall = time.process_time(), time.perf_counter()
    tokens = sum(await asyncio.gather(*[one(number) for number in range(streams)]))
    return tokens, time.process_time() - cpu, time.perf_counter() - wall


async def stopping(url: str, streams: int) -> list[float]:
    """Milliseconds from a cancellation to the stand-in seeing its connection closed."""
    read = await by_madang(url)
    tasks = [asyncio.get_running_loop().create_task(quietly(read)) for _ in range(streams)]
    while live(url) < streams:  # noqa: ASYNC110  # another process knows
        await asyncio.sleep(0.02)
    waits: list[float] = []
    for number, task in enumerate(tasks):
        began = time.perf_counter()
        task.cancel()
        await asyncio.sleep(0)
        while await asyncio.to_thread(live, url) > streams - 1 - number:  # noqa: ASYNC110  # the same
            await asyncio.sleep(0.001)
        waits.append((time.perf_counter() - began) * 1000)
    return sorted(waits)


async def quietly(read: Read) -> None:
    """Read until cancelled."""
    with suppress(asyncio.CancelledError):
        await read()


def live(url: str) -> int:
    """Answers that the stand-in is writing."""
    with urlopen(url.removesuffix("/v1") + "/stats", timeout=5) as response:  # noqa: S310  # our own stand-in
        return int(json.load(response)["live"])


def child(name: str, url: str, streams: int) -> dict[str, Any] | None:
    """Measure in a process of its own, so that no reader pays for another's imports."""
    environment = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "x", "LANGSMITH_TRACING": "false"}
    command = [sys.executable, __file__, "--one", name, "--url", url, "--streams", str(streams)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and "ModuleNotFoundError" in done.stderr:
        return None
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Start the stand-in and measure every reader against it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("streams", 100), ("tokens", 200), ("rate", 50)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one == "stopping":
        print(json.dumps({"waits": uvloop.run(stopping(given.url, given.streams))}))
    elif given.one:
        tokens, cpu, wall = uvloop.run(measure(given.one, given.url, given.streams))
        print(json.dumps({"tokens": tokens, "cpu": cpu, "wall": wall}))
    else:
        report(given.streams, given.tokens, given.rate)


def report(streams: int, tokens: int, rate: int) -> None:
    """Print the table."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, STANDIN, str(port), str(tokens), str(rate)], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        url = f"http://127.0.0.1:{port}/v1"
        rows = []
        for name in READERS:
            found = child(name, url, streams)
            cost = f"{found['cpu'] * 1e6 / found['tokens']:.1f}" if found else "not installed"
            rows.append([name, str(found["tokens"]) if found else "", cost, f"{found['wall']:.1f}" if found else ""])
        print(table(["reader", "tokens", "CPU-ms per 1,000 tokens", "wall s"], rows))
        waits = (child("stopping", url, min(streams, 50)) or {})["waits"]
        print(f"stopping {len(waits)} answers: p50 {waits[len(waits) // 2]:.0f} ms, ", end="")
        print(f"p95 {waits[int(len(waits) * 0.95)]:.0f} ms to the closed connection")
        print(machine_line())
    finally:
        server.send_signal(signal.SIGKILL)


if __name__ == "__main__":
    main()
