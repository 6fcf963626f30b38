"""A stand-in for an OpenAI-compatible server, on a real socket, that does as the model's name says.

The name is a script: `bench?tokens=20&rate=100&cut_after=5`. Without a script it streams `tokens` words at `rate` a
second. `GET /stats` tells how many answers are under way; `python tests/standin.py PORT` serves for benches.

tokens=N rate=N     so many words (`tok0 `, `tok1 `, …), so many a second; rate 0 is as fast as it goes
text=T              this answer instead, word by word
first_ms=N          wait so long before the first word          headers_ms=N  wait before the response's headers
stall_after=N       say nothing more after N words              cut_after=N   break the connection after N words
close_after=N       end the stream in good order after N words, without a finish reason or [DONE]
error_after=N       an error object after N words               nonsense=KIND html, json, types, endless or words
status=N            this HTTP status, with retry_after=N seconds   times=N    only for the first N calls with this name
usage=0 done=0 finish=0   leave out the usage, [DONE], or the finish reason     finish=R   this reason
refuses=A,B         refuse requests with these parameters       location=URL  with a status: a redirect to there
packed=1            gzip, each event at once
reasoning=N         think N words aloud first                   tool=NAME     call this tool, arguments in three pieces
split=N             send the bytes in pieces of N, so that lines and characters are cut anywhere
raw=T               these bytes (as Latin-1) instead of a stream, and the end     gzip=N      N such bytes, in gzip
ping_after=N        nothing but comments after N words          flood_after=N   words without an end, at once
counts=JSON         this usage, whatever it is                  zeros=1         for embeddings: vectors of nothing but 0
dimension=N         for embeddings; drop=N leaves out N vectors; base64=1 answers in base64 if asked
"""

import asyncio
import base64
import json
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

_NONSENSE = {
    "html": b"<!doctype html><html><body>Sign in to the hotel's network</body></html>\n",
    "json": b'{"object": "chat.completion", "choices": []}\n',
    "types": b'data: {"choices": 7}\n\n',
    "words": b"data: hello there\n\n",
}


@dataclass
class Standin:
    """What it does by default, and what it has seen."""

    tokens: int = 200
    rate: float = 50
    live: int = 0
    total: int = 0
    peak: int = 0
    url: str = ""
    script: dict[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    listed: Any = field(default_factory=list)
    """What `GET /v1/models` has: ids, entries, or an HTTP status. Nothing by default: no list is known then."""
    listings: int = 0
    closed_at: list[float] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/stats", self._stats)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/moved/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embeddings)
        return app

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response({"live": self.live, "total": self.total, "peak": self.peak})

    async def _models(self, _: web.Request) -> web.Response:
        self.listings += 1
        if isinstance(self.listed, int):
            return web.json_response({"error": {"message": "no list here"}}, status=self.listed)
        entries = [one if isinstance(one, dict) else {"id": one, "object": "model"} for one in self.listed]
        return web.json_response({"object": "list", "data": entries})

    async def _take(self, request: web.Request) -> tuple[str, dict[str, Any], dict[str, str]]:
        body = await request.json()
        self.bodies[:] = [*self.bodies[-99:], body]
        self.headers[:] = [*self.headers[-99:], dict(request.headers)]
        self.paths[:] = [*self.paths[-99:], request.path_qs]
        name = str(body.get("model", ""))
        self.calls[name] += 1
        return name, body, {**self.script, **dict(parse_qsl(name.partition("?")[2]))}

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        name, body, script = await self._take(request)
        self.total += 1
        self.live += 1
        self.peak = max(self.peak, self.live)
        try:
            if "headers_ms" in script:
                await asyncio.sleep(int(script["headers_ms"]) / 1000)
            refusal = self._refusal(name, script) or _unknown(script, body)
            return refusal or await _Answer(self, script, body).stream(request)
        except ConnectionResetError:
            return web.Response()
        finally:
            self.live -= 1
            self.closed_at[:] = [*self.closed_at[-999:], time.monotonic()]

    def _refusal(self, name: str, script: dict[str, str]) -> web.Response | None:
        status = int(script.get("status", "200"))
        if status == 200 or self.calls[name] > int(script.get("times", "1000000")):
            return None
        headers = {"Retry-After": script["retry_after"]} if "retry_after" in script else {}
        if "location" in script:
            headers["Location"] = script["location"]
        error = {"message": "no sk-secret here", "code": script.get("code", "refused")}
        return web.json_response({"error": error}, status=status, headers=headers)

    async def _embeddings(self, request: web.Request) -> web.Response:
        name, body, script = await self._take(request)
        self.live += 1
        self.peak = max(self.peak, self.live)
        try:
            await asyncio.sleep(int(script.get("headers_ms", "0")) / 1000)
            if "raw" in script:
                return web.Response(text=script["raw"], content_type="application/json")
            return self._refusal(name, script) or self._vectors(name, body, script)
        finally:
            self.live -= 1

    def _vectors(self, name: str, body: dict[str, Any], script: dict[str, str]) -> web.Response:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        dimension = int(script.get("dimension", "384"))
        vectors = [[len(text) / 100 + number / 1000 for number in range(dimension)] for text in texts]
        if "zeros" in script:
            vectors = [[0.0] * dimension for _ in texts]
        vectors = vectors[int(script.get("drop", "0")) :]
        written: list[Any] = list(vectors)
        if body.get("encoding_format") == "base64" and script.get("base64", "1") == "1":
            written = [base64.b64encode(struct.pack(f"<{dimension}f", *vector)).decode() for vector in vectors]
        data = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(written)]
        usage = json.loads(script["counts"]) if "counts" in script else None
        return web.json_response({"object": "list", "model": name, "data": data[::-1], "usage": usage})


def _unknown(script: dict[str, str], body: dict[str, Any]) -> web.Response | None:
    """A refusal of the first parameter that this server does not take, as newer models give it."""
    for name in script.get("refuses", "").split(","):
        if name in body:
            other = "max_completion_tokens" if name == "max_tokens" else "another one"
            message = f"Unsupported parameter: '{name}' is not supported with this model. Use '{other}' instead."
            error = {
                "message": message,
                "type": "invalid_request_error",
                "param": name,
                "code": "unsupported_parameter",
            }
            return web.json_response({"error": error}, status=400)
    return None


class _Answer:
    def __init__(self, standin: Standin, script: dict[str, str], body: dict[str, Any]) -> None:
        self.script = script
        self.rate = float(script.get("rate", standin.rate))
        count = int(script.get("tokens", standin.tokens))
        text = script.get("text")
        self.words = [f"{word} " for word in text.split(" ")] if text else [f"tok{n % 997} " for n in range(count)]
        if text:
            self.words[-1] = self.words[-1].rstrip()
        self.input_tokens = sum(len(str(message["content"])) for message in body["messages"]) // 4
        self.id = f"chatcmpl-{standin.total}"
        self.pending = b""

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.request = request
        self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        if "gzip" in self.script:
            return await self._bomb(int(self.script["gzip"]))
        if "packed" in self.script:
            self.response.enable_compression(web.ContentCoding.gzip)
        await self.response.prepare(request)
        if "nonsense" in self.script:
            return await self._nonsense()
        if "raw" in self.script:
            await self._send(self.script["raw"].encode("latin-1"))
            return self.response
        await self._event({"role": "assistant", "content": ""})
        await asyncio.sleep(int(self.script.get("first_ms", "0")) / 1000)
        for number in range(int(self.script.get("reasoning", "0"))):
            await self._event({"reasoning_content": f"hm{number} "})
        if await self._say():
            await self._end()
        return self.response

    async def _say(self) -> bool:
        began = time.monotonic()
        for number, word in enumerate(self.words):
            if self._is(number, "stall_after"):
                await asyncio.sleep(3600)
            if self._is(number, "cut_after"):
                assert self.request.transport is not None
                self.request.transport.abort()
                return False
            if self._is(number, "close_after"):
                return False
            if self._is(number, "ping_after") or self._is(number, "flood_after"):
                await self._go_on()
            if self._is(number, "error_after"):
                await self._write({"error": {"message": "fell over; no sk-secret here", "code": "server_error"}})
                return False
            if self.rate and (wait := began + number / self.rate - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            await self._event({"content": word})
        return True

    async def _go_on(self) -> None:
        while "flood_after" in self.script:
            await self._event({"content": "x" * 65_536})
        while True:
            await self.response.write(b": still here\n\n")
            await asyncio.sleep(0.02)

    async def _bomb(self, size: int) -> web.StreamResponse:
        self.response.headers["Content-Encoding"] = "gzip"
        await self.response.prepare(self.request)
        packer = zlib.compressobj(1, wbits=31)
        for _ in range(0, size, 1 << 20):
            await self.response.write(packer.compress(b"x" * (1 << 20)))
        await self.response.write(packer.flush())
        return self.response

    def _is(self, number: int, key: str) -> bool:
        return key in self.script and number == int(self.script[key])

    async def _end(self) -> None:
        if "tool" in self.script:
            call = {"index": 0, "id": "call_1", "function": {"name": self.script["tool"], "arguments": ""}}
            await self._event({"tool_calls": [call]})
            for piece in ('{"city":', ' "Se', 'oul"}'):
                await self._event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        if self.script.get("finish") != "0":
            await self._event({}, self.script.get("finish", "tool_calls" if "tool" in self.script else "stop"))
        if self.script.get("usage") != "0":
            counted = {"prompt_tokens": self.input_tokens, "completion_tokens": len(self.words)}
            usage = self.script.get("counts") or json.dumps(counted)
            await self._send(f'data: {{"id": "{self.id}", "choices": [], "usage": {usage}}}\n\n'.encode())
        if self.script.get("done") != "0":
            await self._send(b"data: [DONE]\n\n")

    async def _nonsense(self) -> web.StreamResponse:
        kind = self.script["nonsense"]
        if kind == "endless":
            await self.response.write(b'data: {"choices": [{"delta": {"content": "')
            while True:
                await self.response.write(b"x" * 65536)
        await self.response.write(_NONSENSE[kind])
        await asyncio.sleep(3600)
        return self.response

    async def _event(self, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        await self._write({"id": self.id, "object": "chat.completion.chunk", "created": 1, "choices": [choice]})

    async def _write(self, event: dict[str, Any]) -> None:
        await self._send(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())

    async def _send(self, data: bytes) -> None:
        size = int(self.script.get("split", "0")) or len(data)
        for start in range(0, len(data), size):
            await self.response.write(data[start : start + size])
            if size < len(data):
                await asyncio.sleep(0)


@asynccontextmanager
async def serve(port: int = 0, **defaults: Any) -> AsyncIterator[Standin]:
    """A stand-in at `url` (with `/v1`) for the length of the block."""
    standin = Standin(**defaults)
    runner = web.AppRunner(standin.app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    standin.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield standin
    finally:
        await runner.cleanup()


async def main(port: int, tokens: int, rate: float) -> None:
    async with serve(port, tokens=tokens, rate=rate) as standin:
        sys.stdout.write(f"a stand-in of a model answers at {standin.url}: {tokens} tokens at {rate:g}/s\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    arguments = [float(argument) for argument in sys.argv[1:]]
    uvloop.run(main(*[int(arguments[0]), *[int(one) for one in arguments[1:2] or [200]], *(arguments[2:3] or [50.0])]))
