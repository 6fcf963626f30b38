"""`/health` and `/metrics`, at the root."""

import hmac
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from madang.features.operations.contracts import Alive, Health
from madang.features.operations.service.health import health, is_ready
from madang.features.operations.service.metrics import metrics
from madang.kernel.auth import AUTHENTICATOR
from madang.kernel.errors import Forbidden, Problem
from madang.kernel.http import SHARED_CLIENT, HouseDep
from madang.kernel.problems import problems

router = APIRouter(tags=["health"])


async def _may_see(house: HouseDep, request: Request) -> bool:
    """Whether the asker is of this machine, has the metrics' token, or is a supervisor."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    if not bearer:
        return _is_local(request)
    wanted = house.settings.metrics_token
    if wanted is not None and hmac.compare_digest(wanted.get_secret_value().encode(), bearer.encode()):
        return True
    try:
        return (await house.offers.one(AUTHENTICATOR)(house, bearer)).is_supervisor
    except Problem:
        return False


MaySee = Annotated[bool, Depends(_may_see)]


def _is_local(request: Request) -> bool:
    if request.client is None or request.scope.get(SHARED_CLIENT):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


@router.get("/health", response_model_exclude_none=True)
async def get_health(house: HouseDep, may_see: MaySee) -> Health:
    """How every part is; always 200, so that a person can read it. Strangers are told the status alone."""
    found = await health(house)
    return found if may_see else Health(status=found.status)


@router.get("/health/live")
async def get_live() -> Alive:
    """This process answers."""
    return Alive()


@router.get(
    "/health/ready",
    response_model_exclude_none=True,
    responses={503: {"description": "A part is away.", "model": Health}},
)
async def get_ready(house: HouseDep, response: Response, may_see: MaySee) -> Health:
    """200 when an answer can be given, 503 with the same body when one cannot."""
    found = await health(house)
    if not is_ready(house, found):
        response.status_code = 503
    return found if may_see else Health(status=found.status)


@router.get("/metrics", response_class=PlainTextResponse, responses=problems(403))
async def get_metrics(house: HouseDep, may_see: MaySee) -> PlainTextResponse:
    """What was counted, for Prometheus: requests by this process, answers and tokens by all workers."""
    if not may_see:
        detail = "Ask from the machine that this runs on, or with MADANG_METRICS_TOKEN as the bearer token."
        raise Forbidden("metrics_private", detail)
    return PlainTextResponse(await metrics(house), media_type=CONTENT_TYPE_LATEST)
