"""One-time codes of an app (TOTP, RFC 6238): six digits of SHA-1 every thirty seconds, which every app knows."""

import base64
import re
import secrets
from dataclasses import dataclass, field
from io import BytesIO
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from madang.features.accounts.access import own_account
from madang.features.accounts.service import recovery, sealing
from madang.features.accounts.service.factors import recovery_codes
from madang.features.accounts.tables import AuthenticatorRow, RecoveryCodeRow
from madang.kernel import log
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, Forbidden
from madang.kernel.house import House

logger = log.get_logger(__name__)

SECRET_BYTES = 20
STEPS_ASIDE = 1
"""A code of the step before or after is taken too, for clocks that are not exact and people who type slowly."""

ISSUER = "Madang"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an app must know: the secret in base32, and the same as a URI and as an SVG image of its QR code."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr_svg: str = field(repr=False)


async def begin(house: House, tx: Tx, who: Principal) -> Enrolment:
    """A new secret, which counts from `confirm` on; raises `Conflict` (totp_enabled) when codes are on already."""
    email = (await own_account(tx, who)).email
    secret = secrets.token_bytes(SECRET_BYTES)
    sealed = sealing.seal(house, secret, who.account_id)
    statement = (
        insert(AuthenticatorRow)
        .values(account_id=who.account_id, sealed_secret=sealed, last_step=0)
        .on_conflict_do_update(
            index_elements=[AuthenticatorRow.account_id],
            set_={"sealed_secret": sealed, "last_step": 0},
            where=AuthenticatorRow.enabled_at.is_(None),
        )
        .returning(AuthenticatorRow.account_id)
    )
    if await tx.scalar(statement) is None:
        raise Conflict("totp_enabled", "Codes from an app are on already. Turn them off first to use another app.")
    return _enrolment(secret, email)


def _enrolment(secret: bytes, email: str) -> Enrolment:
    import segno  # noqa: PLC0415  # few processes ever need it
    from pyotp.totp import TOTP  # noqa: PLC0415  # the same

    text = base64.b32encode(secret).decode()
    uri = TOTP(text).provisioning_uri(name=email, issuer_name=ISSUER)
    drawn = BytesIO()
    segno.make_qr(uri, error="m").save(drawn, "svg", xmldecl=False, nl=False, scale=4, border=2, light="#fff")
    return Enrolment(text, uri, drawn.getvalue().decode())


async def confirm(house: House, tx: Tx, who: Principal, code: str) -> list[str]:
    """Turn codes on with the first code of the app; returns the recovery codes, which are shown this once.

    Raises `Conflict` (totp_not_begun, totp_enabled) and `Forbidden` (second_factor_wrong).
    """
    query = select(AuthenticatorRow).where(AuthenticatorRow.account_id == who.account_id).with_for_update()
    row = await tx.scalar(query)
    if row is None:
        raise Conflict("totp_not_begun", "Begin with POST /api/v1/users/me/totp, and give a code of the app then.")
    if row.enabled_at is not None:
        raise Conflict("totp_enabled", "Codes from an app are on already.")
    opened = _opened(house, row)
    step = _step_of(opened, code)
    if opened is None or step is None:
        detail = "This is not the app's code of this moment. Look whether the clock of the device is right."
        raise Forbidden("second_factor_wrong", detail)
    row.last_step, row.enabled_at = step, now()
    if opened.is_stale:
        row.sealed_secret = sealing.seal(house, opened.secret, who.account_id)
    await tx.flush()
    await record(tx, who, "accounts.totp_enabled", Target("account", who.account_id))
    await recovery.tell_owner(house, tx, who, "totp_enabled")
    return await recovery_codes.make(tx, who)


async def end(house: House, tx: Tx, who: Principal) -> None:
    """Turn codes off, and let the recovery codes go with them; raises `Conflict` (totp_not_enabled)."""
    statement = delete(AuthenticatorRow).where(
        AuthenticatorRow.account_id == who.account_id, AuthenticatorRow.enabled_at.is_not(None)
    )
    if await tx.scalar(statement.returning(AuthenticatorRow.account_id)) is None:
        raise recovery_codes.not_enabled()
    await tx.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == who.account_id))
    await record(tx, who, "accounts.totp_disabled", Target("account", who.account_id))
    await recovery.tell_owner(house, tx, who, "totp_disabled")


async def use(house: House, tx: Tx, account_id: UUID, code: str) -> bool:
    """Whether this is a code of the account's app that was not used before; it and all earlier ones are used up."""
    enabled = (AuthenticatorRow.account_id == account_id, AuthenticatorRow.enabled_at.is_not(None))
    row = await tx.scalar(select(AuthenticatorRow).where(*enabled))
    opened = _opened(house, row) if row else None
    step = _step_of(opened, code)
    if opened is None or step is None:
        return False
    later = update(AuthenticatorRow).where(*enabled, AuthenticatorRow.last_step < step).values(last_step=step)
    if opened.is_stale:
        later = later.values(sealed_secret=sealing.seal(house, opened.secret, account_id))
    return await tx.scalar(later.returning(AuthenticatorRow.account_id)) is not None


def _opened(house: House, row: AuthenticatorRow) -> sealing.Opened | None:
    opened = sealing.unseal(house, row.sealed_secret, row.account_id)
    if opened is None:
        logger.error("totp_secret_unreadable", account_id=str(row.account_id))
    return opened


def _step_of(opened: sealing.Opened | None, code: str) -> int | None:
    """The time step that a code is of, if it is one of now."""
    from pyotp.exceptions import OTPVerificationError  # noqa: PLC0415  # few processes ever need it
    from pyotp.totp import TOTP  # noqa: PLC0415  # the same

    digits = "".join(code.split())
    if opened is None or not re.fullmatch(r"[0-9]{6}", digits):
        return None
    app = TOTP(base64.b32encode(opened.secret).decode())
    try:
        return app.verify_and_get_timecode(digits, for_time=now(), valid_window=STEPS_ASIDE)
    except OTPVerificationError:
        return None
