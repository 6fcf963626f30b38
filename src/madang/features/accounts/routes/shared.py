"""What the routes of accounts have in common: shapes, and the session's cookie."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request, Response
from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints

from madang.features.accounts.contracts import Account, Device, SignIn
from madang.features.accounts.routes import cookies
from madang.features.accounts.service import addresses, browsers
from madang.features.accounts.service.factors.passkeys import Site
from madang.kernel.errors import Conflict, Forbidden
from madang.kernel.house import House
from madang.kernel.http import SHARED_CLIENT, HouseDep

COOKIE = "madang_refresh"
COOKIE_PATH = "/api/v1/auth"
BROWSER_COOKIE = "madang_browser"
SIGNED_OUT_COOKIE = "madang_signed_out"
"""Says that somebody signed out in this browser, so that the next person is not signed in as them by a provider."""
FLOW_PATH = "/api/v1/auth/oidc"

type Line = Annotated[
    str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$")
]
"""One line: no control characters, separators of lines, or marks that turn the direction of what follows."""
type Email = Annotated[str, Field(max_length=320, json_schema_extra={"pattern": addresses.EMAIL_PATTERN})]


def _of_characters(password: SecretStr) -> SecretStr:
    """Refuse half a character, which JSON can spell and nothing can hash; other strings refuse it by themselves."""
    try:
        password.get_secret_value().encode()
    except UnicodeEncodeError:
        msg = "Input should be a valid string"
        raise ValueError(msg) from None
    return password


type Password = Annotated[SecretStr, Field(max_length=1024), AfterValidator(_of_characters)]
type Token = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class User(BaseModel):
    """A person, as they and supervisors see them."""

    id: UUID
    email: str
    name: str
    role: Literal["supervisor", "user"]
    is_disabled: bool
    created_at: datetime
    deletion_at: datetime | None
    email_verified: bool


class SignedIn(BaseModel):
    """Tokens of a sign-in. The refresh token works once and comes back new; it is null when it is in a cookie."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  # the kind of token, not one
    expires_in: int = Field(description="Seconds for which the access token is good.")
    refresh_token: str | None
    user: User


def shown_user(account: Account) -> User:
    """The account as the API shows it."""
    return User(
        id=account.id,
        email=account.email,
        name=account.name,
        role="supervisor" if account.is_supervisor else "user",
        is_disabled=account.is_disabled,
        created_at=account.created_at,
        deletion_at=account.deletion_at,
        email_verified=account.email_verified,
    )


def next_cursor(ids: list[UUID], limit: int) -> str | None:
    """The cursor of the next page: the last id of this one, if there is more."""
    return str(ids[limit - 1]) if len(ids) > limit else None


def device_of(request: Request) -> Device:
    """Where the request comes from. Other sites' pages do not use up what the browser has of its own."""
    address = request.client.host if request.client else ""
    is_ours = request.method == "GET" or _is_ours(request)
    browser = (cookies.read(request, BROWSER_COOKIE) or "") if is_ours else ""
    is_shared = bool(request.scope.get(SHARED_CLIENT))
    return Device(address, request.headers.get("user-agent", "").replace("\x00", ""), browser, is_shared)


def site_of(house: HouseDep, request: Request) -> Site:
    """The name that passkeys of this server belong to: that of `MADANG_PUBLIC_URL`, or of the request's own address.

    Browsers use passkeys only over TLS and on localhost, so plain HTTP is taken from there alone. Raises `Conflict`
    (passkeys_need_a_name) where the address is a number.
    """
    public_url = house.settings.public_url
    try:
        at = urlsplit(public_url or f"//{request.headers.get('host', '')}")
        name = at.hostname or ""
    except ValueError:
        at, name = urlsplit(""), ""
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", name) or re.fullmatch(r"[0-9.]+", name):
        detail = "Passkeys belong to a name such as example.org. Open this server by one, or set MADANG_PUBLIC_URL."
        raise Conflict("passkeys_need_a_name", detail)
    if public_url:
        return Site(name, [f"{at.scheme}://{at.netloc}"])
    is_local = name == "localhost" or name.endswith(".localhost")
    return Site(name, [f"https://{at.netloc}"] + [f"http://{at.netloc}"] * is_local)


def refuse_other_sites(request: Request) -> None:
    """Let a browser use the cookie only from our own pages, beyond what SameSite does; raises `Forbidden`."""
    if not _is_ours(request):
        raise Forbidden("cross_site", "The session's cookie works only from this server's own pages.")


def _is_ours(request: Request) -> bool:
    """Browsers say where a request comes from (Fetch Metadata); the older ones at least name the origin."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in {"same-origin", "none"}
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def hand_over(house: HouseDep, request: Request, response: Response, handed: SignIn, *, in_cookie: bool) -> SignedIn:
    """Answer with the tokens of a sign-in; the refresh token goes into the cookie instead when it is to be there."""
    if in_cookie:
        put_cookie(house, request, response, handed)
    elif cookies.read(request, BROWSER_COOKIE) is not None:
        _put_browser(house, request, response, handed)
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(
        access_token=handed.access_token,
        expires_in=int(handed.expires_in.total_seconds()),
        refresh_token=None if in_cookie else handed.refresh_token,
        user=shown_user(handed.account),
    )


def end_session(house: HouseDep, request: Request, response: Response) -> None:
    """Take the session's cookie back, and what the browser keeps of whoever was signed in."""
    cookies.drop(request, response, COOKIE, path=COOKIE_PATH)
    mark, lifetime = SIGNED_OUT_COOKIE, browsers.LIFETIME
    cookies.put(house, request, response, mark, "1", path=FLOW_PATH, lifetime=lifetime, samesite="lax")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    response.headers["Cache-Control"] = "no-store"


def put_cookie(house: HouseDep, request: Request, response: Response, handed: SignIn) -> None:
    """Put the refresh token of a sign-in into the session's cookie."""
    _set(house, request, response, COOKIE, handed.refresh_token, handed.refresh_expires_in, "strict")
    _put_browser(house, request, response, handed)


def _put_browser(house: House, request: Request, response: Response, handed: SignIn) -> None:
    """Let the browser be known from now on. It comes along from a provider too, where others' names in it are kept."""
    if handed.browser:
        _set(house, request, response, BROWSER_COOKIE, handed.browser, browsers.LIFETIME, "lax")


def _set(
    house: House,
    request: Request,
    response: Response,
    name: str,
    value: str,
    lifetime: timedelta,
    samesite: Literal["lax", "strict"],
) -> None:
    cookies.put(house, request, response, name, value, path=COOKIE_PATH, lifetime=lifetime, samesite=samesite)
