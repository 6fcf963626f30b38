"""Whose account is whose, for other features; in the house's transactions, or about the caller."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import func, or_, select

from madang.features.accounts.contracts import Account
from madang.features.accounts.service import addresses, people
from madang.features.accounts.tables import AccountRow
from madang.kernel.db import Tx


async def account_by_email(tx: Tx, email: str) -> Account | None:
    """The account with that address, None when there is none; raises `Invalid` when it cannot be an address."""
    addresses.normal_email(email)
    row = await tx.scalar(addresses.owner_of(email))
    return people.account(row) if row else None


async def account_of(tx: Tx, account_id: UUID) -> Account | None:
    """The account with that id, None when it is gone."""
    row = await tx.scalar(select(AccountRow).where(AccountRow.id == account_id, AccountRow.deleted_at.is_(None)))
    return people.account(row) if row else None


async def account_names(tx: Tx, account_ids: Collection[UUID]) -> dict[UUID, str]:
    """What to call each of them: the name, else the e-mail address; those that are gone are left out."""
    query = select(AccountRow.id, AccountRow.name, AccountRow.email).where(AccountRow.id.in_(account_ids))
    return {row.id: row.name or row.email for row in await tx.execute(query.where(AccountRow.deleted_at.is_(None)))}


async def accounts_named(tx: Tx, words: str, limit: int) -> Sequence[UUID]:
    """At most `limit` accounts with these words in their name or e-mail address."""
    found = [func.strpos(func.lower(field), func.lower(words)) > 0 for field in (AccountRow.email, AccountRow.name)]
    query = select(AccountRow.id).where(or_(*found), AccountRow.deleted_at.is_(None)).limit(limit)
    return (await tx.scalars(query)).all()


async def verified_email(tx: Tx, account_id: UUID) -> str | None:
    """The account's address, in its one form, if it is proved to be theirs; else None."""
    query = select(AccountRow.email).where(AccountRow.id == account_id, AccountRow.email_verified_at.is_not(None))
    email = await tx.scalar(query.where(AccountRow.deleted_at.is_(None)))
    return addresses.sought(email).normal if email else None


async def addresses_of(tx: Tx, account_ids: Collection[UUID]) -> Sequence[str]:
    """The e-mail addresses of those of the accounts that are in use."""
    query = select(AccountRow.email).where(AccountRow.id.in_(account_ids), AccountRow.disabled_at.is_(None))
    return (await tx.scalars(query.where(AccountRow.deleted_at.is_(None)))).all()


async def supervisors(tx: Tx) -> Sequence[UUID]:
    """Everybody who supervises the house."""
    query = select(AccountRow.id).where(AccountRow.is_supervisor, AccountRow.deleted_at.is_(None))
    return (await tx.scalars(query)).all()
