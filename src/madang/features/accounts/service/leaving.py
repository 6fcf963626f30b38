"""Leaving: an account whose deletion is ordered can only be restored for a while, and is then deleted for good."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select

from madang.features.accounts import settings
from madang.features.accounts.access import account_for, act_for_others, permit_supervisor
from madang.features.accounts.contracts import MAY_LEAVE, Account, AccountDeleted, Device
from madang.features.accounts.service import confirming, credentials, people
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import AccountRow, of_one_account
from madang.kernel import log
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import LONG_SECONDS, Tx, act_as_house, set_statement_timeout
from madang.kernel.errors import Conflict, Forbidden, Problem
from madang.kernel.house import House

logger = log.get_logger(__name__)


async def leave(house: House, who: Principal, account_id: UUID, password: str | None, device: Device) -> None:
    """Order the deletion of an account: it is signed out everywhere at once, and deleted when its days have passed.

    Oneself is asked for the password; a supervisor deletes others without theirs. Raises `NotFound` for a stranger's
    account, `Forbidden` (password_needed, password_wrong, sign_in_again), `TooMany`, and `Conflict` when somebody
    would be left without what only this account can do.
    """
    sure = await confirming.make_sure(house, who, password, device) if account_id == who.account_id else ""
    async with house.db.transaction(who) as tx:
        await act_for_others(tx, who)
        row = await account_for(tx, who, account_id, lock=True)
        if account_id == who.account_id:
            confirming.require_same(row, sure)
            await act_as_house(tx)
        await _begin(house, tx, who, row, by=who.account_id)
    (await house.resource(open_desk)).forget_account(account_id)


async def leave_by_operator(house: House, email: str, *, at_once: bool) -> Account:
    """Order the deletion of an account from the command line, or delete it `at_once`; raises as `leave`."""
    async with house.db.transaction() as tx:
        row = await people.by_email(tx, email)
        before = people.account(row)
        if at_once:
            await _permit(house, tx, row)
            await _finish(tx, None, row)
            return before
        await _begin(house, tx, None, row, by=None)
        return people.account(row)


async def restore(house: House, email: str, password: str, device: Device) -> None:
    """Take back the deletion that somebody ordered of their own account; nothing happens when none was.

    Raises `Unauthorized` (invalid_credentials), `Forbidden` (account_leaving) when another ordered it, and `TooMany`.
    """
    proved = await credentials.check(house, email, password, device)
    who = Principal(proved.account_id)
    async with house.db.transaction(who) as tx:
        row = await credentials.locked(tx, proved)
        if row is None:
            raise credentials.wrong()
        if row.deletion_at is not None and row.deletion_by != row.id:
            detail = "Somebody else ordered the deletion of this account. Ask the person who runs this server."
            raise Forbidden("account_leaving", detail, deletion_at=row.deletion_at.isoformat(), can_restore=False)
        await act_as_house(tx)
        await _take_back(tx, who, row)


async def restore_for(house: House, who: Principal, account_id: UUID) -> Account:
    """Take back the deletion of anybody's account, as a supervisor. Raises `Forbidden` and `NotFound`."""
    permit_supervisor(who)
    async with house.db.transaction(who) as tx:
        await act_for_others(tx, who)
        row = await account_for(tx, who, account_id, lock=True)
        await _take_back(tx, who, row)
        return people.account(row)


async def restore_by_operator(house: House, email: str) -> Account:
    """Take back the deletion of an account from the command line. Raises `NotFound`."""
    async with house.db.transaction() as tx:
        row = await people.by_email(tx, email)
        await _take_back(tx, None, row)
        return people.account(row)


async def finish_due(house: House) -> int:
    """Delete for good the accounts whose days have passed; returns how many.

    One that somebody has come to depend on meanwhile stays until that is settled.
    """
    due = (
        select(AccountRow.id)
        .where(AccountRow.deletion_at <= now(), AccountRow.deleted_at.is_(None))
        .order_by(AccountRow.deletion_at)
        .limit(500)
    )
    async with house.db.transaction() as tx:
        found = (await tx.scalars(due)).all()
    return sum([await _finish_one(house, account_id) for account_id in found])


async def _finish_one(house: House, account_id: UUID) -> bool:
    wanted = select(AccountRow).where(AccountRow.id == account_id, AccountRow.deleted_at.is_(None))
    try:
        async with house.db.transaction() as tx:
            row = await tx.scalar(wanted.where(AccountRow.deletion_at <= now()).with_for_update(skip_locked=True))
            if row is None:
                return False
            await _permit(house, tx, row)
            await _finish(tx, None, row)
    except Problem as problem:
        logger.warning("deletion_waits", account_id=str(account_id), reason=problem.detail)
        return False
    return True


async def _permit(house: House, tx: Tx, row: AccountRow) -> None:
    await people.keep_a_supervisor(tx, row)
    for may_leave in house.offers.all(MAY_LEAVE):
        await may_leave(tx, row.id)


async def _begin(house: House, tx: Tx, who: Principal | None, row: AccountRow, *, by: UUID | None) -> None:
    """Order the deletion, once; what was ordered before stays as it is."""
    if row.deletion_at is not None:
        raise Conflict("account_leaving", "The deletion of this account is ordered already.")
    await _permit(house, tx, row)
    grace = timedelta(days=settings.load().deletion_grace_days)
    if not grace:
        await _finish(tx, who, row)
        return
    deletion_at = now() + grace
    row.deletion_at, row.deletion_by = deletion_at, by
    await people.end_access(tx, row.id, "leaving")
    await tx.flush()
    target = Target("account", row.id)
    await record(tx, who, "accounts.deletion_ordered", target, deletion_at=deletion_at.isoformat())


async def _take_back(tx: Tx, who: Principal | None, row: AccountRow) -> None:
    if row.deletion_at is None:
        return
    row.deletion_at = row.deletion_by = None
    await tx.flush()
    await record(tx, who, "accounts.restored", Target("account", row.id))


async def _finish(tx: Tx, who: Principal | None, row: AccountRow) -> None:
    """Empty the account: its words about the person go, and what others keep of it is told to go."""
    await set_statement_timeout(tx, LONG_SECONDS)
    await people.end_access(tx, row.id, "deleted")
    for table in of_one_account():
        await tx.execute(delete(table).where(table.c.account_id == row.id))
    row.email, row.name, row.password_hash, row.preferences = f"{row.id}@deleted.invalid", "", "", {}
    row.deleted_at, row.is_supervisor = now(), False
    await tx.flush()
    await record(tx, who, "accounts.deleted", Target("account", row.id))
    await tx.announce(AccountDeleted(row.id))
