"""Load and permit in one step."""

from uuid import UUID

from sqlalchemy import func, select

from madang.features.accounts.tables import AccountRow
from madang.kernel.auth import Principal
from madang.kernel.db import Tx, act_as_house
from madang.kernel.errors import Forbidden, NotFound


def permit_supervisor(who: Principal) -> None:
    """Only supervisors pass; raises `Forbidden` for everybody else."""
    if not who.is_supervisor:
        raise _supervisor_only()


def _supervisor_only() -> Forbidden:
    return Forbidden("supervisor_only", "Only a supervisor may do this. Ask the person who runs this server.")


def permit_entry(row: AccountRow) -> None:
    """Let only an account sign in that may be used; call it when its password or its like was right.

    Raises `Forbidden` with the code account_disabled, or account_leaving with `deletion_at` and `can_restore`.
    """
    if row.disabled_at is not None:
        raise Forbidden("account_disabled", "This account is disabled. Ask the person who runs this server.")
    if row.deletion_at is not None:
        own = row.deletion_by == row.id
        how = "Restore it with POST /api/v1/auth/restore" if own else "Ask the person who runs this server to keep it"
        detail = f"This account will be deleted on {row.deletion_at:%Y-%m-%d}. {how}, or let it go."
        raise Forbidden("account_leaving", detail, deletion_at=row.deletion_at.isoformat(), can_restore=own)


async def act_for_others(tx: Tx, who: Principal, account_id: UUID | None = None) -> None:
    """Let a supervisor's transaction reach everybody's account, when PostgreSQL knows them for a supervisor too.

    Nothing changes for one's own `account_id`, or for who is no supervisor: they see no account but their own.
    """
    if not who.is_supervisor or who.account_id == account_id:
        return
    if not await tx.scalar(select(func.supervisor.is_supervisor())):
        raise _supervisor_only()
    await act_as_house(tx)


async def own_account(tx: Tx, who: Principal) -> AccountRow:
    """The account of the caller."""
    return await account_for(tx, who, who.account_id)


async def account_for(tx: Tx, who: Principal, account_id: UUID, *, lock: bool = False) -> AccountRow:
    """An account that `who` may see and change: their own, or any for a supervisor.

    Raises `NotFound` for everybody else's. With `lock` nobody changes it before the transaction ends.
    """
    if who.is_supervisor or who.account_id == account_id:
        query = select(AccountRow).where(AccountRow.id == account_id, AccountRow.deleted_at.is_(None))
        found = await tx.scalar(query.with_for_update() if lock else query)
        if found is not None:
            return found
    raise NotFound("account_not_found", "There is no such account.")
