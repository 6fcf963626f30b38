"""Accounts as people see and change them."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text, update

from madang.features.accounts import queries
from madang.features.accounts.access import account_for, act_for_others, own_account, permit_supervisor
from madang.features.accounts.contracts import Account, Preferences
from madang.features.accounts.service import addresses, browsers, keys
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, NotFound
from madang.kernel.house import House

FOUNDING_LOCK = 0x6D61_6461


def account(row: AccountRow) -> Account:
    """The row without its secrets."""
    is_disabled = row.disabled_at is not None
    return Account(
        id=row.id,
        email=row.email,
        name=row.name,
        is_supervisor=row.is_supervisor,
        is_disabled=is_disabled,
        created_at=row.created_at,
        deletion_at=row.deletion_at,
        email_verified=row.email_verified_at is not None,
    )


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
    async with house.db.transaction(who) as tx:
        await act_for_others(tx, who, account_id)
        row = await account_for(tx, who, account_id, lock=True)
        row.name = name.strip()
        if is_disabled is not None and is_disabled != (row.disabled_at is not None):
            permit_supervisor(who)
            if who.account_id == account_id:
                await act_for_others(tx, who)
            await _disable(tx, row, now() if is_disabled else None)
        await tx.flush()
        await record(tx, who, "accounts.changed", Target("account", row.id), is_disabled=row.disabled_at is not None)
        changed = account(row)
    (await house.resource(open_desk)).forget_account(account_id)
    return changed


async def _disable(tx: Tx, row: AccountRow, moment: datetime | None) -> None:
    if moment is not None:
        await keep_a_supervisor(tx, row)
        await end_access(tx, row.id, "disabled")
    row.disabled_at = moment


async def end_logins(tx: Tx, account_id: UUID, reason: str) -> None:
    """End every sign-in of an account, and forget the browsers it was signed in by."""
    open_ones = update(LoginRow).where(LoginRow.account_id == account_id, LoginRow.ended_at.is_(None))
    await tx.execute(open_ones.values(ended_at=now(), end_reason=reason))
    await browsers.distrust(tx, account_id)


async def end_access(tx: Tx, account_id: UUID, reason: str) -> None:
    """End every sign-in and every API key of an account."""
    await end_logins(tx, account_id, reason)
    await keys.end_all(tx, account_id)


async def lock_founding(tx: Tx) -> None:
    """Let one transaction at a time decide who founds the house or who leaves it last."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FOUNDING_LOCK})


async def keep_a_supervisor(tx: Tx, row: AccountRow) -> None:
    """See that somebody else runs the house before this account ends; raises `Conflict` (last_supervisor)."""
    if not row.is_supervisor:
        return
    await lock_founding(tx)
    others = (
        select(func.count())
        .select_from(AccountRow)
        .where(AccountRow.id != row.id, AccountRow.is_supervisor.is_(True))
        .where(AccountRow.disabled_at.is_(None), AccountRow.deletion_at.is_(None), AccountRow.deleted_at.is_(None))
    )
    if not await tx.scalar(others):
        detail = "This is the last supervisor. Make another one first, with `madang admin create-supervisor`."
        raise Conflict("last_supervisor", detail)


async def by_email(tx: Tx, email: str) -> AccountRow:
    """The account with this address, locked; raises `NotFound` when there is none."""
    row = await tx.scalar(addresses.owner_of(email).with_for_update())
    if row is None:
        raise NotFound("account_not_found", f"There is no account with the e-mail address {email}.")
    return row


async def suspend_by_operator(house: House, email: str, *, suspended: bool) -> Account:
    """Disable an account from the command line, which ends all its access, or enable it again.

    Raises `NotFound`, and `Conflict` for the last supervisor's.
    """
    async with house.db.transaction() as tx:
        row = await by_email(tx, email)
        if suspended != (row.disabled_at is not None):
            await _disable(tx, row, now() if suspended else None)
            await tx.flush()
            await record(tx, None, "accounts.changed", Target("account", row.id), is_disabled=suspended)
        return account(row)


async def end_by_operator(house: House, email: str) -> Account:
    """End every sign-in of an account from the command line; its API keys stay. Raises `NotFound`."""
    async with house.db.transaction() as tx:
        row = await by_email(tx, email)
        await end_logins(tx, row.id, "operator")
        await record(tx, None, "accounts.devices_ended", Target("account", row.id))
        return account(row)


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
