"""Whether a password is somebody's own, for whoever is not signed in; nothing is told about which addresses exist."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from madang.features.accounts.contracts import Device
from madang.features.accounts.service import addresses, browsers, throttle
from madang.features.accounts.service.desk import Desk, open_desk
from madang.features.accounts.service.failures import note_failed, note_held_off
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel.db import Tx
from madang.kernel.errors import TooMany, Unauthorized
from madang.kernel.house import House

PLACES_AT_MOST = 200
"""Of how many sign-ins the addresses are looked at, the latest first."""


@dataclass(frozen=True, slots=True)
class Proved:
    """Whose password was right, the hash that it was compared with, and a stronger one if that was weak."""

    account_id: UUID
    password_hash: str = field(repr=False)
    new_hash: str | None = field(default=None, repr=False)


async def check(house: House, email: str, password: str, device: Device) -> Proved:
    """Compare a password with the account's at this address.

    Raises `Unauthorized` (invalid_credentials) for an unknown address and for a wrong password, after the same work,
    and `TooMany`. The account may have another password by the time this returns: see `locked`.
    """
    typed, email = email, addresses.sought(email).normal
    desk = await house.resource(open_desk)
    # Whoever stands in line is not counted yet: a school behind one address is no attack.
    async with desk.turn(), AsyncExitStack() as counted:
        by_browser = await _by_own_browser(house, desk, counted, email, device)
        if not by_browser:
            await counted.enter_async_context(throttle.attempt(house, throttle.counters(device.address, email)))
        async with house.db.transaction() as tx:
            row = await tx.scalar(addresses.owner_of(typed))
            known = set[str]() if by_browser else await places_of(tx, email)
        if not by_browser:
            await _in_lane(house, counted, email, row, device, known)
        verdict = await desk.hashing.verify(row.password_hash if row else None, password)
        if row is None or not verdict.right:
            await note_failed(house, email, row.id if row else None, device)
            raise wrong()
    return Proved(row.id, row.password_hash, verdict.new_hash)


async def _by_own_browser(house: House, desk: Desk, counted: AsyncExitStack, email: str, device: Device) -> bool:
    """Whether this is a browser that the account was signed in by, which has tries left; wherever it is now."""
    logins = browsers.read(desk.keys, device.browser)
    if not logins:
        return False
    async with house.db.transaction() as tx:
        login_id = await browsers.known(tx, email, logins)
    if login_id is None:
        return False
    try:
        await counted.enter_async_context(throttle.attempt(house, [throttle.browser_lane(login_id)]))
    except TooMany:
        return False
    return True


async def _in_lane(
    house: House, counted: AsyncExitStack, email: str, row: AccountRow | None, device: Device, known: set[str]
) -> None:
    """Count an attempt of no known browser for the whole account; raises `TooMany`, and notes when that begins."""
    lane = await throttle.lane(house, "" if device.is_shared else device.address, email, known)
    try:
        await counted.enter_async_context(throttle.attempt(house, [lane]))
    except TooMany:
        await note_held_off(house, email, row.id if row else None, lane.kind)
        raise


async def places_of(tx: Tx, email: str) -> set[str]:
    """The addresses that the account at an e-mail address was signed in from lately; empty for an unknown one."""
    latest = (
        select(LoginRow.address)
        .join(AccountRow, AccountRow.id == LoginRow.account_id)
        .where(AccountRow.email.in_(addresses.sought(email).spellings))
        .order_by(LoginRow.id.desc())
        .limit(PLACES_AT_MOST)
    )
    return set(await tx.scalars(latest))


async def locked(tx: Tx, proved: Proved) -> AccountRow | None:
    """The account, so that nobody changes it before the transaction ends; None when its password is another by now."""
    query = select(AccountRow).where(AccountRow.id == proved.account_id, AccountRow.deleted_at.is_(None))
    row = await tx.scalar(query.with_for_update(key_share=True))
    return row if row is not None and row.password_hash == proved.password_hash else None


def wrong() -> Unauthorized:
    """The answer to every password that is not right, and to every address that is unknown."""
    return Unauthorized("invalid_credentials", "The e-mail address or the password is wrong.")
