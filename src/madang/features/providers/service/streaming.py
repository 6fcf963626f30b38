"""A streamed answer: retries before the first token, one clear error after it, closed at once when nobody wants it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp

from madang.features.providers.contracts import (
    ChatChunk,
    ChatRequest,
    ModelCutOff,
    ModelNonsense,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
    Usage,
)
from madang.features.providers.service.client import AgainError, Client, hidden, open_client
from madang.features.providers.service.models import Route, chat_route
from madang.features.providers.service.tokens import (
    estimate_input,
    estimate_tokens,
    estimate_tools,
    most_input,
    usage_of,
)
from madang.features.providers.service.wire import Batch, Counted, EventReader, NonsenseError, request_body
from madang.features.usage.public import HOUSE_SPENDS, Call, Spender, metered
from madang.kernel import log

if TYPE_CHECKING:
    from madang.kernel.house import House

logger = log.get_logger(__name__)

MOST_CHARACTERS = 4_000_000
"""A longer answer is none: the longest that models are made for has a quarter of it, and memory has an end."""


class _BrokenError(Exception):
    """The stream ended before the answer did."""


async def stream_chat(
    house: "House", request: ChatRequest, spender: Spender = HOUSE_SPENDS
) -> AsyncGenerator[ChatChunk]:
    """The answer as it comes; the last chunk carries the usage. `spender` pays, within its budgets.

    Where a budget binds, the answer is limited to what it affords: it then ends with the finish reason "length".
    Closing this generator (use `contextlib.aclosing`) or cancelling the task that reads it closes the connection to
    the model at once. Raises ModelUnknown, ModelUnreachable, ModelRefused, ModelTimeout and ModelNonsense, and after
    the first token ModelCutOff, ModelTimeout or ModelNonsense. Raises BudgetExhausted and ModelUnpriced before
    anything is sent.
    """
    client = await house.resource(open_client)
    route = chat_route(client.settings, request.model)
    call = Call("chat", route.info.id, route.price, most_input(request), request.max_tokens)
    async with client.place(route), metered(house, spender, call) as metering:
        limited = replace(request, max_tokens=metering.max_output)
        metering.sent = True
        answer = await client.persist(lambda: _begin(client, route, limited))
        try:
            async for chunk in answer.chunks():
                yield chunk
        finally:
            usage = answer.usage()
            metering.took(usage.input_tokens, usage.output_tokens, usage.cached_tokens)
            answer.close()


async def _begin(client: Client, route: Route, request: ChatRequest) -> "_Answer":
    seconds = client.settings.model_first_token_seconds
    try:
        async with asyncio.timeout(seconds):
            response = await client.post(route, "/chat/completions", request_body(request, route))
            answer = _Answer(client, route, request, response)
            try:
                await answer.open()
            except BaseException:
                answer.close()
                raise
    except TimeoutError:
        raise ModelTimeout(route.info.id, "first token", seconds) from None
    return answer


class _Answer:
    """One answer that is being read."""

    def __init__(self, client: Client, route: Route, request: ChatRequest, response: aiohttp.ClientResponse) -> None:
        self._client = client
        self._route = route
        self._request = request
        self._response = response
        self._events = EventReader()
        self._first = Batch()
        self._ended = False
        self._finish_reason: str | None = None
        self._counted: Counted | None = None
        self._guessed = 0
        self._said = 0
        self._read_at = 0.0
        self._waits = False
        self._watch: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Wait for the first token. Raises AgainError when the stream breaks before it."""
        name = self._route.info.id
        try:
            self._first = await self._read()
        except _BrokenError as error:
            raise AgainError(ModelUnreachable(name, "the connection broke before the first token")) from error
        except NonsenseError as error:
            raise ModelNonsense(name, str(error)) from error
        if self._first.error is not None and not self._first.says_something:
            raise AgainError(ModelRefused(name, 200, "It reported an error instead of an answer; try again."))

    async def chunks(self) -> AsyncGenerator[ChatChunk]:
        """The first batch, and all others until the end."""
        name = self._route.info.id
        batch = self._first
        self._arm()
        try:
            while True:
                if batch.says_something:
                    yield ChatChunk(batch.text, batch.reasoning, batch.tool_calls)
                if batch.error is not None:
                    raise ModelCutOff(name)
                if self._ended:
                    break
                await self._client.pulse.wait()
                batch = await self._read()
        except _BrokenError as error:
            raise ModelCutOff(name) from error
        except NonsenseError as error:
            raise ModelNonsense(name, str(error)) from error
        yield ChatChunk(finish_reason=self._finish_reason, usage=self.usage())

    def close(self) -> None:
        """Give the connection back if the answer was read to its end; close it otherwise, at once."""
        if self._watch is not None:
            self._watch.cancel()
        if self._ended and self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    async def _read(self) -> Batch:
        """The next batch that says something, an empty one at the end. What says nothing ends no silence."""
        content = self._response.content
        self._read_at = asyncio.get_running_loop().time()
        while True:
            self._waits = True
            try:
                data = await content.readany()
            except (aiohttp.ClientError, OSError) as error:
                return self._at_end(Batch(), error)
            finally:
                self._waits = False
            batch = self._events.take(data) if data else self._events.finish()
            self._note(batch)
            if batch.done:
                self._ended = True
                return batch
            if not data:
                return self._at_end(batch, None)
            if batch.says_something or batch.error is not None:
                return batch

    def _at_end(self, batch: Batch, error: Exception | None) -> Batch:
        if self._finish_reason is None and batch.error is None:
            raise _BrokenError from error
        self._ended = True
        return batch

    def _note(self, batch: Batch) -> None:
        if batch.finish_reason is not None:
            self._finish_reason = batch.finish_reason
        if batch.counted is not None:
            self._counted = batch.counted
        if batch.text:
            self._guessed += estimate_tokens(batch.text)
        if batch.reasoning:
            self._guessed += estimate_tokens(batch.reasoning)
        for call in batch.tool_calls:
            self._guessed += estimate_tokens(call.arguments)
        self._said += batch.size
        if self._said > MOST_CHARACTERS:
            raise NonsenseError("an answer without an end")
        if batch.error is not None:
            said = hidden(batch.error, self._route)[:1000]
            logger.warning("model_error_in_stream", model=self._route.info.id, said=said)

    def _arm(self, wait: float | None = None) -> None:
        seconds = wait or self._client.settings.model_between_tokens_seconds
        self._watch = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        """End the wait when nothing has come for too long. One timer a stream, not one a read."""
        seconds = self._client.settings.model_between_tokens_seconds
        left = self._read_at + seconds - asyncio.get_running_loop().time()
        if left > 0 or not self._waits:
            self._arm(max(left, 0.01) if self._waits else seconds)
        else:
            self._response.content.set_exception(ModelTimeout(self._route.info.id, "further token", seconds))

    def usage(self) -> Usage:
        """What the answer took so far: as its server counted, or guessed by length.

        A server that counts nothing for an answer that was heard has not counted.
        """
        counted = self._counted
        if counted is not None and (counted.completion_tokens or not self._said):
            tokens = (counted.prompt_tokens, counted.completion_tokens, counted.cached_tokens)
            return usage_of(self._route.info, *tokens)
        guessed_input = estimate_input(self._request.messages) + estimate_tools(self._request)
        return usage_of(self._route.info, guessed_input, self._guessed, estimated=True)
