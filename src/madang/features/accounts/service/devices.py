"""Where somebody is signed in, and ending that from wherever they are; and the password, which ends it elsewhere."""

from uuid import UUID

from sqlalchemy import select, update

from madang.features.accounts.access import account_for, own_account
from madang.features.accounts.contracts import Device, OwnDevice
from madang.features.accounts.service import browsers, confirming, passwords, recovery, ways
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import LoginRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx, act_as_house
from madang.kernel.errors import NotFound
from madang.kernel.house import House


async def listed(tx: Tx, who: Principal, before: UUID | None, limit: int) -> list[OwnDevice]:
    """The caller's sign-ins that stand, the newest first, at most `limit` that are older than `before`."""
    query = select(LoginRow).where(LoginRow.account_id == who.account_id, LoginRow.ended_at.is_(None))
    query = query.where(LoginRow.expires_at > now()).order_by(LoginRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(LoginRow.id < before)
    return [_own(row, who) for row in await tx.scalars(query)]


def _own(row: LoginRow, who: Principal) -> OwnDevice:
    is_current = row.id == who.login_id
    return OwnDevice(row.id, row.address, row.user_agent, row.created_at, row.rotated_at, is_current)


async def end(house: House, who: Principal, login_id: UUID) -> None:
    """End one of the caller's sign-ins, at once here and within seconds in every other process.

    Raises `NotFound` when the caller has no such sign-in, or it has ended.
    """
    async with house.db.transaction(who) as tx:
        ended = await _end(tx, who, "ended", only=login_id)
        if not ended:
            raise NotFound("device_not_found", "There is no such sign-in, or it has ended already.")
    (await house.resource(open_desk)).forget(login_id)


async def end_others(house: House, who: Principal, *, including_this: bool) -> None:
    """End every sign-in of the caller but the present one, or that one too."""
    async with house.db.transaction(who) as tx:
        await _end(tx, who, "ended", keep=None if including_this else who.login_id)
    (await house.resource(open_desk)).forget_account(who.account_id)


async def _end(tx: Tx, who: Principal, reason: str, *, only: UUID | None = None, keep: UUID | None = None) -> int:
    """End the caller's sign-ins, or `only` one of them, or all but the one to `keep`; how many there were.

    Their browsers are strangers from now on, and with all of them those that signed out before.
    """
    statement = update(LoginRow).where(LoginRow.account_id == who.account_id, LoginRow.ended_at.is_(None))
    statement = statement.where(LoginRow.expires_at > now())
    if only is not None:
        statement = statement.where(LoginRow.id == only)
    if keep is not None:
        statement = statement.where(LoginRow.id != keep)
    values = {"ended_at": now(), "end_reason": reason, "is_trusted": False}
    ended = (await tx.scalars(statement.values(values).returning(LoginRow.id))).all()
    if only is None:
        await browsers.distrust(tx, who.account_id, keep=[keep] if keep else [])
    if ended:
        await record(tx, who, "accounts.devices_ended", Target("account", who.account_id), count=len(ended))
    return len(ended)


async def change_password(
    house: House, who: Principal, current: str | None, wanted: str, device: Device, *, ends_others: bool = False
) -> None:
    """Give the caller another password; every other sign-in of theirs ends, and with `ends_others` every other way in.

    Who has no password yet needs none but a fresh sign-in. Raises `Forbidden` (password_needed, password_wrong,
    sign_in_again), `Invalid` for a weak password and `TooMany`.
    """
    async with house.db.transaction(who) as tx:
        row = await own_account(tx, who)
        password = passwords.accept(wanted, row.email, row.name)
    sure = await confirming.make_sure(house, who, current, device)
    desk = await house.resource(open_desk)
    password_hash = await desk.hashing.hash(password)
    async with house.db.transaction(who) as tx:
        row = await account_for(tx, who, who.account_id, lock=True)
        confirming.require_same(row, sure)
        await act_as_house(tx)
        row.password_hash = password_hash
        await tx.flush()
        if ends_others:
            await ways.end_others(house, tx, row)
        await _end(tx, who, "password", keep=who.login_id)
        await record(tx, who, "accounts.password_changed", Target("account", who.account_id))
        await recovery.tell(house, tx, "password_changed", row.email)
    desk.forget_account(who.account_id)
