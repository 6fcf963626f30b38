"""The ways in that somebody has, so that nobody throws their last one away."""

from uuid import UUID

from sqlalchemy import exists, select

from madang.features.accounts import settings
from madang.features.accounts.tables import AccountRow, IdentityRow, PasskeyRow
from madang.kernel.db import Tx


async def has_another(tx: Tx, row: AccountRow, without: UUID) -> bool:
    """Whether the account, which is locked, can be signed in to `without` this passkey or identity.

    A password is a way in, and so are passkeys and identities at providers that are set up.
    """
    if row.password_hash:
        return True
    names = [one.name for one in settings.load_oidc().providers]
    passkeys = select(PasskeyRow.id).where(PasskeyRow.account_id == row.id, PasskeyRow.id != without)
    identities = select(IdentityRow.id).where(
        IdentityRow.account_id == row.id, IdentityRow.id != without, IdentityRow.provider.in_(names)
    )
    return bool(await tx.scalar(select(exists(passkeys) | exists(identities))))
