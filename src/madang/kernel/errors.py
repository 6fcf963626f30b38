"""Errors that a caller can act on, in the shape of RFC 9457 problem documents."""

from typing import ClassVar


class Problem(Exception):  # noqa: N818  # RFC 9457 calls it a problem
    """An error with a stable code and a sentence that says what to do next.

    Raise a subclass; the status follows from it. `extra` becomes further members of the problem document and
    must be JSON-compatible. `headers` are added to the response.
    """

    status: ClassVar[int] = 500

    def __init__(self, code: str, detail: str, *, headers: dict[str, str] | None = None, **extra: object) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.headers = headers or {}
        self.extra = extra


class BadRequest(Problem):
    """400: the request cannot be understood."""

    status = 400


class Unauthorized(Problem):
    """401: nobody is signed in, or the sign-in has ended."""

    status = 401


class Forbidden(Problem):
    """403: signed in, but not allowed; never used for rows of strangers, which do not exist."""

    status = 403


class NotFound(Problem):
    """404: there is no such thing for this caller."""

    status = 404


class Conflict(Problem):
    """409: the thing is in a state that does not allow this now."""

    status = 409


class TooLarge(Problem):
    """413: more than this server takes."""

    status = 413


class UnsupportedType(Problem):
    """415: a kind of content that this server does not read."""

    status = 415


class Invalid(Problem):
    """422: understood, but a value is not acceptable."""

    status = 422


class TooMany(Problem):
    """429: slower, please. Give `headers={"Retry-After": seconds}`."""

    status = 429


class BadGateway(Problem):
    """502: a server behind this one answered wrongly."""

    status = 502


class Unavailable(Problem):
    """503: something this server needs is away; trying again later may work."""

    status = 503


class GatewayTimeout(Problem):
    """504: a server behind this one did not answer in time."""

    status = 504
