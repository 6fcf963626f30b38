"""The api's frame: the application, what its routes ask for, and the id that follows a request.

Routes take `who: Who`, `house: HouseDep`, `tx: ReadTx` or `tx: WriteTx` as parameters. A transaction is committed
before the response is sent (function scope), so an answer never promises what is not stored.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from logging import DEBUG, INFO
from typing import Annotated, cast
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang import __version__
from madang.kernel import log
from madang.kernel.admission import admitted_transaction
from madang.kernel.audit import ORIGIN, Origin
from madang.kernel.auth import AUTHENTICATOR, LIMITER, REAUTHENTICATION, Principal, permission, permit_key
from madang.kernel.db import Tx
from madang.kernel.errors import BadRequest, Unauthorized
from madang.kernel.house import House
from madang.kernel.module import Module
from madang.kernel.problems import describe_errors, handle_errors, problem_response, unexpected
from madang.kernel.telemetry import count_request

logger = log.get_logger(__name__)

LONGEST_REQUEST_ID = 128
MEMBERS_AT_MOST = 64
"""Of an object in a request's body."""
READING = frozenset({"GET", "HEAD"})
ADDED = "madang.headers"
"""Where a request's scope keeps headers that its response will have."""
PROBES = ("/health", "/metrics")
"""Asked again and again by machines; their requests are logged only in detail, and come by any name."""
SHARED_CLIENT = "madang.shared_client"
"""Where a request's scope says that its client's address is that of many, a proxy that is not trusted."""
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
"""Of every response that does not say otherwise itself."""
HSTS = (b"strict-transport-security", b"max-age=31536000")
"""Of every response over TLS: this name is asked by TLS alone for a year."""


class Page[T](BaseModel):
    """One page of a list. Give `next_cursor` back as `cursor` for the next; null means that this was the last."""

    items: list[T]
    next_cursor: str | None = None


class Strict(BaseModel):
    """Base of request bodies: unknown members are refused rather than dropped in silence."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)

    @model_validator(mode="before")
    @classmethod
    def _few(cls, given: object) -> object:
        """Refuse at once what has more members than any body here: an error for each would cost more than the rest."""
        if isinstance(given, dict) and len(cast("dict[str, object]", given)) > MEMBERS_AT_MOST:
            raise ValueError(f"Input should have at most {MEMBERS_AT_MOST} members")
        return given  # pyright: ignore[reportUnknownVariableType]  # whatever it was


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        msg = "Input should be a number"
        raise ValueError(msg)  # noqa: TRY004  # pydantic turns only a ValueError into an answer
    return value


NUMBER = BeforeValidator(_number)
"""After the bounds of a number that may be left out: `Annotated[int, Field(ge=1), NUMBER] | None`."""
Whole = Annotated[int, NUMBER]
"""An integer in a request body, as JSON means it: 2.0 is one, true and "2" are not."""


def _written_moment(value: object) -> object:
    if isinstance(value, str) and "T" not in value.upper():
        msg = "Input should be a moment with a time zone, such as 2026-11-21T09:00:00Z"
        raise ValueError(msg)
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_moment)]
"""A moment as RFC 3339 writes it; a bare number is none."""


async def get_house(request: Request) -> House:
    """The house of this process; a plain function would cost every request a thread's turn."""
    house: House = request.app.state.house
    return house


HouseDep = Annotated[House, Depends(get_house)]

_bearer = HTTPBearer(
    auto_error=False,
    description="The access token of `POST /auth/login`, or an API key (`mk_…`) of `POST /users/me/keys`.",
)


async def get_principal(
    request: Request, house: HouseDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """Who is asking. Raises `Unauthorized`, and `Forbidden` for an API key that lacks the route's permission."""
    if credentials is None:
        raise Unauthorized("not_signed_in", "Sign in and send the access token as `Authorization: Bearer …`.")
    who = await house.offers.one(AUTHENTICATOR)(house, credentials.credentials)
    route = request.scope.get("route")
    if who.allowed is not None:
        permit_key(who, needed_permission(route, request.method))
    for limit in house.offers.all(LIMITER):
        extra: dict[str, str] = getattr(route, "openapi_extra", None) or {}
        request.scope[ADDED] = await limit(house, who, extra.get("x-rate-limit", "requests"))
    return who


def needed_permission(route: object, method: str) -> str | None:
    """The permission that a key needs for a route: its first tag, and whether the method only reads."""
    tags = getattr(route, "tags", None)
    return permission(str(tags[0]), is_reading=method in READING) if tags else None


Who = Annotated[Principal, Depends(get_principal)]


async def require_reauthentication(house: HouseDep, who: Who) -> Principal:
    """Let only a person who proved themselves in this sign-in a short while ago; raises `Forbidden`."""
    await house.offers.one(REAUTHENTICATION)(house, who)
    return who


Reauthenticated = Annotated[Principal, Depends(require_reauthentication)]
"""In place of `Who`, for a route that writes a credential or hands over power: a stolen token alone does neither."""


async def _open_tx(request: Request, house: HouseDep, who: Who) -> AsyncIterator[Tx]:
    async with admitted_transaction(house, who, is_writing=request.method not in READING) as tx:
        yield tx


ReadTx = Annotated[Tx, Depends(_open_tx, scope="function")]
"""The signed-in account's transaction for this request."""
WriteTx = ReadTx
"""The same; the name says what the route is about to do."""


def decode_cursor(cursor: str | None) -> UUID | None:
    """The id that a list goes on after. Raises `BadRequest`."""
    if cursor is None:
        return None
    try:
        return UUID(cursor)
    except ValueError:
        raise BadRequest("cursor_invalid", "Use the `next_cursor` of the page before, unchanged.") from None


Limit = Annotated[int, Field(ge=1, le=100)]


class Tracking:
    """Gives every request an id, binds it to the logs, and answers with it and with the time it took.

    Pure ASGI: a streamed response passes through untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _given_id(scope) or uuid4().hex
        ORIGIN.set(_origin(scope))

        started = False

        async def tracked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                took = time.perf_counter() - began
                count_request(scope, message["status"], took)
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-process-time", f"{took:.4f}".encode()),
                    *scope.get(ADDED, ()),
                    *_security_headers(scope, message),
                ]
                logger.log(
                    DEBUG if scope["path"].startswith(PROBES) else INFO,
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=message["status"],
                    ms=round(took * 1000, 1),
                )
            await send(message)

        with log.bind(request_id=request_id):
            try:
                await self._app(scope, receive, tracked)
            except Exception as error:
                if started:
                    raise
                await problem_response(unexpected(error))(scope, receive, tracked)


def _security_headers(scope: Scope, message: Message) -> list[tuple[bytes, bytes]]:
    """What the start of a response lacks. A 304 gets nothing: its headers would replace those that a page came with."""
    if message["status"] == 304:
        return []
    said = {name.lower() for name, _ in message["headers"]}
    added = [header for header in SECURITY_HEADERS if header[0] not in said]
    return [*added, HSTS] if scope["scheme"] == "https" else added


def _origin(scope: Scope) -> Origin:
    client = scope.get("client")
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return Origin(client[0] if client else "", agent.decode("latin-1").replace("\x00", ""))


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            if 0 < len(text) <= LONGEST_REQUEST_ID and text.isascii() and text.isprintable():
                return text
    return None


def build_app(
    house: House, modules: Sequence[Module], lifespan: "AbstractAsyncContextManager[None] | None" = None
) -> FastAPI:
    """The HTTP application of the installed modules: theirs under `/api/v1`, their roots at `/`."""
    app = FastAPI(
        title="Madang",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=(lambda _app: lifespan) if lifespan is not None else None,
    )
    app.state.house = house
    for module in modules:
        for router in module.routes():
            app.include_router(router, prefix="/api/v1")
        for router in module.roots():
            app.include_router(router)
    handle_errors(app)
    describe_errors(app)
    app.add_middleware(Tracking)
    return app
