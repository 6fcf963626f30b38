"""That it is the person who asks for something grave, and not somebody at their open screen."""

from datetime import timedelta

from sqlalchemy import or_, select, update

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
"""How long it counts that somebody proved themselves."""


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
            raise _sign_in_again()
        return ""
    if password is None:
        raise Forbidden("password_needed", "Give your password along, so that nobody else does this in your name.")
    here = throttle.Counter(f"password at {who.login_id}", settings.load().sign_in_attempts)
    async with throttle.attempt(house, [here, *throttle.counters(device.address, row.email)]):
        verdict = await (await house.resource(open_desk)).hashing.verify(row.password_hash, password)
        if not verdict.right:
            raise _wrong()
    return row.password_hash


async def confirm(house: House, who: Principal, password: str | None, device: Device) -> None:
    """Prove oneself in a sign-in, for `require_recent` in the next `FRESH`; raises as `make_sure`."""
    sure = await make_sure(house, who, password, device)
    async with house.db.transaction(who) as tx:
        require_same(await own_account(tx, who), sure)
        mine = (LoginRow.id == who.login_id, LoginRow.account_id == who.account_id)
        await tx.execute(update(LoginRow).where(*mine).values(confirmed_at=now()))


async def require_recent(house: House, who: Principal) -> None:
    """Let only who proved themselves in this sign-in within `FRESH`: by signing in, or again since.

    Raises `Forbidden`: sign_in_needed for an API key, confirmation_needed for who has a password to give, and
    sign_in_again for who has none.
    """
    if who.login_id is None:
        raise Forbidden("sign_in_needed", "Only a signed-in person can do this. Sign in and try again.")
    since = now() - FRESH
    async with house.db.transaction(who) as tx:
        proved = or_(LoginRow.created_at > since, LoginRow.confirmed_at > since)
        if await tx.scalar(select(LoginRow.id).where(LoginRow.id == who.login_id, proved)) is not None:
            return
        has_password = (await own_account(tx, who)).password_hash != ""
    if has_password:
        detail = "Confirm that it is you with POST /api/v1/auth/confirm, and do this within ten minutes."
        raise Forbidden("confirmation_needed", detail)
    raise _sign_in_again()


def _sign_in_again() -> Forbidden:
    return Forbidden("sign_in_again", "Sign out and in again, and do this within ten minutes.")


def require_same(row: AccountRow, password_hash: str) -> None:
    """See, with the account locked, that its password is still the one of `make_sure`; raises `Forbidden`."""
    if row.password_hash != password_hash:
        raise _wrong()


def _wrong() -> Forbidden:
    return Forbidden("password_wrong", "The password is wrong.")
