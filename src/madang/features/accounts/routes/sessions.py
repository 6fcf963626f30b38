"""The caller's devices, their password and their address."""

from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field, StrictBool

from madang.features.accounts.contracts import Language, OwnDevice
from madang.features.accounts.routes.shared import Email, Password, User, device_of, next_cursor, shown_user
from madang.features.accounts.service import devices, new_address
from madang.kernel.http import HouseDep, Limit, Page, ReadTx, Strict, Who
from madang.kernel.problems import problems

router = APIRouter(prefix="/auth/sessions", tags=["auth"])
password_router = APIRouter(prefix="/users/me/password", tags=["users"])
email_router = APIRouter(prefix="/users/me/email", tags=["users"])


class PasswordBody(Strict):
    """A password in place of another; who has none yet leaves `current_password` out.

    `ends_other_ways` ends API keys, passkeys and linked accounts too.
    """

    current_password: Password | None = None
    new_password: Password = Field(
        description="8 to 256 characters, and not a common one.", json_schema_extra={"minLength": 8, "maxLength": 256}
    )
    ends_other_ways: StrictBool = False


class NewEmailBody(Strict):
    """Another address; who has no password leaves it out. `language` is that of the screen, for the letter."""

    email: Email
    password: Password | None = None
    language: Language | None = None


@router.get("/", responses=problems(401))
async def list_devices(tx: ReadTx, who: Who, cursor: UUID | None = None, limit: Limit = 50) -> Page[OwnDevice]:
    """List where the caller is signed in, the newest first."""
    found = await devices.listed(tx, who, cursor, limit + 1)
    return Page(items=found[:limit], next_cursor=next_cursor([one.id for one in found], limit))


@router.delete("/", status_code=204, responses=problems(401))
async def end_other_devices(house: HouseDep, who: Who, *, including_this: bool = False) -> None:
    """End every sign-in of the caller but this one, or this one too."""
    await devices.end_others(house, who, including_this=including_this)


@router.delete("/{login_id:uuid}", status_code=204, responses=problems(401, 404))
async def end_device(house: HouseDep, who: Who, login_id: UUID) -> None:
    """End one of the caller's sign-ins. It stops working at once here, and within seconds in other processes."""
    await devices.end(house, who, login_id)


@password_router.put("", status_code=204, responses=problems(401, 403, 409, 429))
async def put_password(house: HouseDep, who: Who, request: Request, body: PasswordBody) -> None:
    """Change one's own password; every other sign-in ends."""
    current = body.current_password.get_secret_value() if body.current_password else None
    wanted, ends_others = body.new_password.get_secret_value(), body.ends_other_ways
    await devices.change_password(house, who, current, wanted, device_of(request), ends_others=ends_others)


@email_router.put("", responses=problems(401, 403, 409, 429))
async def put_email(house: HouseDep, who: Who, request: Request, body: NewEmailBody) -> User:
    """Change one's own address: where mail is sent, by the link of a letter to the new one, and else at once.

    Answers with the account as it is now. Whether the new address is taken is told only where no mail is sent.
    """
    password = body.password.get_secret_value() if body.password else None
    return shown_user(await new_address.change(house, who, body.email, password, device_of(request), body.language))
