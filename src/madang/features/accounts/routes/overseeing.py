"""What supervisors do about other people's ways in."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Request

from madang.features.accounts.routes.shared import Password, User, device_of, shown_user
from madang.features.accounts.service import overseeing
from madang.kernel.http import HouseDep, Strict, Who
from madang.kernel.problems import problems

router = APIRouter(prefix="/users/{user_id:uuid}", tags=["users"])


class Confirmation(Strict):
    """The supervisor's own password; who has none signs in anew within ten minutes before."""

    password: Password | None = None


class RoleBody(Confirmation):
    """What the person is to be in this house."""

    role: Literal["supervisor", "user"]


@router.put("/role", responses=problems(401, 403, 404, 409, 429))
async def put_role(house: HouseDep, request: Request, who: Who, user_id: UUID, body: RoleBody) -> User:
    """Make somebody a supervisor, or an ordinary user again, for supervisors. The last supervisor stays one."""
    supervises = body.role == "supervisor"
    word, device = _word(body), device_of(request)
    return shown_user(
        await overseeing.supervise(house, who, user_id, supervises=supervises, password=word, device=device)
    )


@router.delete("/sessions", status_code=204, responses=problems(401, 403, 404))
async def end_sessions(house: HouseDep, who: Who, user_id: UUID) -> None:
    """Sign somebody out everywhere, for supervisors. Their password and API keys stay."""
    await overseeing.end_sign_ins(house, who, user_id)


@router.delete("/second-factors", status_code=204, responses=problems(401, 403, 404, 429))
async def reset_second_factors(
    house: HouseDep, request: Request, who: Who, user_id: UUID, body: Annotated[Confirmation | None, Body()] = None
) -> None:
    """Let somebody in by password alone who lost every second factor, for supervisors.

    Their codes and passkeys go, and their sign-ins end.
    """
    await overseeing.reset_factors(house, who, user_id, _word(body), device_of(request))


@router.post("/password-letter", status_code=202, responses=problems(401, 403, 404, 409))
async def send_password_letter(house: HouseDep, who: Who, user_id: UUID) -> None:
    """Mail somebody a link with which they choose another password, for supervisors."""
    await overseeing.send_reset_letter(house, who, user_id)


def _word(body: Confirmation | None) -> str | None:
    return body.password.get_secret_value() if body and body.password else None
