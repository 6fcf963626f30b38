"""The api's frame: the application, the way from errors to responses, and the id that follows a request.

Routes take `who: Who`, `house: HouseDep`, `tx: ReadTx` or `tx: WriteTx` as parameters. A transaction is committed
before the response is sent (function scope), so an answer never promises what is not stored.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from logging import DEBUG, INFO
from typing import Annotated, Any, cast
from uuid import UUID, uuid4

import msgspec
from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from redis.exceptions import ConnectionError as ValkeyConnectionError
from redis.exceptions import TimeoutError as ValkeyTimeoutError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException as StarletteHTTPException  # noqa: TID251  # translated, never raised
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang import __version__
from madang.kernel import log
from madang.kernel.audit import ORIGIN, Origin
from madang.kernel.auth import AUTHENTICATOR, LIMITER, Principal, is_beyond_keys, permission, permit_key
from madang.kernel.db import Tx
from madang.kernel.errors import BadRequest, Problem, Unauthorized, Unavailable
from madang.kernel.house import House
from madang.kernel.module import Module
from madang.kernel.telemetry import count_request

logger = log.get_logger(__name__)

PROBLEM = "application/problem+json"
LONGEST_REQUEST_ID = 128
SMALL_BODY_BYTES = 1 << 20
READING = frozenset({"GET", "HEAD"})
ADDED = "madang.headers"
"""Where a request's scope keeps headers that its response will have."""
WATCHERS = ("/health", "/metrics")
"""Asked again and again by machines; their requests are logged only in detail."""


class FieldError(BaseModel):
    """One value of the request that is not acceptable. `at` is the path to it, such as ["body", "email"]."""

    at: list[str | int]
    message: str


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 writes it; `code` is stable and meant for programs."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[FieldError] | None = None


class Page[T](BaseModel):
    """One page of a list. Give `next_cursor` back as `cursor` for the next; null means that this was the last."""

    items: list[T]
    next_cursor: str | None = None


class Strict(BaseModel):
    """Base of request bodies: unknown members are refused rather than dropped in silence."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


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

_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Content too large",
    415: "Unsupported media type",
    422: "Unprocessable content",
    429: "Too many requests",
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Gateway timeout",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can answer with these problems; 422 and 503 come with every route."""
    return {
        status: {
            "description": _TITLES[status],
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in {*statuses, 422, 503}
    }


def problem_response(problem: Problem, *, errors: list[dict[str, object]] | None = None) -> JSONResponse:
    """The response for a problem."""
    status = problem.status
    body: dict[str, object] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": log.request_id(),
        **problem.extra,
    }
    if errors is not None:
        body["errors"] = errors
    headers = dict(problem.headers)
    if status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse(msgspec.to_builtins(body), status, headers, media_type=PROBLEM)


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
        permit_key(who, _needed(route, request.method))
    for limit in house.offers.all(LIMITER):
        extra: dict[str, str] = getattr(route, "openapi_extra", None) or {}
        request.scope[ADDED] = await limit(house, who, extra.get("x-rate-limit", "requests"))
    return who


def _needed(route: object, method: str) -> str | None:
    """The permission that a key needs for a route: its first tag, and whether the method only reads."""
    tags = getattr(route, "tags", None)
    return permission(str(tags[0]), is_reading=method in READING) if tags else None


def key_permissions(app: FastAPI) -> list[str]:
    """Every permission that a key can be given, from the routes that ask who is there."""
    routes = [found.original_route for found in iter_route_contexts(app.routes)]
    asking = [route for route in routes if isinstance(route, APIRoute) and _asks_who(route.dependant)]
    needed = {_needed(route, method) for route in asking for method in route.methods or ()}
    return sorted(one for one in needed if one is not None and not is_beyond_keys(one))


def _asks_who(dependant: Dependant) -> bool:
    return dependant.call is get_principal or any(_asks_who(part) for part in dependant.dependencies)


Who = Annotated[Principal, Depends(get_principal)]


async def _open_tx(house: HouseDep, who: Who) -> AsyncIterator[Tx]:
    async with house.db.transaction(who) as tx:
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
                ]
                logger.log(
                    DEBUG if scope["path"].startswith(WATCHERS) else INFO,
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
                await problem_response(_unexpected(error))(scope, receive, tracked)


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
    _handle_errors(app)
    _document(app)
    app.add_middleware(Tracking)
    return app


def _document(app: FastAPI) -> None:
    """Describe every error as a problem document, which is what the handlers answer."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = plain()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        document = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(document.pop("$defs"))
        schemas["ProblemDocument"] = document
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for operation in (operation for path in schema["paths"].values() for operation in path.values()):
            always = [400] if "requestBody" in operation else []
            if "security" in operation:
                always += [401, 403, 429]
            operation["responses"].pop("422", None)
            for status, response in problems(*always).items():
                operation["responses"].setdefault(str(status), response)
        return schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema


def _handle_errors(app: FastAPI) -> None:
    async def on_problem(_request: Request, error: Exception) -> JSONResponse:
        return problem_response(error if isinstance(error, Problem) else _unexpected(error))

    async def on_invalid(_request: Request, error: Exception) -> JSONResponse:
        found = cast("list[dict[str, Any]]", error.errors() if isinstance(error, RequestValidationError) else [])
        errors: list[dict[str, object]] = [{"at": list(one["loc"]), "message": one["msg"]} for one in found]
        problem = Problem("request_invalid", "Some values are not acceptable; `errors` says which and why.")
        problem.status = 422  # type: ignore[misc]  # the one place where the kind is known only now
        return problem_response(problem, errors=errors)

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, StarletteHTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, StarletteHTTPException) else {}
        if status == 405:
            headers["Allow"] = ", ".join(sorted(_methods(request)))
        problem = Problem(*_HTTP_CODES.get(status, ("http_error", "This cannot be served.")), headers=headers)
        problem.status = status  # type: ignore[misc]  # as above
        return problem_response(problem)

    async def on_away(_request: Request, error: Exception) -> JSONResponse:
        logger.warning("service_away", error=str(error).splitlines()[0])
        return problem_response(_away(error))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(StarletteHTTPException, on_http)
    for away in (OperationalError, InterfaceError, PoolTimeoutError, ValkeyConnectionError, ValkeyTimeoutError):
        app.add_exception_handler(away, on_away)


def _methods(request: Request) -> set[str]:
    """Every method that this address takes; a route on its own knows only about itself."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    here = request.url.path
    taken = [here] if here in paths else [path for path in paths if compile_path(path)[0].match(here)]
    return {method.upper() for path in taken for method in paths[path]}


_HTTP_CODES = {
    400: ("bad_request", "The request cannot be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method; `Allow` says which it takes."),
}


def _away(error: Exception) -> Problem:
    service = "database" if isinstance(error, DBAPIError | PoolTimeoutError) else "valkey"
    return Unavailable(
        f"{service}_unavailable", "A part of the server is away; try again in a moment.", headers={"Retry-After": "2"}
    )


def _unexpected(error: Exception) -> Problem:
    logger.error("unexpected_error", exc_info=error)
    return Problem("internal_error", "Something went wrong here. Tell the operator the request id.")
