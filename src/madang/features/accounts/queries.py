"""Long reads: the list of people, and of invites."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, or_, select

from madang.features.accounts.tables import AccountRow, RegistrationInviteRow
from madang.kernel.db import Tx


async def people(tx: Tx, text: str | None, before: UUID | None, limit: int) -> Sequence[AccountRow]:
    """At most `limit` accounts, the newest first, older than `before`, with `text` in name or e-mail address."""
    query = select(AccountRow).where(AccountRow.deleted_at.is_(None)).order_by(AccountRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AccountRow.id < before)
    if text:
        found = [func.strpos(func.lower(field), func.lower(text)) > 0 for field in (AccountRow.email, AccountRow.name)]
        query = query.where(or_(*found))
    return (await tx.scalars(query)).all()


async def invites(tx: Tx, before: UUID | None, limit: int) -> Sequence[RegistrationInviteRow]:
    """At most `limit` invites, the newest first, older than `before`; spent and expired ones too."""
    query = select(RegistrationInviteRow).order_by(RegistrationInviteRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(RegistrationInviteRow.id < before)
    return (await tx.scalars(query)).all()
