"""Bounds on what a request may carry: without them a body fills the memory before anybody looks at it.

Whoever is not known sends little. More than that is taken only once the bearer token is found good, or by a route that
reads its body itself, piece by piece, after it knows who sends it (`x-body: streamed` in its `openapi_extra`).
"""

from collections import Counter
from collections.abc import Awaitable, Callable

from fastapi import HTTPException  # noqa: TID251  # the only error that FastAPI lets through while it reads a body
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang.features.files.public import file_settings
from madang.kernel.errors import Problem, TooLarge, TooMany, Unauthorized
from madang.processes.connection_limits import client_network

STRANGERS_BODY = 64 << 10
"""Bytes of a body from somebody who is not known, or to `/auth`."""
LARGEST_BODY = 8 << 20
"""Bytes of a body that is no upload; the longest question has some hundred thousand."""
MOST_VALUES = 50_000
"""Commas and opening brackets of a body that is no upload: each may become an object of 50 bytes or more."""
BESIDE_A_FILE = 1 << 20
"""Bytes that a form may have beside the largest file; the upload's own limit is met before."""
UNFINISHED_AT_MOST = 64
"""Requests without a bearer token whose bodies one client may be sending at the same time."""

AUTH_PATH = "/api/v1/auth/"

type Check = Callable[[str], Awaitable[object]]
"""Raises a `Problem` for a bearer token that is not good."""


class BoundedBodies:
    """Refuses what is larger, as it comes. Pure ASGI, around the application of an api process."""

    def __init__(self, app: ASGIApp, check: Check) -> None:
        self._app = app
        self._check = check
        self._unfinished: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, self._check, self._unfinished)

        async def bounded() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                await body.take(message)
            return message

        try:
            await self._app(scope, bounded, send)
        finally:
            body.finish()


class _Body:
    """What has come of one request's body."""

    def __init__(self, scope: Scope, check: Check, unfinished: Counter[str]) -> None:
        self._scope = scope
        self._check = check
        self._unfinished = unfinished
        self._waiting_as: str | None = None
        self._is_known = False
        self._size = 0
        self._values = 0

    async def take(self, message: Message) -> None:
        """Count a piece; raises `HTTPException` with the problem as its cause when that is too much."""
        piece: bytes = message.get("body", b"")
        self._size += len(piece)
        try:
            if message.get("more_body", False):
                self._wait()
            else:
                self.finish()
            if _is_streamed(self._scope):
                self._bound(file_settings().max_upload_bytes + BESIDE_A_FILE)
                return
            self._values += piece.count(b",") + piece.count(b"[") + piece.count(b"{")
            self._bound(LARGEST_BODY)
            if self._size > STRANGERS_BODY and not self._is_known:
                await self._know()
        except Problem as problem:
            raise HTTPException(problem.status) from problem

    def finish(self) -> None:
        """Count this body as unfinished no more."""
        if self._waiting_as is None:
            return
        self._unfinished[self._waiting_as] -= 1
        if not self._unfinished[self._waiting_as]:
            del self._unfinished[self._waiting_as]
        self._waiting_as = None

    def _wait(self) -> None:
        if self._waiting_as is not None or _bearer(self._scope):
            return
        client = client_network((self._scope.get("client") or ("",))[0])
        if self._unfinished[client] >= UNFINISHED_AT_MOST:
            detail = "Too many requests from this address are unfinished. Send them one after the other."
            raise TooMany("too_many_unfinished", detail, headers={"Retry-After": "5", "Connection": "close"})
        self._waiting_as = client
        self._unfinished[client] += 1

    def _bound(self, most: int) -> None:
        if self._size > most or self._values > MOST_VALUES:
            raise _too_large()

    async def _know(self) -> None:
        """Take more only from whoever may be known; raises `TooLarge`, and what is wrong with the bearer token."""
        token = _bearer(self._scope)
        if self._scope["path"].startswith(AUTH_PATH) or not token:
            raise _too_large()
        try:
            await self._check(token)
        except Unauthorized as problem:
            raise Unauthorized(problem.code, problem.detail, headers={"Connection": "close"}) from None
        self._is_known = True


def _too_large() -> TooLarge:
    detail = "The request is larger than this server takes. Send less at once."
    return TooLarge("request_too_large", detail, headers={"Connection": "close"})


def _bearer(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, token = given.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_streamed(scope: Scope) -> bool:
    """Whether the route that was found for this request reads its body itself."""
    extra: dict[str, str] = getattr(scope.get("route"), "openapi_extra", None) or {}
    return extra.get("x-body") == "streamed"
