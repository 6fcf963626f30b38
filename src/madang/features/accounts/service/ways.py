"""The ways in that somebody has: nobody throws their last one away, and a new password can end all the others."""

from uuid import UUID

from sqlalchemy import delete, exists, func, select

from madang.features.accounts import settings
from madang.features.accounts.service import keys
from madang.features.accounts.service.oidc import granting
from madang.features.accounts.tables import AccountRow, ApiKeyRow, IdentityRow, PasskeyRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.house import House


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


async def end_others(house: House, tx: Tx, row: AccountRow) -> None:
    """End the API keys, identities and passkeys of a locked account that has a password, as the house.

    For who has reason to think that somebody else was in. What providers granted goes with the identities; raises
    `Conflict` for the last supervisor, if a provider made them one.
    """
    await keys.end_all(tx, row.id)
    for identity in (await tx.scalars(select(IdentityRow).where(IdentityRow.account_id == row.id))).all():
        await granting.withdraw(house, tx, row, identity)
    for table in (IdentityRow, PasskeyRow):
        await tx.execute(delete(table).where(table.account_id == row.id))
    await record(tx, Principal(row.id), "accounts.other_ways_ended", Target("account", row.id))


async def left(tx: Tx, account_id: UUID) -> int:
    """How many ways in an account has beside its password."""
    tables = (ApiKeyRow, IdentityRow, PasskeyRow)
    return sum([await tx.scalar(select(func.count()).where(table.account_id == account_id)) or 0 for table in tables])
