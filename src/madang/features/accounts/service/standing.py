"""Which of those who were let in a while ago would not be let in now; asked for many at once."""

from collections.abc import Collection

from sqlalchemy import or_, select

from madang.features.accounts.tables import AccountRow, ApiKeyRow, LoginRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.house import House


async def ended(house: House, asked: Collection[Principal]) -> set[Principal]:
    """Those whose sign-in, key or account has ended."""
    good = (AccountRow.disabled_at.is_(None), AccountRow.deletion_at.is_(None), AccountRow.deleted_at.is_(None))
    logins = select(LoginRow.id).join(AccountRow, AccountRow.id == LoginRow.account_id)
    logins = logins.where(LoginRow.id.in_({who.login_id for who in asked if who.login_id}), LoginRow.ended_at.is_(None))
    keys = select(ApiKeyRow.id).join(AccountRow, AccountRow.id == ApiKeyRow.account_id)
    keys = keys.where(
        ApiKeyRow.id.in_({who.key_id for who in asked if who.key_id}),
        or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now()),
    )
    accounts = select(AccountRow.id).where(AccountRow.id.in_({who.account_id for who in asked}))
    async with house.db.transaction() as tx:
        standing = {*await tx.scalars(logins.where(*good)), *await tx.scalars(keys.where(*good))}
        standing |= set(await tx.scalars(accounts.where(*good)))
    return {who for who in asked if (who.login_id or who.key_id or who.account_id) not in standing}
