"""That it is the person who asks for something grave, and not somebody at their open screen."""

from datetime import timedelta

from sqlalchemy import select

from madang.features.accounts import settings
from madang.features.accounts.access import own_account
from madang.features.accounts.contracts import Device
from madang.features.accounts.service import throttle
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.errors import Forbidden
from madang.kernel.house import House

FRESH = timedelta(minutes=10)
"""Who has no password does grave things soon after signing in."""


async def make_sure(house: House, who: Principal, password: str | None, device: Device) -> str:
    """Ask for the caller's password, or for a fresh sign-in of those who have none.

    Returns the hash that the password was compared with, empty for who has none, for `require_same`. Raises `Forbidden`
    (password_needed, password_wrong, sign_in_again) and `TooMany`.
    """
    async with house.db.transaction(who) as tx:
        row = await own_account(tx, who)
        fresh = select(LoginRow.id).where(LoginRow.id == who.login_id, LoginRow.created_at > now() - FRESH)
        is_fresh = await tx.scalar(fresh) is not None
    if not row.password_hash:
        if not is_fresh:
            raise Forbidden("sign_in_again", "Sign out and in again, and do this within ten minutes.")
        return ""
    if password is None:
        raise Forbidden("password_needed", "Give your password along, so that nobody else does this in your name.")
    here = throttle.Counter(f"password at {who.login_id}", settings.load().sign_in_attempts)
    async with throttle.attempt(house, [here, *throttle.counters(device.address, row.email)]):
        verdict = await (await house.resource(open_desk)).hashing.verify(row.password_hash, password)
        if not verdict.right:
            raise _wrong()
    return row.password_hash


def require_same(row: AccountRow, password_hash: str) -> None:
    """See, with the account locked, that its password is still the one of `make_sure`; raises `Forbidden`."""
    if row.password_hash != password_hash:
        raise _wrong()


def _wrong() -> Forbidden:
    return Forbidden("password_wrong", "The password is wrong.")
