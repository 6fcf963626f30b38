"""`/auth` and `/users`."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr, StrictBool, StringConstraints

from madang.features.accounts.access import permit_supervisor
from madang.features.accounts.contracts import (
    Account,
    Device,
    Invite,
    Language,
    Preferences,
    Setup,
    SignIn,
    Theme,
)
from madang.features.accounts.service import invites, people, registration, signing_in
from madang.kernel.errors import Forbidden, Unauthorized
from madang.kernel.http import HouseDep, Limit, Page, ReadTx, Strict, Who, Whole, WriteTx, problems

COOKIE = "madang_refresh"
COOKIE_PATH = "/api/v1/auth"

auth = APIRouter(prefix="/auth", tags=["auth"])
users = APIRouter(prefix="/users", tags=["users"])

type Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
type Email = Annotated[str, Field(max_length=320, json_schema_extra={"pattern": registration.EMAIL_PATTERN})]
type Password = Annotated[SecretStr, Field(max_length=1024)]
type Token = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class User(BaseModel):
    """A person, as they and supervisors see them."""

    id: UUID
    email: str
    name: str
    role: Literal["supervisor", "user"]
    is_disabled: bool
    created_at: datetime


class RegisterBody(Strict):
    """Who wants an account."""

    email: Email
    password: Password = Field(
        description="8 to 256 characters, and not a common one.", json_schema_extra={"minLength": 8, "maxLength": 256}
    )
    name: Line = ""
    invite_code: Token | None = None


class LoginBody(Strict):
    """Who signs in, and where the refresh token goes."""

    email: Annotated[str, StringConstraints(max_length=320)]
    password: Password
    session: Literal["token", "cookie"] = Field(
        default="token", description="`cookie` keeps the refresh token in an HttpOnly cookie, for browsers."
    )


class RefreshBody(Strict):
    """The refresh token; browsers leave it out and send their cookie."""

    refresh_token: Token | None = None


class SignedIn(BaseModel):
    """Tokens of a sign-in. The refresh token works once and comes back new; it is null when it is in a cookie."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  # the kind of token, not one
    expires_in: int = Field(description="Seconds for which the access token is good.")
    refresh_token: str | None
    user: User


class PreferencesBody(Strict):
    """How somebody likes Madang to be; null leaves the choice to the house."""

    language: Language | None = None
    theme: Theme = "system"
    model: Line | None = None


class UserBody(Strict):
    """What can be changed about a person; only supervisors disable."""

    name: Line
    is_disabled: StrictBool | None = None


class InviteBody(Strict):
    """An invite to make."""

    note: Line = ""
    max_uses: Whole = Field(default=1, ge=1, le=10_000)
    expires_in_days: Whole = Field(default=7, ge=1, le=365)


class NewInvite(BaseModel):
    """An invite that was just made, with its code, which is shown only now."""

    id: UUID
    code: str
    note: str
    max_uses: int
    used_count: int
    expires_at: datetime
    created_at: datetime


@auth.get("/setup", responses=problems())
async def get_setup(house: HouseDep) -> Setup:
    """Tell a visitor whether this is the first run, whose account becomes the supervisor's, and who may register."""
    async with house.db.transaction() as tx:
        return await registration.setup(tx)


@auth.post("/register", status_code=201, responses=problems(403, 409, 429))
async def register(house: HouseDep, request: Request, body: RegisterBody) -> User:
    """Make an account. The first one becomes the supervisor."""
    password = body.password.get_secret_value()
    wanted = registration.Application(body.email, password, body.name, body.invite_code)
    return _user(await registration.register(house, wanted, _device(request).address))


@auth.post("/login", responses=problems(401, 403, 429))
async def login(house: HouseDep, request: Request, response: Response, body: LoginBody) -> SignedIn:
    """Sign in with e-mail address and password."""
    in_cookie = body.session == "cookie"
    if in_cookie:
        _refuse_other_sites(request)
    handed = await signing_in.sign_in(house, body.email, body.password.get_secret_value(), _device(request))
    return _answer(house, request, response, handed, in_cookie=in_cookie)


@auth.post("/refresh", responses=problems(401, 403))
async def refresh(house: HouseDep, request: Request, response: Response, body: RefreshBody | None = None) -> SignedIn:
    """Exchange a refresh token, from the body or the cookie, for new tokens. The old one is then used up."""
    token, in_cookie = _presented(request, body)
    if token is None:
        raise Unauthorized("refresh_missing", "There is no refresh token in the body or the cookie. Sign in.")
    handed = await signing_in.refresh(house, token, _device(request))
    return _answer(house, request, response, handed, in_cookie=in_cookie)


@auth.post("/logout", status_code=204, responses=problems(403))
async def logout(house: HouseDep, request: Request, response: Response, body: RefreshBody | None = None) -> None:
    """End the sign-in of the refresh token in the body or the cookie; succeeds when it has ended already."""
    token, _ = _presented(request, body)
    if token is not None:
        await signing_in.sign_out(house, token)
    response.delete_cookie(COOKIE, path=COOKIE_PATH)


@auth.get("/me", responses=problems(401))
async def me(tx: ReadTx, who: Who) -> User:
    """Tell who is signed in."""
    return _user(await people.me(tx, who))


@auth.post("/invites", status_code=201, responses=problems(401, 403))
async def create_invite(tx: WriteTx, who: Who, body: InviteBody) -> NewInvite:
    """Make a registration code, for supervisors. The code is shown only in this answer."""
    permit_supervisor(who)
    lifetime = timedelta(days=body.expires_in_days)
    made, code = await invites.create(tx, who.account_id, note=body.note, max_uses=body.max_uses, lifetime=lifetime)
    return NewInvite(code=code, **asdict(made))


@auth.get("/invites", responses=problems(401, 403))
async def list_invites(tx: ReadTx, who: Who, cursor: UUID | None = None, limit: Limit = 50) -> Page[Invite]:
    """List registration codes, for supervisors, the newest first."""
    found = await invites.listed(tx, who, cursor, limit + 1)
    return Page(items=found[:limit], next_cursor=_next([one.id for one in found], limit))


@auth.delete("/invites/{invite_id:uuid}", status_code=204, responses=problems(401, 403, 404))
async def withdraw_invite(tx: WriteTx, who: Who, invite_id: UUID) -> None:
    """End a registration code, for supervisors."""
    await invites.withdraw(tx, who, invite_id)


@users.get("/", responses=problems(401, 403))
async def list_users(
    house: HouseDep, who: Who, q: Line | None = None, cursor: UUID | None = None, limit: Limit = 50
) -> Page[User]:
    """List people, for supervisors, the newest first; `q` searches names and e-mail addresses."""
    async with house.db.transaction() as tx:
        found = await people.listed(tx, who, text=q, before=cursor, limit=limit + 1)
    return Page(items=[_user(one) for one in found[:limit]], next_cursor=_next([one.id for one in found], limit))


@users.get("/me/preferences", responses=problems(401))
async def get_preferences(tx: ReadTx, who: Who) -> Preferences:
    """Tell how the caller likes Madang to be."""
    return await people.preferences(tx, who)


@users.put("/me/preferences", responses=problems(401))
async def put_preferences(tx: WriteTx, who: Who, body: PreferencesBody) -> Preferences:
    """Keep how the caller likes Madang to be."""
    wanted = Preferences(language=body.language, theme=body.theme, model=body.model)
    return await people.prefer(tx, who, wanted)


@users.get("/{user_id:uuid}", responses=problems(401, 404))
async def get_user(house: HouseDep, who: Who, user_id: UUID) -> User:
    """Show oneself, or anybody to a supervisor."""
    async with house.db.transaction() as tx:
        return _user(await people.get(tx, who, user_id))


@users.put("/{user_id:uuid}", responses=problems(401, 403, 404, 409))
async def put_user(house: HouseDep, who: Who, user_id: UUID, body: UserBody) -> User:
    """Change one's own name; a supervisor changes anybody's, and disables and enables accounts."""
    return _user(await people.change(house, who, user_id, name=body.name, is_disabled=body.is_disabled))


@users.delete("/{user_id:uuid}", status_code=204, responses=problems(401, 404, 409))
async def delete_user(house: HouseDep, who: Who, user_id: UUID) -> None:
    """Delete one's own account, or anybody's as a supervisor. All its sign-ins end."""
    await people.remove(house, who, user_id)


def _user(account: Account) -> User:
    return User(
        id=account.id,
        email=account.email,
        name=account.name,
        role="supervisor" if account.is_supervisor else "user",
        is_disabled=account.is_disabled,
        created_at=account.created_at,
    )


def _next(ids: list[UUID], limit: int) -> str | None:
    """The cursor of the next page: the last id of this one, if there is more."""
    return str(ids[limit - 1]) if len(ids) > limit else None


def _device(request: Request) -> Device:
    address = request.client.host if request.client else ""
    return Device(address=address, user_agent=request.headers.get("user-agent", "").replace("\x00", ""))


def _presented(request: Request, body: RefreshBody | None) -> tuple[str | None, bool]:
    """The refresh token that the client sends, and whether it is the cookie's."""
    if body is not None and body.refresh_token is not None:
        return body.refresh_token, False
    token = request.cookies.get(COOKIE)
    if token is not None:
        _refuse_other_sites(request)
    return token, token is not None


def _refuse_other_sites(request: Request) -> None:
    """Let a browser use the cookie only from our own pages, beyond what SameSite does; raises `Forbidden`.

    Browsers say where a request comes from (Fetch Metadata); the older ones at least name the origin.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site in {"same-origin", "none"}
    else:
        is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_ours:
        raise Forbidden("cross_site", "The session's cookie works only from this server's own pages.")


def _answer(house: HouseDep, request: Request, response: Response, handed: SignIn, *, in_cookie: bool) -> SignedIn:
    if in_cookie:
        response.set_cookie(
            COOKIE,
            handed.refresh_token,
            max_age=int(handed.refresh_expires_in.total_seconds()),
            path=COOKIE_PATH,
            httponly=True,
            samesite="strict",
            secure=house.settings.environment == "production" or request.url.scheme == "https",
        )
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(
        access_token=handed.access_token,
        expires_in=int(handed.expires_in.total_seconds()),
        refresh_token=None if in_cookie else handed.refresh_token,
        user=_user(handed.account),
    )
