"""Cookies that no page of another site, and over TLS no neighbour under the same domain, can set or read.

Over TLS a name begins with `__Host-`: browsers then refuse the cookie from anywhere but this host. A cookie under the
plain name, as it was before that or over plain HTTP, is still read, and goes as soon as the other is set.
"""

from datetime import timedelta
from typing import Literal

from fastapi import Request, Response

from madang.kernel.house import House

PREFIX = "__Host-"


def read(request: Request, name: str) -> str | None:
    """The cookie of this name that the browser sent."""
    return request.cookies.get(f"{PREFIX}{name}") or request.cookies.get(name)


def put(
    house: House,
    request: Request,
    response: Response,
    name: str,
    value: str,
    *,
    path: str,
    lifetime: timedelta,
    samesite: Literal["lax", "strict"],
) -> None:
    """Set a cookie that scripts cannot read; over plain HTTP for `path` alone, where a prefix is not to be had."""
    is_secure = house.settings.environment == "production" or request.url.scheme == "https"
    response.set_cookie(
        f"{PREFIX}{name}" if is_secure else name,
        value,
        max_age=int(lifetime.total_seconds()),
        path="/" if is_secure else path,
        httponly=True,
        samesite=samesite,
        secure=is_secure,
    )
    if is_secure and name in request.cookies:
        response.delete_cookie(name, path=path, secure=True, httponly=True, samesite=samesite)


def drop(request: Request, response: Response, name: str, *, path: str) -> None:
    """Have the browser forget the cookie, under whichever name it has it."""
    if f"{PREFIX}{name}" in request.cookies:
        response.delete_cookie(f"{PREFIX}{name}", path="/", secure=True, httponly=True)
    if name in request.cookies or f"{PREFIX}{name}" not in request.cookies:
        response.delete_cookie(name, path=path)
