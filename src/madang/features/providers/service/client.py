"""The HTTP client of a process: one pool of connections, one pulse, and when to try again."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from madang.features.providers import settings as provider_settings
from madang.features.providers.contracts import ModelRefused, ModelTimeout, ModelUnreachable
from madang.features.providers.service.models import Route
from madang.features.providers.service.upstream_errors import UpstreamError, advice_for, may_pass, read_error_body
from madang.features.providers.settings import ProviderSettings
from madang.kernel import log
from madang.kernel.clock import now
from madang.kernel.errors import Problem

if TYPE_CHECKING:
    from madang.kernel.house import House

logger = log.get_logger(__name__)

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20.0
ERROR_BYTES = 16_384
QUERIES_AT_ONCE = 16
"""Questions a process has embedded at the same time; they never wait behind the passages of an upload."""
MOST_REDIRECTS = 2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABOUT_THE_MODEL = frozenset({200, 400, 404, 410, 422})
_KEEPS_METHOD = frozenset({307, 308})


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
    refused_parameters: dict[tuple[str, str], frozenset[str]] = field(
        default_factory=dict[tuple[str, str], frozenset[str]]
    )
    """By server and model, what it has said it does not take."""

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
        url = URL(route.url_of(path))
        for left in range(MOST_REDIRECTS, -1, -1):
            response = await self._send(route, url, body, headers)
            if response.status == 200:  # OK
                return response
            try:
                url = await self._refuse(route, response, url, may_follow=left > 0)
            finally:
                response.close()
        raise AssertionError("the last redirect is refused")

    async def _send(self, route: Route, url: URL, body: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
        try:
            return await self.session.post(url, data=body, headers=headers, allow_redirects=False)
        except aiohttp.ServerDisconnectedError as error:
            # Most often a kept connection that the server gave up while it was idle: a new one works at once.
            raise AgainError(ModelUnreachable(route.info.id, _reason(error)), is_stale=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise AgainError(ModelUnreachable(route.info.id, _reason(error))) from error

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

    async def _refuse(self, route: Route, response: aiohttp.ClientResponse, asked: URL, *, may_follow: bool) -> URL:
        """Where to ask instead, for a redirect within the same server; all else raises what is wrong."""
        status = response.status
        if status in _REDIRECTS:
            return _redirected(route, response, asked, may_follow=may_follow)
        error = read_error_body(hidden(await _said(response), route))
        logger.warning("model_refused", model=route.info.id, status=status, said=error.said)
        raise problem_of(route, status, error, _retry_after(response))


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


def problem_of(route: Route, status: int, error: UpstreamError, wait: float | None = None) -> Exception:
    """What to raise for an answer of this status with this error: an AgainError when it may pass."""
    name, meaning = route.info.id, error.meaning
    if meaning == "model_not_found" and status not in _ABOUT_THE_MODEL:
        meaning = "other"
    if meaning == "other" and (status >= 500 or status == 408):  # the server's own failures
        return AgainError(ModelUnreachable(name, f"HTTP {status}", upstream=error.message), wait)
    code, advice = advice_for(status, meaning)
    refused = ModelRefused(name, status, advice, code=code, upstream=error.message)
    return AgainError(refused, wait) if meaning == "other" and may_pass(status) else refused


def _redirected(route: Route, response: aiohttp.ClientResponse, asked: URL, *, may_follow: bool) -> URL:
    """The new address, when it is the same server and takes the same request; the key goes nowhere else."""
    try:
        target = asked.join(URL(response.headers.get("Location", "")))
    except ValueError:
        target = asked
    same_place = target.host == asked.host and (target.origin() == asked.origin() or target.scheme == "https")
    if may_follow and same_place and response.status in _KEEPS_METHOD:
        return target
    place = str(target.with_user(None).with_query(None).with_fragment(None))[:200]
    raise ModelRefused(
        route.info.id, response.status, f"It sends requests on to {place}. Set OPENAI_BASE_URL to where it answers."
    )


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
            return (await response.content.read(ERROR_BYTES)).decode(errors="replace").replace("\0", "")
    except (TimeoutError, aiohttp.ClientError, OSError):
        return ""


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """How long the server asks to wait, in seconds: as a number, in milliseconds, or as a moment."""
    headers = response.headers
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(headers.get("Retry-After", "")) - now()).total_seconds())
    except (ValueError, TypeError):
        return None
