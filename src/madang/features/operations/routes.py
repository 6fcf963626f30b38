"""`/health`, at the root."""

from fastapi import APIRouter, Response

from madang.features.operations import service
from madang.features.operations.contracts import Alive, Health
from madang.kernel.http import HouseDep

router = APIRouter(prefix="/health", tags=["health"])


@router.get("")
async def get_health(house: HouseDep) -> Health:
    """How every part is; always 200, so that a person can read it."""
    return await service.health(house)


@router.get("/live")
async def get_live() -> Alive:
    """This process answers."""
    return Alive()


@router.get("/ready", responses={503: {"description": "A part is away.", "model": Health}})
async def get_ready(house: HouseDep, response: Response) -> Health:
    """200 when an answer can be given, 503 with the same body when one cannot."""
    found = await service.health(house)
    if not service.is_ready(house, found):
        response.status_code = 503
    return found
