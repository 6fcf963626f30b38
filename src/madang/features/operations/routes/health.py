"""`/health` and `/metrics`, at the root."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from madang.features.operations.contracts import Alive, Health
from madang.features.operations.service.health import health, is_ready
from madang.features.operations.service.metrics import metrics
from madang.kernel.http import HouseDep

router = APIRouter(tags=["health"])


@router.get("/health")
async def get_health(house: HouseDep) -> Health:
    """How every part is; always 200, so that a person can read it."""
    return await health(house)


@router.get("/health/live")
async def get_live() -> Alive:
    """This process answers."""
    return Alive()


@router.get("/health/ready", responses={503: {"description": "A part is away.", "model": Health}})
async def get_ready(house: HouseDep, response: Response) -> Health:
    """200 when an answer can be given, 503 with the same body when one cannot."""
    found = await health(house)
    if not is_ready(house, found):
        response.status_code = 503
    return found


@router.get("/metrics", response_class=PlainTextResponse)
async def get_metrics(house: HouseDep) -> PlainTextResponse:
    """What was counted, for Prometheus: requests by this process, answers and tokens by all workers."""
    return PlainTextResponse(await metrics(house), media_type=CONTENT_TYPE_LATEST)
