"""Taking along what is one's own, and leaving."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Request
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints

from madang.features.accounts.routes.shared import Password, User, device_of, shown_user
from madang.features.accounts.service import export, leaving
from madang.kernel.http import HouseDep, Reauthenticated, Strict, Who, require_reauthentication
from madang.kernel.problems import problems

router = APIRouter(prefix="/users", tags=["users"])
entrance = APIRouter(prefix="/auth", tags=["auth"])

ARCHIVE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A ZIP archive.",
        "content": {"application/zip": {"schema": {"type": "string", "contentMediaType": "application/zip"}}},
    }
}


class LeaveBody(Strict):
    """The password, which is asked for when it is one's own account."""

    password: Password | None = None


class RestoreBody(Strict):
    """Who wants to stay after all."""

    email: Annotated[str, StringConstraints(max_length=320)]
    password: Password


@router.get("/me/export", response_class=StreamingResponse, responses={**ARCHIVE, **problems(401)})
async def export_me(house: HouseDep, who: Who) -> StreamingResponse:
    """Download everything of one's own: account, sign-ins, conversations, documents, usage, deeds."""
    headers = {"Content-Disposition": 'attachment; filename="madang-export.zip"', "Cache-Control": "no-store"}
    pieces = await export.begin_export(house, who)
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


@router.delete("/{user_id:uuid}", status_code=204, responses=problems(401, 403, 404, 409, 429))
async def delete_user(
    house: HouseDep, request: Request, who: Who, user_id: UUID, body: Annotated[LeaveBody | None, Body()] = None
) -> None:
    """Order the deletion of one's own account, or of anybody's as a supervisor.

    It is signed out everywhere at once, can be restored for `MADANG_DELETION_GRACE_DAYS`, and is then deleted.
    """
    password = body.password.get_secret_value() if body and body.password else None
    if user_id != who.account_id:
        await require_reauthentication(house, who)
    await leaving.leave(house, who, user_id, password, device_of(request))


@router.post("/{user_id:uuid}/restore", responses=problems(401, 403, 404))
async def restore_user(house: HouseDep, who: Reauthenticated, user_id: UUID) -> User:
    """Take back the deletion of an account, for supervisors."""
    return shown_user(await leaving.restore_for(house, who, user_id))


@entrance.post("/restore", status_code=204, responses=problems(401, 403, 429))
async def restore_own(house: HouseDep, request: Request, body: RestoreBody) -> None:
    """Take back the deletion of one's own account, with its password; sign in afterwards."""
    await leaving.restore(house, body.email, body.password.get_secret_value(), device_of(request))
