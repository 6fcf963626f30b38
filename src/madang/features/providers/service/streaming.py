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
from madang.features.providers.service.answer_parts import Batch
from madang.features.providers.service.answer_reader import AnswerReader
from madang.features.providers.service.chunk_decoder import Counted
from madang.features.providers.service.client import AgainError, Client, hidden, open_client, problem_of
from madang.features.providers.service.model_list import ask_again, known_models
from madang.features.providers.service.models import Route, chat_route
from madang.features.providers.service.tokens import (
    estimate_input,
    estimate_tokens,
    estimate_tools,
    most_input,
    usage_of,
)
from madang.features.providers.service.upstream_errors import read_error_body, unknown_parameter
from madang.features.providers.service.wire import LIMITS, OPTIONAL, request_body
from madang.features.usage.public import HOUSE_SPENDS, Call, Metering, Spender, metered
from madang.kernel import log
from madang.kernel.errors import Problem

if TYPE_CHECKING:
    from madang.kernel.house import House

logger = log.get_logger(__name__)

MOST_CHARACTERS = 4_000_000
"""A longer answer is none: the longest that models are made for has a quarter of it, and memory has an end."""


async def stream_chat(
    house: "House", request: ChatRequest, spender: Spender = HOUSE_SPENDS
) -> AsyncGenerator[ChatChunk]:
    """The answer as it comes; the last chunk carries the usage. `spender` pays, within its budgets.

    Where a budget binds, the answer is limited to what it affords: it then ends with the finish reason "budget".
    Closing this generator (use `contextlib.aclosing`) or cancelling the task that reads it closes the connection to
    the model at once. Raises ModelUnknown, ModelUnreachable, ModelRefused, ModelTimeout and ModelNonsense, and after
    the first token ModelCutOff, ModelTimeout or ModelNonsense. Raises BudgetExhausted and ModelUnpriced before
    anything is sent.
    """
    client = await house.resource(open_client)
    route = chat_route(client.settings, request.model, known_models(house))
    call = Call("chat", route.info.id, route.price, most_input(request), request.max_tokens)
    # Who waits for a budget holds no place that others could use.
    async with metered(house, spender, call) as metering, client.place(route):
        limited = replace(request, max_tokens=metering.max_output)
        metering.sent = True
        try:
            answer = await client.persist(lambda: _begin(client, route, limited))
        except ModelRefused as refused:
            if refused.code == "model_not_found":
                ask_again(house)
            raise
        try:
            async for chunk in answer.chunks():
                if chunk.finish_reason == "length" and _is_budgets_limit(request, metering, chunk.usage):
                    yield replace(chunk, finish_reason="budget")
                    break
                yield chunk
                if chunk.usage is None and not await metering.affords(answer.tokens_so_far):
                    yield ChatChunk(finish_reason="budget", usage=answer.usage())
                    break
        finally:
            usage = answer.usage()
            metering.took(usage.input_tokens, usage.output_tokens, usage.cached_tokens)
            answer.close()


def _is_budgets_limit(request: ChatRequest, metering: Metering, usage: Usage | None) -> bool:
    """Whether an answer that ran into a limit ran into what the budget affords, not into its model's own limit."""
    most = metering.max_output
    if most is None or (request.max_tokens is not None and request.max_tokens <= most):
        return False
    return usage is None or usage.estimated or usage.output_tokens >= most


async def _begin(client: Client, route: Route, request: ChatRequest) -> "_Answer":
    seconds = client.settings.model_first_token_seconds
    try:
        async with asyncio.timeout(seconds):
            answer = _Answer(client, route, request, await _post(client, route, request))
            try:
                await answer.open()
            except BaseException:
                answer.close()
                raise
    except TimeoutError:
        raise ModelTimeout(route.info.id, "first token", seconds) from None
    return answer


async def _post(client: Client, route: Route, request: ChatRequest) -> aiohttp.ClientResponse:
    """Ask; without the parameters that the server says it does not take, which is remembered when it helped."""
    key = route.url, route.wire_name
    known = refused = client.refused_parameters.get(key, frozenset())
    while True:
        body = request_body(request, route, refused)
        try:
            response = await client.post(route, "/chat/completions", body)
        except ModelRefused as problem:
            sent = (name for name in (*LIMITS, *OPTIONAL) if f'"{name}":'.encode() in body and name not in refused)
            name = unknown_parameter(problem.upstream, sent) if problem.extra["upstream_status"] in {400, 422} else None
            if name is None or refused | {name} >= set(LIMITS):
                raise
            refused |= {name}
        else:
            if refused is not known:
                client.refused_parameters[key] = refused
            return response


class _Answer:
    """One answer that is being read."""

    def __init__(self, client: Client, route: Route, request: ChatRequest, response: aiohttp.ClientResponse) -> None:
        self._client = client
        self._route = route
        self._request = request
        self._response = response
        self._reader = AnswerReader()
        self._first = Batch()
        self._is_broken_off = False
        self._problem: Problem | None = None
        self._counted: Counted | None = None
        self._guessed = 0
        self._said = 0
        self._read_at = 0.0
        self._waits = False
        self._watch: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Wait for the first token. Raises AgainError when the stream breaks before it."""
        batch = self._first = await self._read()
        if batch.says_something or self._problem is None:
            return
        if batch.error is not None:
            raise problem_of(self._route, batch.error.status or 200, batch.error)
        if batch.broken is None:
            why = "the connection broke before the first token"
            raise AgainError(ModelUnreachable(self._route.info.id, why, upstream=self._stray()))
        raise self._problem

    async def chunks(self) -> AsyncGenerator[ChatChunk]:
        """The first batch, and all others until the end."""
        batch = self._first
        self._arm()
        while True:
            if batch.says_something:
                yield ChatChunk(batch.text, batch.reasoning, batch.tool_calls, retracts=batch.retracts)
            if self._reader.end is not None:
                break
            await self._client.pulse.wait()
            batch = await self._read()
        if self._problem is not None:
            raise self._problem
        yield ChatChunk(finish_reason=self._reader.finish_reason, usage=self.usage())

    def close(self) -> None:
        """Give the connection back if the answer was read to its end; close it otherwise, at once."""
        if self._watch is not None:
            self._watch.cancel()
        if self._reader.end is not None and self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    async def _read(self) -> Batch:
        """The next batch that says something or ends the answer. What says nothing ends no silence."""
        self._read_at = asyncio.get_running_loop().time()
        while True:
            batch = self._reader.take(await self._receive(), is_broken_off=self._is_broken_off)
            self._note(batch)
            if self._reader.end is not None:
                self._problem = self._problem_of(batch)
            if self._reader.end is not None or batch.says_something:
                return batch

    async def _receive(self) -> bytes:
        """What has come, nothing at the end; what came before the connection broke is not lost with it."""
        if self._is_broken_off:
            return b""
        content = self._response.content
        self._waits = True
        try:
            return await content.readany()
        except (aiohttp.ClientError, OSError):
            self._is_broken_off = True
            return content._read_nowait(-1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the public readers raise again
        finally:
            self._waits = False

    def _problem_of(self, batch: Batch) -> Problem | None:
        """What is wrong with the answer's end."""
        name = self._route.info.id
        if batch.error is not None:
            said = hidden(batch.error.said, self._route)[:1000]
            logger.warning("model_error_in_stream", model=name, said=said)
            return ModelCutOff(name, upstream=hidden(batch.error.message, self._route))
        if batch.broken is not None:
            logger.warning("model_nonsense", model=name, why=batch.broken, said=self._stray())
            return ModelNonsense(name, batch.broken, upstream=self._stray())
        return ModelCutOff(name, upstream=self._stray()) if self._reader.end == "cut_off" else None

    def _stray(self) -> str:
        """What was on the stream and is no protocol, such as a proxy's page, for the operator."""
        stray = self._reader.stray
        return hidden(read_error_body(stray).message, self._route) if stray else ""

    def _note(self, batch: Batch) -> None:
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
            batch.broken = "an answer without an end"
            self._reader.end = "broken"

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

    @property
    def tokens_so_far(self) -> int:
        """About how many tokens were received, by length: rather too many than too few."""
        return self._guessed

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
