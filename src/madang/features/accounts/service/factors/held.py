"""What of second factors there is, and how all of it goes; the kinds have files of their own."""

from uuid import UUID

from sqlalchemy import delete, exists, func, select

from madang.features.accounts.contracts import Letter, Passkey, SecondFactors
from madang.features.accounts.tables import AuthenticatorRow, PasskeyRow, RecoveryCodeRow
from madang.kernel.auth import Principal
from madang.kernel.db import Tx

type Method = str

TOTP, RECOVERY_CODE, PASSKEY = "totp", "recovery_code", "passkey"


async def state(tx: Tx, who: Principal) -> SecondFactors:
    """What the caller has beside the password."""
    account_id = who.account_id
    enabled = select(AuthenticatorRow.enabled_at).where(AuthenticatorRow.account_id == account_id)
    passkeys = select(PasskeyRow).where(PasskeyRow.account_id == account_id).order_by(PasskeyRow.id)
    return SecondFactors(
        totp_enabled_at=await tx.scalar(enabled),
        recovery_codes_left=await codes_left(tx, account_id),
        passkeys=[Passkey(row.id, row.name, row.created_at, row.last_used_at) for row in await tx.scalars(passkeys)],
    )


async def codes_left(tx: Tx, account_id: UUID) -> int:
    """How many recovery codes are unused."""
    unused = (RecoveryCodeRow.account_id == account_id, RecoveryCodeRow.used_at.is_(None))
    return await tx.scalar(select(func.count()).select_from(RecoveryCodeRow).where(*unused)) or 0


async def demanded(tx: Tx, account_id: UUID) -> list[str]:
    """The second factors that a sign-in by password must choose from, the most usual first; none when it needs none.

    Codes of an app switch them on; passkeys and recovery codes then stand in for the app.
    """
    enabled = select(AuthenticatorRow.account_id).where(
        AuthenticatorRow.account_id == account_id, AuthenticatorRow.enabled_at.is_not(None)
    )
    if await tx.scalar(enabled) is None:
        return []
    has_passkey = await tx.scalar(select(PasskeyRow.id).where(PasskeyRow.account_id == account_id).limit(1))
    has_codes = await codes_left(tx, account_id) > 0
    return [TOTP] + [PASSKEY] * (has_passkey is not None) + [RECOVERY_CODE] * has_codes


async def has_any(tx: Tx, account_id: UUID) -> bool:
    """Whether somebody has codes of an app that are on, or a passkey."""
    enabled = exists().where(AuthenticatorRow.account_id == account_id, AuthenticatorRow.enabled_at.is_not(None))
    return bool(await tx.scalar(select(enabled | exists().where(PasskeyRow.account_id == account_id))))


async def remove_all(tx: Tx, account_id: UUID) -> list[Letter]:
    """Let go of every second factor and passkey of an account; returns the letters that tell its owner."""
    enabled = exists().where(AuthenticatorRow.account_id == account_id, AuthenticatorRow.enabled_at.is_not(None))
    keys = exists().where(PasskeyRow.account_id == account_id)
    was_on, had_keys = (await tx.execute(select(enabled, keys))).one()
    for table in (AuthenticatorRow, RecoveryCodeRow, PasskeyRow):
        await tx.execute(delete(table).where(table.account_id == account_id))
    letters: list[tuple[Letter, bool]] = [("totp_disabled", was_on), ("passkey_removed", had_keys)]
    return [letter for letter, is_due in letters if is_due]
