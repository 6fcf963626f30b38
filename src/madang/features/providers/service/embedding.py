"""Texts to vectors, in batches, a few requests at a time."""

import asyncio
import base64
import binascii
import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from madang.features.providers.contracts import (
    EmbeddingBatch,
    EmbeddingKind,
    ModelNonsense,
    ModelTimeout,
    ModelUnreachable,
)
from madang.features.providers.service.chunk_decoder import read_count
from madang.features.providers.service.client import AgainError, Client, open_client
from madang.features.providers.service.models import DIMENSIONS, Route, embedding_route
from madang.features.providers.service.tokens import BYTES_PER_TOKEN, estimate_tokens
from madang.features.providers.service.wire import embedding_body
from madang.features.usage.public import HOUSE_SPENDS, Call, Metering, Spender, metered

if TYPE_CHECKING:
    from madang.kernel.house import House


BYTES_PER_VECTOR = 262_144
"""The most that a vector takes in an answer: 10,000 numbers as text, with room to spare."""

UNIT = 0.01
"""A vector may be so much longer or shorter than 1 before it is scaled."""


class _Item(msgspec.Struct, gc=False):
    embedding: list[float] | str
    index: int | None = None


class _Answer(msgspec.Struct, gc=False):
    data: list[_Item]
    usage: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


_decode = msgspec.json.Decoder(_Answer).decode


async def embed(
    house: "House",
    texts: Sequence[str],
    kind: EmbeddingKind = "query",
    model: str | None = None,
    *,
    spender: Spender = HOUSE_SPENDS,
) -> EmbeddingBatch:
    """Vectors for texts. E5, the built-in model, embeds what is asked and what is searched differently: say which.

    `spender` pays, within its budgets. Raises ModelUnknown, ModelUnreachable, ModelRefused, ModelTimeout and
    ModelNonsense (too few vectors, or of another dimension than the model's), BudgetExhausted and ModelUnpriced.
    """
    client = await house.resource(open_client)
    route = embedding_route(client.settings, model)
    size = client.settings.embedding_batch
    groups = [texts[start : start + size] for start in range(0, len(texts), size)]
    try:
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(_paid(house, client, route, group, kind, spender)) for group in groups]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    vectors = [vector for done in work for vector in done.result()]
    dimension = _dimension(client, route, vectors)
    return EmbeddingBatch(route.info.id, dimension, vectors)


async def _paid(
    house: "House", client: Client, route: Route, texts: Sequence[str], kind: str, spender: Spender
) -> list[list[float]]:
    most = sum(len(text.encode(errors="surrogatepass")) for text in texts) // BYTES_PER_TOKEN + len(texts)
    async with (
        client.query_places if kind == "query" else client.passage_places,
        metered(house, spender, Call("embedding", route.info.id, route.price, most, 0)) as metering,
    ):
        metering.sent = True
        return await _embed(client, route, texts, kind, metering)


async def _embed(
    client: Client, route: Route, texts: Sequence[str], kind: str, metering: Metering
) -> list[list[float]]:
    body = embedding_body(texts, route, kind)
    most = (len(texts) + 1) * BYTES_PER_VECTOR
    answer = await client.persist(lambda: _ask(client, route, body, most))
    name = route.info.id
    try:
        read = _decode(answer)
        counted = read_count(read.usage)
        metering.took(counted.prompt_tokens if counted else sum(map(estimate_tokens, texts)), 0)
        items = read.data
        items.sort(key=lambda item: item.index or 0)
        vectors = [_vector(item.embedding) for item in items]
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise ModelNonsense(name, "its answer is not an embedding") from error
    if len(vectors) != len(texts):
        raise ModelNonsense(name, f"{len(vectors)} vectors for {len(texts)} texts")
    return vectors


async def _ask(client: Client, route: Route, body: bytes, most: int) -> bytes:
    seconds = client.settings.embedding_seconds
    try:
        async with asyncio.timeout(seconds):
            async with await client.post(route, "/embeddings", body) as response:
                return await _whole(route, response, most)
    except (aiohttp.ClientError, ConnectionError) as error:
        raise AgainError(ModelUnreachable(route.info.id, "the connection broke")) from error
    except TimeoutError:
        raise ModelTimeout(route.info.id, "embedding", seconds) from None


async def _whole(route: Route, response: aiohttp.ClientResponse, most: int) -> bytes:
    """The answer's body, in memory only as long as it is of a size that vectors can have."""
    pieces: list[bytes] = []
    async for piece in response.content.iter_any():
        pieces.append(piece)
        most -= len(piece)
        if most < 0:
            raise ModelNonsense(route.info.id, "its answer is longer than any embedding")
    return b"".join(pieces)


def _vector(written: list[float] | str) -> list[float]:
    """A vector of unit length; raises ValueError for one that points nowhere."""
    numbers = written
    if isinstance(numbers, str):
        packed = array("f")
        packed.frombytes(base64.b64decode(numbers, validate=True))
        numbers = packed.tolist()
    length = math.hypot(*numbers)
    if numbers and not 0 < length < math.inf:  # neither is NaN
        raise ValueError("a vector without a direction")
    return numbers if abs(length - 1) <= UNIT else [number / length for number in numbers]


def _dimension(client: Client, route: Route, vectors: list[list[float]]) -> int:
    """The model's dimension: known, or that of its first vector in this process, which all others must share."""
    name = route.info.id
    expected = DIMENSIONS.get(name) or client.dimensions.get(name)
    for vector in vectors:
        expected = expected or len(vector)
        if not vector or len(vector) != expected:
            raise ModelNonsense(name, f"a vector of {len(vector)} numbers where {expected} are expected")
    if expected is not None:
        client.dimensions[name] = expected
    return expected or 0
