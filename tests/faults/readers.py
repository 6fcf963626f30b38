"""People who ask, and readers who miss nothing and see nothing twice, whatever dies in between."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from tests.live import Live

ENDS = {"run.finished", "run.failed", "run.cancelled"}
AGAIN_SECONDS = 0.05
LONGEST_SECONDS = 600
"""For one answer on a machine that has much else to do."""


@dataclass
class Seen:
    """What one reader saw of one run."""

    events: list[tuple[int, str, Any]] = field(default_factory=list)
    connections: int = 0

    @property
    def last(self) -> int:
        return self.events[-1][0] if self.events else 0

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1][1] in ENDS

    @property
    def text(self) -> str:
        """The text as a person sees it at the end."""
        said: list[tuple[int, str]] = []
        for seq, kind, data in self.events:
            if kind == "message.delta":
                said.append((seq, data["text"]))
            elif kind == "message.restarted":
                said = [one for one in said if one[0] < data["from_seq"]]
        return "".join(text for _, text in said)

    def take(self, seq: int, kind: str, data: Any) -> None:
        assert seq == self.last + 1, f"after {self.last} came {seq}: {kind}"
        assert not self.ended, f"{kind} after the end"
        self.events.append((seq, kind, data))


@dataclass
class Chat:
    """One asked question, its readers and its stored answer."""

    session_id: str
    run_id: str
    readers: list[Seen]
    answer: dict[str, Any]


@dataclass
class People:
    """Askers of one account against one live Madang."""

    live: Live
    http: aiohttp.ClientSession
    headers: dict[str, str]
    dice: random.Random
    chats: list[Chat] = field(default_factory=list)
    reading: set[str] = field(default_factory=set)
    heard: Counter[str] = field(default_factory=Counter)
    stops: float = 0
    """The share of questions whose answer is stopped at some moment."""
    over: bool = False

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Ask until there is an answer; a server that is away is asked again."""
        async with asyncio.timeout(LONGEST_SECONDS):
            while True:
                with suppress(aiohttp.ClientError, OSError, TimeoutError):
                    async with self.http.request(
                        method,
                        f"{self.live.api_url}{path}",
                        headers={**self.headers, **options.pop("headers", {})},
                        timeout=aiohttp.ClientTimeout(total=10),
                        **options,
                    ) as response:
                        if response.status < 500:
                            assert response.status < 400, await response.text()
                            answer: dict[str, Any] = await response.json()
                            return answer
                await asyncio.sleep(AGAIN_SECONDS)

    async def ask_on(self, model: str, readers: int = 2) -> None:
        """One question after another until it is over."""
        while not self.over:
            self.chats.append(await self.ask(model, readers))

    async def ask(self, model: str, readers: int = 2) -> Chat:
        """Ask in a session of its own, read with several readers, and fetch what was stored."""
        session = await self.request("POST", "/chat/sessions/", json={"title": "A chat"})
        path = f"/chat/sessions/{session['id']}/messages"
        key = {"Idempotency-Key": uuid4().hex}
        accepted = await self._post_once(path, {"text": "Tell me a story.", "model": model}, key)
        run_id = accepted["run_id"]
        async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.read(run_id)) for _ in range(readers)]
            if self.dice.random() < self.stops:
                group.create_task(self.stop(run_id))
        return Chat(session["id"], run_id, [task.result() for task in tasks], await self._stored(path))

    async def stop(self, run_id: str) -> None:
        """Stop the run at some moment, and ask for it again until it has ended."""
        await asyncio.sleep(self.dice.uniform(0, 2))
        while (await self.request("POST", f"/runs/{run_id}/cancel"))["receipt"] is None:
            pass  # the server has waited

    async def _post_once(self, path: str, body: dict[str, Any], key: dict[str, str]) -> dict[str, Any]:
        async with asyncio.timeout(LONGEST_SECONDS):
            while True:
                with suppress(aiohttp.ClientError, OSError, TimeoutError):
                    async with self.http.post(
                        f"{self.live.api_url}{path}",
                        json=body,
                        headers={**self.headers, **key},
                        timeout=aiohttp.ClientTimeout(total=10),
                    ) as response:
                        if response.status == 202:
                            answer: dict[str, Any] = await response.json()
                            return answer
                        assert response.status >= 500, await response.text()
                await asyncio.sleep(AGAIN_SECONDS)

    async def _stored(self, path: str) -> dict[str, Any]:
        messages = (await self.request("GET", path))["items"]
        assert [message["role"] for message in messages] == ["user", "assistant"], messages
        answer: dict[str, Any] = messages[1]
        return answer

    async def read(self, run_id: str) -> Seen:
        """Read the run to its end, resuming after every break; some readers also hang up by themselves."""
        seen = Seen()
        while not seen.ended:
            hang_up = self.dice.random() < 0.3
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async for seq, kind, data in self._events(run_id, seen.last):
                    seen.take(seq, kind, data)
                    if kind == "message.delta":
                        self.reading.add(run_id)
                        self.heard[run_id] += len(data["text"].split())
                    if hang_up and kind not in ENDS and self.dice.random() < 0.1:
                        break
            seen.connections += 1
            if not seen.ended:
                await asyncio.sleep(AGAIN_SECONDS)
        self.reading.discard(run_id)
        return seen

    async def _events(self, run_id: str, after: int) -> AsyncIterator[tuple[int, str, Any]]:
        headers = {**self.headers, "Last-Event-ID": str(after)}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=15)
        url = f"{self.live.api_url}/runs/{run_id}/events"
        async with self.http.get(url, headers=headers, timeout=timeout) as response:
            assert response.status == 200 or response.status >= 500, await response.text()
            if response.status != 200:
                return
            event: dict[str, str] = {}
            async for line in response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = value
                elif "id" in event:
                    yield int(event["id"]), event["event"], json.loads(event["data"])
                    event = {}

    def check(self) -> None:
        """Every reader saw the same, whole and in order; what is stored is what was seen; nothing was counted twice."""
        for chat in self.chats:
            first, *others = chat.readers
            for other in others:
                assert other.events == first.events, chat.run_id
            assert chat.answer["text"] == first.text, chat.run_id
            status = {"run.finished": "complete", "run.failed": "failed", "run.cancelled": "stopped"}
            assert chat.answer["status"] == status[first.events[-1][1]], chat.answer
