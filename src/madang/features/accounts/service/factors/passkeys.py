"""Passkeys (WebAuthn): keys of somebody's own devices, each good only under the name it was made for.

Signing in without a password asks the device to verify the person, so that one passkey is two factors; beside a
password it is enough to have the device.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from madang.features.accounts.access import account_for
from madang.features.accounts.contracts import Passkey
from madang.features.accounts.service import recovery, ways
from madang.features.accounts.service.factors import challenges
from madang.features.accounts.service.factors.challenges import Challenge, Purpose
from madang.features.accounts.tables import AccountRow, PasskeyRow
from madang.kernel import log
from madang.kernel.admission import admitted_transaction
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, Forbidden, NotFound
from madang.kernel.house import House
from madang.kernel.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

logger = log.get_logger(__name__)

MOST = 20
TIMEOUT_MILLISECONDS = int(challenges.LIFETIME.total_seconds() * 1000)
HOUSE_NAME = "Madang"

type Credential = dict[str, Any]
"""What a browser's `PublicKeyCredential.toJSON()` gives."""


@dataclass(frozen=True, slots=True)
class Site:
    """The name that passkeys belong to, and the addresses whose pages may ask for them."""

    rp_id: str
    origins: "Sequence[str]"


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a device says: a credential, its answer to the challenge, and the site that asked."""

    site: Site
    challenge: Challenge
    credential: Credential


@dataclass(frozen=True, slots=True)
class Proof:
    """Whose device answered (None when it is unknown), and why it is not believed, if it is not."""

    account_id: UUID | None
    refused: str | None = None


async def registration_options(house: House, tx: Tx, who: Principal, site: Site) -> Credential:
    """What the browser needs to make a passkey on a device that has none here yet."""
    import webauthn  # noqa: PLC0415  # few processes ever need it
    from webauthn.helpers import options_to_json_dict, structs  # noqa: PLC0415  # the same

    account = await account_for(tx, who, who.account_id)
    wanted = structs.AuthenticatorSelectionCriteria(
        resident_key=structs.ResidentKeyRequirement.PREFERRED,
        user_verification=structs.UserVerificationRequirement.PREFERRED,
    )
    options = webauthn.generate_registration_options(
        rp_id=site.rp_id,
        rp_name=HOUSE_NAME,
        user_id=account.id.bytes,
        user_name=account.email,
        user_display_name=account.name or account.email,
        challenge=challenges.issue(house, Purpose.PASSKEY_REGISTRATION, account.id).raw,
        timeout=TIMEOUT_MILLISECONDS,
        authenticator_selection=wanted,
        exclude_credentials=await _descriptors(tx, account.id, site),
    )
    return options_to_json_dict(options)


async def register(house: House, who: Principal, site: Site, name: str, credential: Credential) -> Passkey:
    """Keep a passkey that was made for `registration_options`.

    Raises `Forbidden` (passkey_refused), `Unauthorized` (challenge_invalid) and `Conflict` (passkey_known,
    passkeys_at_most).
    """
    challenge = _challenge_in(credential)
    challenges.require_good(house, challenge, Purpose.PASSKEY_REGISTRATION)
    if challenge.account_id != who.account_id:
        raise challenges.invalid()
    row = _verified(who.account_id, site, challenge, credential)
    await challenges.spend(house, challenge)
    async with admitted_transaction(house, who) as tx:
        return await _keep(house, tx, who, name, row)


async def _keep(house: House, tx: Tx, who: Principal, name: str, row: dict[str, object]) -> Passkey:
    owner = await account_for(tx, who, who.account_id, lock=True)
    await _leave_room(tx, who.account_id)
    made = await tx.scalar(
        insert(PasskeyRow)
        .values(id=new_id(), name=name.strip(), **row)
        .on_conflict_do_nothing(index_elements=[PasskeyRow.credential_id])
        .returning(PasskeyRow)
    )
    if made is None:
        raise Conflict("passkey_known", "This device has a passkey here already.")
    await record(tx, who, "accounts.passkey_added", Target("passkey", made.id), rp_id=made.rp_id)
    await recovery.tell(house, tx, "passkey_added", owner.email)
    return _shown(made)


def _challenge_in(credential: Credential) -> Challenge:
    """The challenge that the browser says it answered; nothing about it is proved."""
    from webauthn.helpers import base64url_to_bytes, parse_client_data_json  # noqa: PLC0415  # few need it

    try:
        said = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        return challenges.read(challenges.written(Challenge(said.challenge, challenges.NOBODY)))
    except Exception as error:  # the library raises much at what is malformed
        raise _refused("malformed") from error


def _verified(account_id: UUID, site: Site, challenge: Challenge, credential: Credential) -> dict[str, object]:
    """The columns of a new passkey; raises `Forbidden` when its device did not answer our challenge for our site."""
    import webauthn  # noqa: PLC0415  # few processes ever need it
    from webauthn.helpers import parse_registration_credential_json  # noqa: PLC0415  # the same

    try:
        parsed = parse_registration_credential_json(credential)
        verified = webauthn.verify_registration_response(
            credential=parsed,
            expected_challenge=challenge.raw,
            expected_rp_id=site.rp_id,
            expected_origin=list(site.origins),
        )
    except Exception as error:  # the library raises much at what is malformed
        raise _refused(type(error).__name__, error) from error
    return {
        "account_id": account_id,
        "credential_id": verified.credential_id,
        "public_key": verified.credential_public_key,
        "rp_id": site.rp_id,
        "sign_count": verified.sign_count,
        "transports": [one.value for one in parsed.response.transports or ()],
    }


async def _leave_room(tx: Tx, account_id: UUID) -> None:
    count = await tx.scalar(select(func.count()).select_from(PasskeyRow).where(PasskeyRow.account_id == account_id))
    if (count or 0) >= MOST:
        raise Conflict("passkeys_at_most", f"There are {MOST} passkeys already. Remove one that is no longer used.")


async def assertion_options(tx: Tx, site: Site, challenge: Challenge) -> Credential:
    """What the browser needs to answer the challenge: any passkey of this site, or one of the challenge's account."""
    import webauthn  # noqa: PLC0415  # few processes ever need it
    from webauthn.helpers import options_to_json_dict, structs  # noqa: PLC0415  # the same

    alone = challenge.account_id == challenges.NOBODY
    verification = structs.UserVerificationRequirement
    options = webauthn.generate_authentication_options(
        rp_id=site.rp_id,
        challenge=challenge.raw,
        timeout=TIMEOUT_MILLISECONDS,
        allow_credentials=[] if alone else await _descriptors(tx, challenge.account_id, site),
        user_verification=verification.REQUIRED if alone else verification.PREFERRED,
    )
    return options_to_json_dict(options)


async def _descriptors(tx: Tx, account_id: UUID, site: Site) -> "list[PublicKeyCredentialDescriptor]":
    from webauthn.helpers import structs  # noqa: PLC0415  # few processes ever need it

    mine = select(PasskeyRow).where(PasskeyRow.account_id == account_id, PasskeyRow.rp_id == site.rp_id)
    return [
        structs.PublicKeyCredentialDescriptor(
            id=row.credential_id, transports=[structs.AuthenticatorTransport(one) for one in row.transports]
        )
        for row in await tx.scalars(mine.order_by(PasskeyRow.id))
    ]


async def prove(tx: Tx, assertion: Assertion) -> Proof:
    """Whether a passkey of ours answered the (good) challenge, and whose.

    A challenge of nobody is answered by any passkey of a verified person, one of an account only by that account's.
    """
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415  # few processes ever need it

    try:
        credential_id = base64url_to_bytes(assertion.credential["rawId"])
    except (KeyError, TypeError, ValueError):
        return Proof(None, "malformed")
    mine = select(PasskeyRow).where(PasskeyRow.credential_id == credential_id)
    owner = mine.with_only_columns(PasskeyRow.account_id).scalar_subquery()
    await tx.execute(select(AccountRow.id).where(AccountRow.id == owner).with_for_update(key_share=True))
    row = await tx.scalar(mine.with_for_update())  # after the account, as whoever removes passkeys
    if row is None:
        return Proof(None, "unknown")
    expected = assertion.challenge.account_id
    if row.rp_id != assertion.site.rp_id or expected not in {challenges.NOBODY, row.account_id}:
        return Proof(row.account_id, "of another")
    count = _sign_count(row, assertion)
    if isinstance(count, str):
        return Proof(row.account_id, count)
    rises = or_(PasskeyRow.sign_count < count, func.greatest(PasskeyRow.sign_count, count) == 0)
    kept = update(PasskeyRow).where(PasskeyRow.id == row.id, rises).values(sign_count=count, last_used_at=func.now())
    if await tx.scalar(kept.returning(PasskeyRow.id)) is None:
        logger.warning("passkey_count_fell", passkey_id=str(row.id), account_id=str(row.account_id))
        return Proof(row.account_id, "sign count fell")
    return Proof(row.account_id)


def _sign_count(row: PasskeyRow, assertion: Assertion) -> int | str:
    """The device's count of its signatures when its answer is right, or else why it is not."""
    import webauthn  # noqa: PLC0415  # few processes ever need it
    from webauthn.helpers import parse_authentication_credential_json  # noqa: PLC0415  # the same

    alone = assertion.challenge.account_id == challenges.NOBODY
    try:
        parsed = parse_authentication_credential_json(assertion.credential)
        handle = parsed.response.user_handle
        if handle != row.account_id.bytes and (alone or handle is not None):
            return "of another"
        verified = webauthn.verify_authentication_response(
            credential=parsed,
            expected_challenge=assertion.challenge.raw,
            expected_rp_id=row.rp_id,
            expected_origin=list(assertion.site.origins),
            credential_public_key=row.public_key,
            credential_current_sign_count=0,  # a count that fell is told apart from a wrong answer, by the caller
            require_user_verification=alone,
        )
    except Exception as error:  # noqa: BLE001  # the library raises much at what is malformed
        logger.info("passkey_refused", passkey_id=str(row.id), error=str(error))
        return "wrong answer"
    return verified.new_sign_count


async def rename(tx: Tx, who: Principal, passkey_id: UUID, name: str) -> Passkey:
    """Call a passkey of the caller's something else; raises `NotFound`."""
    mine = update(PasskeyRow).where(PasskeyRow.id == passkey_id, PasskeyRow.account_id == who.account_id)
    row = await tx.scalar(mine.values(name=name.strip()).returning(PasskeyRow))
    if row is None:
        raise _not_found()
    return _shown(row)


async def remove(house: House, tx: Tx, who: Principal, passkey_id: UUID) -> None:
    """Let a passkey of the caller's go.

    Raises `NotFound`, and `Conflict` (passkey_last_way) when the caller could not sign in any more.
    """
    row = await account_for(tx, who, who.account_id, lock=True)
    mine = delete(PasskeyRow).where(PasskeyRow.id == passkey_id, PasskeyRow.account_id == who.account_id)
    if await tx.scalar(mine.returning(PasskeyRow.id)) is None:
        raise _not_found()
    if not await ways.has_another(tx, row, without=passkey_id):
        detail = "You could not sign in any more. Set a password, add another passkey or link an identity first."
        raise Conflict("passkey_last_way", detail)
    await record(tx, who, "accounts.passkey_removed", Target("passkey", passkey_id))
    await recovery.tell(house, tx, "passkey_removed", row.email)


def _not_found() -> NotFound:
    return NotFound("passkey_not_found", "There is no such passkey.")


def _refused(reason: str, error: Exception | None = None) -> Forbidden:
    logger.info("passkey_refused", reason=reason, error=str(error or ""))
    return Forbidden("passkey_refused", "This passkey was not made for this server and this moment. Try again.")


def _shown(row: PasskeyRow) -> Passkey:
    return Passkey(row.id, row.name, row.created_at, row.last_used_at)
