"""What supervisors do about other people's ways in: who supervises, sign-ins, second factors, forgotten passwords.

The grave ones ask for the supervisor's own password, so that nobody does them at an open screen: making a supervisor is
handing over the house, and without second factors a stolen password is enough.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import update

from madang.features.accounts.access import account_for, act_for_others, permit_supervisor
from madang.features.accounts.contracts import WRITE, Account, Device, LetterWanted
from madang.features.accounts.service import people, recovery
from madang.features.accounts.service.confirming import make_sure
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.service.factors import held
from madang.features.accounts.tables import AccountRow, IdentityRow
from madang.kernel import mail
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict
from madang.kernel.house import House


@asynccontextmanager
async def _overseeing(house: House, who: Principal, account_id: UUID) -> AsyncGenerator[tuple[Tx, AccountRow]]:
    """A supervisor's transaction with anybody's account, locked; afterwards this process asks about it anew.

    Raises `Forbidden` (supervisor_only) and `NotFound`.
    """
    permit_supervisor(who)
    async with house.db.transaction(who) as tx:
        await act_for_others(tx, who)
        yield tx, await account_for(tx, who, account_id, lock=True)
    (await house.resource(open_desk)).forget_account(account_id)


async def supervise(
    house: House, who: Principal, account_id: UUID, *, supervises: bool, password: str | None, device: Device
) -> Account:
    """Make somebody a supervisor, or an ordinary user again; what is so already stays. Returns the account.

    Raises `Forbidden` (supervisor_only, password_needed, password_wrong, sign_in_again), `NotFound`, `TooMany`, and
    `Conflict` for the last supervisor (last_supervisor) and for an account that cannot be used (account_unusable).
    """
    permit_supervisor(who)
    await make_sure(house, who, password, device)
    async with _overseeing(house, who, account_id) as (tx, row):
        if supervises and not row.is_supervisor:
            _permit_use(row)
            row.is_supervisor = True
            await _note(tx, who, row, "accounts.supervisor_granted")
        elif row.is_supervisor and not supervises:
            await people.keep_a_supervisor(tx, row)
            row.is_supervisor = False
            # A provider that made them one is not asked again to take it back, but may make them one anew.
            mine = update(IdentityRow).where(IdentityRow.account_id == row.id)
            await tx.execute(mine.values(made_supervisor=False))
            await _note(tx, who, row, "accounts.supervisor_revoked")
        return people.account(row)


def _permit_use(row: AccountRow) -> None:
    if row.disabled_at is not None or row.deletion_at is not None:
        detail = "This account is disabled or is being deleted. Enable or restore it first."
        raise Conflict("account_unusable", detail)


async def end_sign_ins(house: House, who: Principal, account_id: UUID) -> None:
    """Sign somebody out everywhere; the password and the API keys stay. Raises `Forbidden` and `NotFound`."""
    async with _overseeing(house, who, account_id) as (tx, row):
        await people.end_logins(tx, row.id, "supervisor")
        await _note(tx, who, row, "accounts.devices_ended")


async def reset_factors(house: House, who: Principal, account_id: UUID, password: str | None, device: Device) -> None:
    """Let go of the second factors and passkeys of somebody who lost them all, and end their sign-ins. They are told.

    Raises as `supervise`, but no `Conflict`.
    """
    permit_supervisor(who)
    await make_sure(house, who, password, device)
    async with _overseeing(house, who, account_id) as (tx, row):
        letters = await held.remove_all(tx, row.id)
        await people.end_logins(tx, row.id, "second factor reset")
        await _note(tx, who, row, "accounts.second_factors_reset")
        for letter in letters:
            await recovery.tell(house, tx, letter, row.email)


async def send_reset_letter(house: House, who: Principal, account_id: UUID) -> None:
    """Mail somebody the link with which they choose another password; nobody but they see it.

    Raises `Forbidden`, `NotFound`, and `Conflict` (mail_not_set_up, account_unusable).
    """
    async with _overseeing(house, who, account_id) as (tx, row):
        if not mail.is_set_up(house.settings):
            detail = "This server sends no mail. Its operator can set a password with `madang admin reset-password`."
            raise Conflict("mail_not_set_up", detail)
        _permit_use(row)
        await tx.enqueue(WRITE, LetterWanted("password_reset", row.email, None))
        await _note(tx, who, row, "accounts.reset_letter_sent")


async def _note(tx: Tx, who: Principal, row: AccountRow, deed: str) -> None:
    await tx.flush()
    await record(tx, who, deed, Target("account", row.id))
