"""Signing in at OpenID Connect providers, and the identities one has there."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, StringConstraints

from madang.features.accounts.contracts import Identity
from madang.features.accounts.routes import cookies
from madang.features.accounts.routes.shared import FLOW_PATH, SIGNED_OUT_COOKIE, device_of, put_cookie
from madang.features.accounts.service.oidc import identities, journey
from madang.features.accounts.service.oidc.flows import LIFETIME_SECONDS
from madang.features.accounts.service.oidc.journey import Answer, Departure
from madang.kernel.errors import Problem
from madang.kernel.house import House
from madang.kernel.http import HouseDep, ReadTx, Reauthenticated, Strict, Who
from madang.kernel.problems import problems

FLOW_COOKIE = "madang_oidc"
API_PATH = "/api/v1"

type Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
type Text = Annotated[str, StringConstraints(max_length=2000)]
type Code = Annotated[str, StringConstraints(max_length=4096)]

router = APIRouter(prefix="/auth/oidc", tags=["auth"])
identities_router = APIRouter(prefix="/users/me/identities", tags=["users"])

TO_PROVIDER = {"description": "On to the provider."}
TO_APP = {"description": "Back to the web app: signed in, or with `?sign-in-error=` and a code."}


class LinkBody(Strict):
    """The provider to link an account of, and the page to come back to."""

    provider: Name
    return_to: Text | None = None


class LinkBegun(BaseModel):
    """Where the browser goes now; the cookie that came with this answer goes along."""

    url: str


@router.get(
    "/{provider}/start",
    status_code=303,
    response_class=RedirectResponse,
    responses={303: TO_PROVIDER, **problems(404, 502)},
)
async def start_oidc(house: HouseDep, request: Request, provider: Name, return_to: Text | None = None) -> Response:
    """Send the browser to a provider to sign in; it comes back to `return_to`, a path of the web app.

    After a sign-out in this browser the provider is asked to let people choose an account.
    """
    redirect_uri = _redirect_uri(house, request, provider)
    asks_whom = cookies.read(request, SIGNED_OUT_COOKIE) is not None
    departure = await journey.depart(house, provider, redirect_uri, return_to, asks_whom=asks_whom)
    response = RedirectResponse(departure.url, 303)
    _give_cookie(house, request, response, departure)
    return response


@router.get(
    "/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    responses={303: TO_APP, **problems()},
)
async def finish_oidc(
    house: HouseDep,
    request: Request,
    provider: Name,
    state: Code | None = None,
    code: Code | None = None,
    iss: Text | None = None,
    error: Annotated[Text | None, Query(description="What went wrong at the provider.")] = None,
) -> Response:
    """Take the provider's answer, sign in, and send the browser back to the web app."""
    return_to = None
    try:
        flow = journey.resume(house, provider, cookies.read(request, FLOW_COOKIE), state)
        return_to = flow.return_to if flow.account_id else None
        answer = Answer(state, code, iss, error)
        device = device_of(request)
        arrival = await journey.arrive(house, flow, answer, _redirect_uri(house, request, provider), device)
    except Problem as problem:
        response = _back(return_to or "/", **{"sign-in-error": problem.code})
    else:
        response = RedirectResponse(arrival.return_to, 303) if arrival.return_to else _back("/", **{"signed-in": ""})
        if arrival.signed_in is not None:
            put_cookie(house, request, response, arrival.signed_in)
            cookies.drop(request, response, SIGNED_OUT_COOKIE, path=FLOW_PATH)
    cookies.drop(request, response, FLOW_COOKIE, path=FLOW_PATH)
    response.headers["Cache-Control"] = "no-store"
    return response


@identities_router.get("", responses=problems(401, 403))
async def list_identities(tx: ReadTx, who: Who) -> list[Identity]:
    """List the accounts at providers by which the caller can sign in."""
    return await identities.listed(tx, who)


@identities_router.post("", responses=problems(401, 403, 404, 502))
async def link_identity(
    house: HouseDep, request: Request, response: Response, who: Reauthenticated, body: LinkBody
) -> LinkBegun:
    """Begin to link an account at a provider; send the browser to `url`, it comes back to `return_to`."""
    redirect_uri = _redirect_uri(house, request, body.provider)
    departure = await journey.depart(house, body.provider, redirect_uri, body.return_to, link_to=who)
    _give_cookie(house, request, response, departure)
    return LinkBegun(url=departure.url)


@identities_router.delete("/{identity_id:uuid}", status_code=204, responses=problems(401, 403, 404, 409))
async def unlink_identity(house: HouseDep, who: Reauthenticated, identity_id: UUID) -> None:
    """Unlink an account at a provider; refused when one could not sign in any more."""
    await identities.unlink(house, who, identity_id)


def _redirect_uri(house: House, request: Request, provider: str) -> str:
    base = house.settings.public_url or str(request.base_url).rstrip("/")
    return f"{base}{FLOW_PATH}/{provider}/callback"


def _give_cookie(house: House, request: Request, response: Response, departure: Departure) -> None:
    lifetime = timedelta(seconds=LIFETIME_SECONDS)
    cookies.put(
        house, request, response, FLOW_COOKIE, departure.cookie, path=FLOW_PATH, lifetime=lifetime, samesite="lax"
    )
    response.headers["Cache-Control"] = "no-store"


def _back(path: str, **said: str) -> RedirectResponse:
    page, mark, anchor = path.partition("#")
    query = urlencode(said).removesuffix("=")
    return RedirectResponse(f"{page}{'&' if '?' in page else '?'}{query}{mark}{anchor}", 303)
