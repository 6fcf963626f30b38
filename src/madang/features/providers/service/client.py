"""The HTTP client of a process: one pool of connections, one pulse, and when to try again."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from madang.features.providers import settings as provider_settings
from madang.features.providers.contracts import ModelRefused, ModelTimeout, ModelUnreachable
from madang.features.providers.service.models import Route
from madang.features.providers.settings import ProviderSettings
from madang.kernel import log
from madang.kernel.errors import Problem

if TYPE_CHECKING:
    from madang.kernel.house import House

logger = log.get_logger(__name__)

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20.0
ERROR_BYTES = 4096
QUERIES_AT_ONCE = 16
"""Questions a process has embedded at the same time; they never wait behind the passages of an upload."""
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_ADVICE = {
    400: "It does not accept this request; the conversation may be too long for the model.",
    401: "Check OPENAI_API_KEY.",
    403: "Its key may not use this model; choose another one.",
    404: "It does not know this model; check its name and OPENAI_BASE_URL.",
    413: "The conversation is too long for it; begin a new one.",
    429: "It is at its limit; wait a little, or check the account's credit.",
}


class AgainError(Exception):
    """A call failed in a way that may pass. `wait` is how long the server asked for, in seconds."""

    def __init__(self, problem: Problem, wait: float | None = None, *, is_stale: bool = False) -> None:
        super().__init__(str(problem))
        self.is_stale = is_stale
        self.problem = problem
        self.wait = wait


class Pulse:
    """One timer for all streams of a process: they are read together, at most once an interval.

    A hundred streams then wake the loop once instead of a hundred times, and each reads all that came meanwhile.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Return at the next beat; at once when the interval is 0."""
        if not self._seconds:
            return
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(self._seconds, self._beat)
        beat = loop.create_future()
        self._waiting.append(beat)
        await beat

    def _beat(self) -> None:
        waiting, self._waiting = self._waiting, []
        for beat in waiting:
            if not beat.done():
                beat.set_result(None)


@dataclass(frozen=True, slots=True)
class Client:
    """What the process calls models with."""

    settings: ProviderSettings
    session: aiohttp.ClientSession
    pulse: Pulse
    local_places: asyncio.Semaphore
    passage_places: asyncio.Semaphore
    query_places: asyncio.Semaphore
    dimensions: dict[str, int] = field(default_factory=dict[str, int])

    @asynccontextmanager
    async def place(self, route: Route) -> AsyncGenerator[None]:
        """A place at the built-in model, which has few; other models need none.

        Raises ModelTimeout when the queue does not move.
        """
        if not route.is_built_in:
            yield
            return
        seconds = self.settings.local_model_queue_seconds
        try:
            async with asyncio.timeout(seconds):
                await self.local_places.acquire()
        except TimeoutError:
            raise ModelTimeout(route.info.id, "free place", seconds) from None
        try:
            yield
        finally:
            self.local_places.release()

    async def post(self, route: Route, path: str, body: bytes) -> aiohttp.ClientResponse:
        """Send a request and return once the headers of a good answer are there; the caller closes the response.

        Raises AgainError for what may pass and ModelRefused for what will not.
        """
        headers = {**route.headers, "Content-Type": "application/json", "Accept-Encoding": "identity"}
        if route.is_built_in:
            # llama.cpp closes after each stream without saying so, and a request on such a connection is lost.
            headers["Connection"] = "close"
        try:
            response = await self.session.post(f"{route.url}{path}", data=body, headers=headers, allow_redirects=False)
        except aiohttp.ServerDisconnectedError as error:
            # Most often a kept connection that the server gave up while it was idle: a new one works at once.
            raise AgainError(ModelUnreachable(route.info.id, _reason(error)), is_stale=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise AgainError(ModelUnreachable(route.info.id, _reason(error))) from error
        if response.status != 200:  # OK
            try:
                await self._refuse(route, response)
            finally:
                response.close()
        return response

    async def persist[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works, the retries are used up, or the error will not pass; waits grow and are jittered."""
        failures = 0
        while True:
            try:
                return await attempt()
            except AgainError as again:
                wait = 0.0 if again.is_stale and not failures else max(again.wait or 0.0, _backoff(failures))
                if failures >= self.settings.model_retries or wait > LONGEST_WAIT_SECONDS:
                    raise again.problem from again
                failures += 1
                logger.log(
                    logging.DEBUG if not wait else logging.INFO,
                    "model_retry",
                    problem=again.problem.code,
                    failures=failures,
                    wait=round(wait, 2),
                )
            await asyncio.sleep(wait)

    async def _refuse(self, route: Route, response: aiohttp.ClientResponse) -> None:
        said = hidden(await _said(response), route)
        logger.warning("model_refused", model=route.info.id, status=response.status, said=said)
        status = response.status
        if status >= 500 or status == 408:  # the server's own failures
            raise AgainError(ModelUnreachable(route.info.id, f"HTTP {status}"), _retry_after(response))
        refused = ModelRefused(route.info.id, status, _ADVICE.get(status, "Check OPENAI_BASE_URL and the model."))
        if status in _PASSING and "insufficient_quota" not in said:
            raise AgainError(refused, _retry_after(response))
        raise refused


@asynccontextmanager
async def open_client(house: "House") -> AsyncGenerator[Client]:
    """The process's client, for `house.resource`."""
    settings = provider_settings.load()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=30),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.model_connect_seconds),
        headers={"User-Agent": "madang"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    async with session:
        yield Client(
            settings=settings,
            session=session,
            pulse=Pulse(settings.stream_coalesce_ms / 1000),
            local_places=asyncio.Semaphore(settings.local_model_slots),
            passage_places=asyncio.Semaphore(settings.embedding_requests),
            query_places=asyncio.Semaphore(QUERIES_AT_ONCE),
        )


def hidden(said: str, route: Route) -> str:
    """What a server said, without the key that it was asked with: some repeat a wrong one, and logs are read."""
    key = route.headers.get("Authorization", "").removeprefix("Bearer ")
    return said.replace(key, "…") if key else said


def _backoff(failures: int) -> float:
    return FIRST_WAIT_SECONDS * 2.0**failures * random.uniform(0.5, 1.0)  # noqa: S311  # jitter needs no secrecy


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection refused or name unknown"
    return "the connection broke"


async def _said(response: aiohttp.ClientResponse) -> str:
    try:
        async with asyncio.timeout(2):
            return (await response.content.read(ERROR_BYTES)).decode(errors="replace")
    except (TimeoutError, aiohttp.ClientError, OSError):
        return ""


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        return None
