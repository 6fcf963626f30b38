"""From errors to responses: every failure leaves as a problem document (RFC 9457), and the OpenAPI says so."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException as StarletteHTTPException  # noqa: TID251  # translated, never raised
from starlette.routing import compile_path

from madang.kernel import log
from madang.kernel.errors import Problem, Unavailable
from madang.kernel.failures import FAILURES_OF_OURS, DatabaseUnavailableError, Failure, classify, of_valkey

logger = log.get_logger(__name__)

PROBLEM = "application/problem+json"
ERRORS_AT_MOST, LONGEST_MESSAGE = 20, 300
"""Of the values that are not acceptable, so many are told of; whoever sends a thousand wrong ones learns no more."""
LONGEST_PLACE, DEEPEST_PLACE = 100, 16
"""Characters of a member's name, which the client chose, and the members that a path to a value names."""


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


_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Content too large",
    415: "Unsupported media type",
    421: "Misdirected request",
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


def handle_errors(app: FastAPI) -> None:
    """Answer every error with its problem document."""

    async def on_problem(_request: Request, error: Exception) -> JSONResponse:
        return problem_response(error if isinstance(error, Problem) else unexpected(error))

    async def on_invalid(_request: Request, error: Exception) -> JSONResponse:
        found = cast("Sequence[dict[str, Any]]", error.errors() if isinstance(error, RequestValidationError) else [])
        errors = [_field_error(one) for one in found[:ERRORS_AT_MOST]]
        problem = Problem("request_invalid", "Some values are not acceptable; `errors` says which and why.")
        problem.status = 422  # type: ignore[misc]  # the one place where the kind is known only now
        return problem_response(problem, errors=errors)

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error.__cause__, Problem):  # raised where FastAPI lets nothing else through
            return problem_response(error.__cause__)
        status = error.status_code if isinstance(error, StarletteHTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, StarletteHTTPException) else {}
        if status == 405:
            headers["Allow"] = ", ".join(sorted(_methods(request)))
        problem = Problem(*_HTTP_CODES.get(status, ("http_error", "This cannot be served.")), headers=headers)
        problem.status = status  # type: ignore[misc]  # as above
        return problem_response(problem)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(StarletteHTTPException, on_http)
    for away in (*FAILURES_OF_OURS, DatabaseUnavailableError, RedisError):
        app.add_exception_handler(away, _on_away)


def _field_error(found: dict[str, Any]) -> dict[str, object]:
    at = [part if isinstance(part, int) else str(part)[:LONGEST_PLACE] for part in found["loc"][:DEEPEST_PLACE]]
    return {"at": at, "message": str(found["msg"])[:LONGEST_MESSAGE]}


def _methods(request: Request) -> set[str]:
    """Every method that this address takes; a route on its own knows only about itself."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    here = request.url.path
    taken = [here] if here in paths else [path for path in paths if compile_path(path)[0].match(here)]
    return {method.upper() for path in taken for method in paths[path]}


_HTTP_CODES = {
    400: ("bad_request", "The request cannot be understood."),
    404: ("not_found", "There is nothing at this address."),
    413: ("request_too_large", "The request is larger than this server takes. Send less at once."),
    405: ("method_not_allowed", "This address does not take this method; `Allow` says which it takes."),
}


RETRY_AFTER_SECONDS = {Failure.CONTENDED: 1, Failure.UNAVAILABLE: 2, Failure.EXHAUSTED: 3}


async def _on_away(_request: Request, error: Exception) -> JSONResponse:
    failure = classify(error)
    if failure in {Failure.BROKEN, Failure.INPUT}:
        return problem_response(unexpected(error))
    logger.warning("service_away", failure=failure, error=log.first_line(error))
    return problem_response(_away(error, failure))


def _away(error: Exception, failure: Failure) -> Problem:
    service = "valkey" if of_valkey(error) else "database"
    return Unavailable(
        f"{service}_unavailable",
        "A part of the server is away; try again in a moment.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS[failure])},
    )


def unexpected(error: Exception) -> Problem:
    """The problem that a client is told of when nobody foresaw the error; the log has the rest."""
    logger.error("unexpected_error", exc_info=error)
    return Problem("internal_error", "Something went wrong here. Tell the operator the request id.")


def describe_errors(app: FastAPI) -> None:
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
            always = [400, 413] if "requestBody" in operation else []
            if "security" in operation:
                always += [401, 403, 429]
            operation["responses"].pop("422", None)
            for status, response in problems(*always).items():
                operation["responses"].setdefault(str(status), response)
        return schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema
