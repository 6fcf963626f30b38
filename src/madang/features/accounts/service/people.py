"""Accounts as people see and change them."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text, update

from madang.features.accounts import queries
from madang.features.accounts.access import account_for, own_account, permit_supervisor
from madang.features.accounts.contracts import Account, AccountDeleted, Preferences
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict
from madang.kernel.house import House

FOUNDING_LOCK = 0x6D61_6461


def account(row: AccountRow) -> Account:
    """The row without its secrets."""
    return Account(row.id, row.email, row.name, row.is_supervisor, row.disabled_at is not None, row.created_at)


async def me(tx: Tx, who: Principal) -> Account:
    """The caller's own account."""
    return account(await own_account(tx, who))


async def get(tx: Tx, who: Principal, account_id: UUID) -> Account:
    """One account; raises `NotFound` unless it is the caller's own or the caller is a supervisor."""
    return account(await account_for(tx, who, account_id))


async def listed(tx: Tx, who: Principal, *, text: str | None, before: UUID | None, limit: int) -> list[Account]:
    """Accounts, the newest first; raises `Forbidden` when the caller is no supervisor."""
    permit_supervisor(who)
    return [account(row) for row in await queries.people(tx, text, before, limit)]


async def change(house: House, who: Principal, account_id: UUID, *, name: str, is_disabled: bool | None) -> Account:
    """Give an account another name; a supervisor also disables and enables it.

    Raises `NotFound` for a stranger's account, `Forbidden` when somebody else than a supervisor disables, and
    `Conflict` when nobody would be left to run the house.
    """
    async with house.db.transaction() as tx:
        row = await account_for(tx, who, account_id, lock=True)
        row.name = name.strip()
        if is_disabled is not None and is_disabled != (row.disabled_at is not None):
            permit_supervisor(who)
            await _disable(tx, row, now() if is_disabled else None)
        await tx.flush()
        changed = account(row)
    (await house.resource(open_desk)).forget_account(account_id)
    return changed


async def _disable(tx: Tx, row: AccountRow, moment: datetime | None) -> None:
    if moment is not None:
        await _keep_a_supervisor(tx, row)
        await end_logins(tx, row.id, "disabled")
    row.disabled_at = moment


async def remove(house: House, who: Principal, account_id: UUID) -> None:
    """Delete an account: its sign-ins end, its words about the person go, and what others keep of it is told to go.

    Raises `NotFound` for a stranger's account and `Conflict` for the last supervisor's.
    """
    async with house.db.transaction() as tx:
        row = await account_for(tx, who, account_id, lock=True)
        await _keep_a_supervisor(tx, row)
        await end_logins(tx, account_id, "deleted")
        row.email, row.name, row.password_hash, row.preferences = f"{row.id}@deleted.invalid", "", "", {}
        row.deleted_at, row.is_supervisor = now(), False
        await tx.flush()
        await tx.announce(AccountDeleted(account_id))
    (await house.resource(open_desk)).forget_account(account_id)


async def end_logins(tx: Tx, account_id: UUID, reason: str) -> None:
    """End every sign-in of an account."""
    open_ones = update(LoginRow).where(LoginRow.account_id == account_id, LoginRow.ended_at.is_(None))
    await tx.execute(open_ones.values(ended_at=now(), end_reason=reason))


async def lock_founding(tx: Tx) -> None:
    """Let one transaction at a time decide who founds the house or who leaves it last."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FOUNDING_LOCK})


async def _keep_a_supervisor(tx: Tx, row: AccountRow) -> None:
    if not row.is_supervisor:
        return
    await lock_founding(tx)
    others = (
        select(func.count())
        .select_from(AccountRow)
        .where(AccountRow.id != row.id, AccountRow.is_supervisor.is_(True))
        .where(AccountRow.disabled_at.is_(None), AccountRow.deleted_at.is_(None))
    )
    if not await tx.scalar(others):
        detail = "This is the last supervisor. Make another one first, with `madang admin create-supervisor`."
        raise Conflict("last_supervisor", detail)


async def preferences(tx: Tx, who: Principal) -> Preferences:
    """How the caller likes Madang to be."""
    return _preferences((await own_account(tx, who)).preferences)


async def prefer(tx: Tx, who: Principal, wanted: Preferences) -> Preferences:
    """Keep how the caller likes Madang to be."""
    row = await account_for(tx, who, who.account_id, lock=True)
    row.preferences = asdict(wanted)
    await tx.flush()
    return wanted


def _preferences(kept: dict[str, object]) -> Preferences:
    """Kept values; the defaults when this version does not know one of them."""
    try:
        return msgspec.convert(kept, Preferences)
    except msgspec.ValidationError:
        return Preferences()
