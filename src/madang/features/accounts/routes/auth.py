"""Registration, and signing in and out."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints

from madang.features.accounts.contracts import Language, Setup
from madang.features.accounts.routes import cookies
from madang.features.accounts.routes.shared import (
    COOKIE,
    Email,
    Line,
    Password,
    SignedIn,
    Token,
    User,
    device_of,
    end_session,
    hand_over,
    refuse_other_sites,
    shown_user,
)
from madang.features.accounts.service import confirming, people, registration, signing_in
from madang.kernel.errors import Unauthorized
from madang.kernel.http import HouseDep, ReadTx, Strict, Who
from madang.kernel.problems import problems

router = APIRouter(prefix="/auth", tags=["auth"])


class RegisterBody(Strict):
    """Who wants an account."""

    email: Email
    password: Password = Field(
        description="8 to 256 characters, and not a common one.", json_schema_extra={"minLength": 8, "maxLength": 256}
    )
    name: Line = ""
    invite_code: Token | None = None
    setup_token: Token | None = Field(
        default=None, description="For the first account: what `madang up` or `madang admin setup-url` prints."
    )
    language: Language | None = Field(default=None, description="That of the screen, in which letters are written.")


class LoginBody(Strict):
    """Who signs in, and where the refresh token goes."""

    email: Annotated[str, StringConstraints(max_length=320)]
    password: Password
    session: Literal["token", "cookie"] = Field(
        default="token", description="`cookie` keeps the refresh token in an HttpOnly cookie, for browsers."
    )


class ConfirmBody(Strict):
    """The caller's password."""

    password: Password | None = None


class RefreshBody(Strict):
    """The refresh token; browsers leave it out and send their cookie."""

    refresh_token: Token | None = None


@router.get("/setup", responses=problems())
async def get_setup(house: HouseDep) -> Setup:
    """Tell a visitor whether this is the first run, whose account becomes the supervisor's, and who may register."""
    return await registration.setup(house)


@router.post("/register", status_code=201, responses=problems(403, 409, 429))
async def register(house: HouseDep, request: Request, body: RegisterBody) -> User:
    """Make an account. The first one becomes the supervisor."""
    password = body.password.get_secret_value()
    wanted = registration.Application(
        body.email, password, body.name, body.invite_code, body.language, body.setup_token
    )
    return shown_user(await registration.register(house, wanted, device_of(request).address))


@router.post("/login", responses=problems(401, 403, 429))
async def login(house: HouseDep, request: Request, response: Response, body: LoginBody) -> SignedIn:
    """Sign in with e-mail address and password."""
    in_cookie = body.session == "cookie"
    if in_cookie:
        refuse_other_sites(request)
    handed = await signing_in.sign_in(house, body.email, body.password.get_secret_value(), device_of(request))
    return hand_over(house, request, response, handed, in_cookie=in_cookie)


@router.post("/refresh", responses=problems(401, 403))
async def refresh(house: HouseDep, request: Request, response: Response, body: RefreshBody | None = None) -> SignedIn:
    """Exchange a refresh token, from the body or the cookie, for new tokens. The old one is then used up."""
    token, in_cookie = _presented(request, body)
    if token is None:
        raise Unauthorized("refresh_missing", "There is no refresh token in the body or the cookie. Sign in.")
    handed = await signing_in.refresh(house, token, device_of(request))
    return hand_over(house, request, response, handed, in_cookie=in_cookie)


@router.post("/logout", status_code=204, responses=problems(403))
async def logout(house: HouseDep, request: Request, response: Response, body: RefreshBody | None = None) -> None:
    """End the sign-in of the refresh token in the body or the cookie; succeeds when it has ended already."""
    token, _ = _presented(request, body)
    if token is not None:
        await signing_in.sign_out(house, token)
    end_session(house, request, response)


@router.post("/confirm", status_code=204, responses=problems(401, 403, 429))
async def confirm(house: HouseDep, request: Request, who: Who, body: ConfirmBody) -> None:
    """Prove that it is oneself with the password; what writes credentials or hands over power then works for a while.

    Whoever has just signed in need not do it, and who has no password signs in anew instead.
    """
    password = body.password.get_secret_value() if body.password else None
    await confirming.confirm(house, who, password, device_of(request))


@router.get("/me", responses=problems(401))
async def me(tx: ReadTx, who: Who) -> User:
    """Tell who is signed in."""
    return shown_user(await people.me(tx, who))


def _presented(request: Request, body: RefreshBody | None) -> tuple[str | None, bool]:
    """The refresh token that the client sends, and whether it is the cookie's."""
    if body is not None and body.refresh_token is not None:
        return body.refresh_token, False
    token = cookies.read(request, COOKIE)
    if token is not None:
        refuse_other_sites(request)
    return token, token is not None
