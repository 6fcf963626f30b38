"""Proving an e-mail address, and coming back after the password is forgotten."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import StrictBool, StringConstraints

from madang.features.accounts.contracts import Language
from madang.features.accounts.routes.shared import Email, Password, Token, device_of
from madang.features.accounts.service import new_address, recovery
from madang.kernel.http import HouseDep, Strict
from madang.kernel.problems import problems

router = APIRouter(prefix="/auth", tags=["auth"])


class EmailBody(Strict):
    """Whose letter is wanted; `language` is that of the screen, the account's own if it is left out."""

    email: Email
    language: Language | None = None


class LinkBody(Strict):
    """The token of a letter's link."""

    token: Token


class ResetBody(Strict):
    """The token of a letter's link, and the password that is wanted.

    `ends_other_ways` ends API keys, passkeys and linked accounts too.
    """

    token: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    password: Password
    ends_other_ways: StrictBool = False


@router.post("/verify-email/request", status_code=202, responses=problems(409, 429))
async def ask_for_verification(house: HouseDep, request: Request, body: EmailBody) -> None:
    """Have another mail sent with a link that verifies the address. Nobody learns whether it has an account."""
    await recovery.ask_for(house, "verification", body.email, device_of(request), body.language)


@router.post("/verify-email", status_code=204, responses=problems())
async def verify_email(house: HouseDep, body: LinkBody) -> None:
    """Verify the address by the token of the mail, or change to it by that of a mail about a change."""
    await new_address.prove(house, body.token)


@router.post("/password/forgot", status_code=202, responses=problems(409, 429))
async def forget_password(house: HouseDep, request: Request, body: EmailBody) -> None:
    """Have a mail sent with a link to choose another password. Nobody learns whether there is an account."""
    await recovery.ask_for(house, "password_reset", body.email, device_of(request), body.language)


@router.post("/password/reset", status_code=204, responses=problems(409))
async def reset_password(house: HouseDep, request: Request, body: ResetBody) -> None:
    """Choose another password by the token of the mail. Every sign-in of the account ends."""
    password, ends_others = body.password.get_secret_value(), body.ends_other_ways
    await recovery.reset(house, body.token, password, device_of(request), ends_others=ends_others)
