"""Passkeys: one's own, and signing in with one."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from madang.features.accounts.contracts import Passkey
from madang.features.accounts.routes.shared import (
    Line,
    Password,
    SignedIn,
    Token,
    device_of,
    hand_over,
    refuse_other_sites,
    site_of,
)
from madang.features.accounts.service import confirming
from madang.features.accounts.service.factors import passkeys, second_step
from madang.kernel.http import HouseDep, Reauthenticated, Strict, Who, WriteTx
from madang.kernel.problems import problems

router = APIRouter(prefix="/users/me/passkeys", tags=["users"])
entrance = APIRouter(prefix="/auth/passkey", tags=["auth"])

type Name = Annotated[Line, Field(min_length=1)]
type Base64Url = Annotated[str, StringConstraints(max_length=16_384, pattern=r"^[A-Za-z0-9_-]*$")]


class _WebAuthn(BaseModel):
    """A part of what browsers give; what we do not read of it is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class AttestationResponse(_WebAuthn):
    """What a device says of a new key."""

    client_data_json: Base64Url = Field(alias="clientDataJSON")
    attestation_object: Base64Url
    transports: list[Annotated[str, StringConstraints(max_length=32)]] = Field(default=[], max_length=16)


class AssertionResponse(_WebAuthn):
    """What a device says with a key it has."""

    client_data_json: Base64Url = Field(alias="clientDataJSON")
    authenticator_data: Base64Url
    signature: Base64Url
    user_handle: Base64Url | None = None


class NewCredential(_WebAuthn):
    """`PublicKeyCredential.toJSON()` of `navigator.credentials.create`."""

    id: Base64Url
    raw_id: Base64Url
    type: Literal["public-key"]
    response: AttestationResponse


class AssertedCredential(_WebAuthn):
    """`PublicKeyCredential.toJSON()` of `navigator.credentials.get`."""

    id: Base64Url
    raw_id: Base64Url
    type: Literal["public-key"]
    response: AssertionResponse


class NewPasskeyBody(Strict):
    """The caller's password; those who have none leave it out, and sign in anew within ten minutes before."""

    password: Password | None = None


class PasskeyBody(Strict):
    """A passkey that the browser just made, and what to call it."""

    name: Name
    credential: NewCredential


class PasskeyNameBody(Strict):
    """What to call a passkey."""

    name: Name


class PasskeyCreation(BaseModel):
    """For `PublicKeyCredential.parseCreationOptionsFromJSON` in the browser; good for five minutes."""

    options: dict[str, Any]


class PasskeyQuestionBody(Strict):
    """The challenge of `POST /auth/login`, when the passkey is the second factor of that sign-in."""

    challenge: Token | None = None


class PasskeyQuestion(BaseModel):
    """For `PublicKeyCredential.parseRequestOptionsFromJSON` in the browser; good for five minutes and one answer."""

    challenge: str
    options: dict[str, Any]


class PasskeySignInBody(Strict):
    """The answer of a passkey to a challenge of `POST /auth/passkey/options`."""

    challenge: Token
    credential: AssertedCredential
    session: Literal["token", "cookie"] = Field(
        default="token", description="`cookie` keeps the refresh token in an HttpOnly cookie, for browsers."
    )


@router.post("/options", responses=problems(401, 403, 409, 429))
async def begin_passkey(house: HouseDep, request: Request, who: Who, body: NewPasskeyBody) -> PasskeyCreation:
    """Begin with a passkey of this device."""
    password = body.password.get_secret_value() if body.password else None
    await confirming.make_sure(house, who, password, device_of(request))
    async with house.db.transaction(who) as tx:
        return PasskeyCreation(options=await passkeys.registration_options(house, tx, who, site_of(house, request)))


@router.post("", status_code=201, responses=problems(401, 403, 409))
async def add_passkey(house: HouseDep, request: Request, who: Who, body: PasskeyBody) -> Passkey:
    """Keep the passkey that the browser made of the options."""
    credential = body.credential.model_dump(by_alias=True)
    return await passkeys.register(house, who, site_of(house, request), body.name, credential)


@router.put("/{passkey_id:uuid}", responses=problems(401, 404))
async def rename_passkey(tx: WriteTx, who: Who, passkey_id: UUID, body: PasskeyNameBody) -> Passkey:
    """Call a passkey something else."""
    return await passkeys.rename(tx, who, passkey_id, body.name)


@router.delete("/{passkey_id:uuid}", status_code=204, responses=problems(401, 403, 404, 409))
async def remove_passkey(house: HouseDep, who: Reauthenticated, tx: WriteTx, passkey_id: UUID) -> None:
    """Let a passkey go; the device may still show it, and it works no more. The last way in cannot be let go."""
    await passkeys.remove(house, tx, who, passkey_id)


@entrance.post("/options", responses=problems(401, 409))
async def ask_passkey(house: HouseDep, request: Request, body: PasskeyQuestionBody | None = None) -> PasskeyQuestion:
    """Get a challenge for a passkey: for signing in without a password, or as second factor of a sign-in by one."""
    login_challenge = body.challenge if body else None
    challenge, options = await second_step.options(house, site_of(house, request), login_challenge)
    return PasskeyQuestion(challenge=challenge, options=options)


@entrance.post("", responses=problems(401, 403, 409, 429))
async def sign_in_by_passkey(
    house: HouseDep, request: Request, response: Response, body: PasskeySignInBody
) -> SignedIn:
    """Sign in with a passkey alone, which counts as two factors: the device, and who it knows."""
    in_cookie = body.session == "cookie"
    if in_cookie:
        refuse_other_sites(request)
    credential = body.credential.model_dump(by_alias=True)
    handed = await second_step.sign_in_by_passkey(
        house, body.challenge, credential, site_of(house, request), device_of(request)
    )
    return hand_over(house, request, response, handed, in_cookie=in_cookie)
