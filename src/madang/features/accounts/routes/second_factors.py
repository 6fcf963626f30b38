"""Second factors: one's own, and the second step of signing in."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from madang.features.accounts.contracts import SecondFactors
from madang.features.accounts.routes.passkeys import AssertedCredential
from madang.features.accounts.routes.shared import (
    Password,
    SignedIn,
    Token,
    device_of,
    hand_over,
    refuse_other_sites,
    site_of,
)
from madang.features.accounts.service import confirming
from madang.features.accounts.service.factors import held, recovery_codes, second_step, totp
from madang.features.accounts.service.factors.passkeys import Site
from madang.kernel.http import HouseDep, ReadTx, Strict, Who, WriteTx
from madang.kernel.problems import problems

router = APIRouter(prefix="/users/me", tags=["users"])
entrance = APIRouter(prefix="/auth", tags=["auth"])

type Code = Annotated[str, StringConstraints(max_length=100)]


class ConfirmBody(Strict):
    """The caller's password; those who have none leave it out, and sign in anew within ten minutes before."""

    password: Password | None = None


class CodeBody(Strict):
    """A code of the app."""

    code: Code


class TotpEnrolment(BaseModel):
    """What an app must know: the secret in base32, as an `otpauth` URI, and as the QR code of that."""

    secret: str
    uri: str
    qr_svg: str


class RecoveryCodes(BaseModel):
    """Codes that each stand in once for a second factor; shown only now."""

    recovery_codes: list[str]


class SecondFactorBody(Strict):
    """The second proof, for the challenge of `POST /auth/login`."""

    challenge: Token
    method: Literal["totp", "recovery_code", "passkey"]
    code: Code = Field(default="", description="Of the app, or a recovery code.")
    credential: AssertedCredential | None = Field(
        default=None, description="What the browser made of the options of `POST /auth/passkey/options`."
    )
    session: Literal["token", "cookie"] = Field(
        default="token", description="`cookie` keeps the refresh token in an HttpOnly cookie, for browsers."
    )


@router.get("/second-factors", responses=problems(401))
async def get_second_factors(tx: ReadTx, who: Who) -> SecondFactors:
    """Tell what the caller has beside the password."""
    return await held.state(tx, who)


@router.post("/totp", status_code=201, responses=problems(401, 403, 409, 429))
async def begin_totp(
    house: HouseDep, request: Request, response: Response, who: Who, body: ConfirmBody
) -> TotpEnrolment:
    """Begin with codes of an app. They count from `POST /users/me/totp/confirm` on; asking anew makes a new secret."""
    await _make_sure(house, request, who, body)
    response.headers["Cache-Control"] = "no-store"
    async with house.db.transaction(who) as tx:
        made = await totp.begin(house, tx, who)
    return TotpEnrolment(secret=made.secret, uri=made.uri, qr_svg=made.qr_svg)


@router.post("/totp/confirm", responses=problems(401, 403, 409))
async def confirm_totp(house: HouseDep, tx: WriteTx, response: Response, who: Who, body: CodeBody) -> RecoveryCodes:
    """Turn codes of an app on with its first one. From now on signing in by password takes a second factor."""
    response.headers["Cache-Control"] = "no-store"
    return RecoveryCodes(recovery_codes=await totp.confirm(house, tx, who, body.code))


@router.delete("/totp", status_code=204, responses=problems(401, 403, 409, 429))
async def end_totp(house: HouseDep, request: Request, who: Who, body: ConfirmBody) -> None:
    """Turn codes of an app off, and the recovery codes with them. Signing in takes only the password then."""
    await _make_sure(house, request, who, body)
    async with house.db.transaction(who) as tx:
        await totp.end(house, tx, who)


@router.post("/recovery-codes", status_code=201, responses=problems(401, 403, 409, 429))
async def renew_recovery_codes(
    house: HouseDep, request: Request, response: Response, who: Who, body: ConfirmBody
) -> RecoveryCodes:
    """Make ten new recovery codes; those before stop working."""
    await _make_sure(house, request, who, body)
    response.headers["Cache-Control"] = "no-store"
    async with house.db.transaction(who) as tx:
        return RecoveryCodes(recovery_codes=await recovery_codes.renew(house, tx, who))


@entrance.post("/login/second-factor", responses=problems(401, 403, 409, 429))
async def give_second_factor(house: HouseDep, request: Request, response: Response, body: SecondFactorBody) -> SignedIn:
    """Sign in with a second proof, after `POST /auth/login` answered so; there are five tries a challenge."""
    in_cookie = body.session == "cookie"
    if in_cookie:
        refuse_other_sites(request)
    credential = body.credential.model_dump(by_alias=True) if body.credential else None
    site = site_of(house, request) if body.method == held.PASSKEY else Site("", ())
    answer = second_step.Answer(body.method, body.code, credential)
    handed = await second_step.finish(house, body.challenge, answer, site, device_of(request))
    return hand_over(house, request, response, handed, in_cookie=in_cookie)


async def _make_sure(house: HouseDep, request: Request, who: Who, body: ConfirmBody) -> None:
    password = body.password.get_secret_value() if body.password else None
    await confirming.make_sure(house, who, password, device_of(request))
