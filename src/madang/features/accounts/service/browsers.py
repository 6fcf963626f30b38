"""Browsers that somebody signed in with before, known by a cookie ("device cookies" of OWASP) and not by their address.

A token names a sign-in and carries a MAC; it says nothing about whose that was, and is good for nothing but a few tries
of its own at that account's password. It moves on with each sign-in of its browser, so that a copy dies then, and ends
with the sign-in when somebody or something other than signing out ends that.
"""

import base64
import hmac
import struct
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update

from madang.features.accounts.service import addresses
from madang.features.accounts.service.tokens import Keys
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel.clock import now
from madang.kernel.db import Tx

LIFETIME = timedelta(days=90)
"""How long after the last renewal of its sign-in a browser is known."""
AT_MOST = 5
"""How many people's browser one is, the latest first."""
_TOKEN = struct.Struct(">16s16s")
_LENGTH = 43


def written(keys: Keys, logins: Sequence[UUID]) -> str:
    """The cookie of a browser that these sign-ins, the latest first, belong to."""
    packed = [_TOKEN.pack(login.bytes, _mac(keys, login)) for login in logins[:AT_MOST]]
    return ".".join(base64.urlsafe_b64encode(one).decode().rstrip("=") for one in packed)


def read(keys: Keys, cookie: str) -> list[UUID]:
    """The sign-ins that a cookie names and this house signed; whatever else is in it is passed over."""
    parts = cookie[: AT_MOST * (_LENGTH + 1)].split(".")
    found = [_genuine(keys, part) for part in parts]
    return list(dict.fromkeys(login for login in found if login is not None))


def _genuine(keys: Keys, part: str) -> UUID | None:
    try:
        packed = base64.b64decode(part + "=", altchars=b"-_", validate=True)
        login_bytes, mac = _TOKEN.unpack(packed)
    except (ValueError, struct.error):
        return None
    login = UUID(bytes=login_bytes)
    macs = [_mac(one, login) for one in (keys, *keys.former)]
    return login if any([hmac.compare_digest(mac, one) for one in macs]) else None  # noqa: C419  # each takes its time


def _mac(keys: Keys, login: UUID) -> bytes:
    return hmac.digest(keys.browser, login.bytes, "sha256")[:16]


async def known(tx: Tx, email: str, logins: Sequence[UUID]) -> UUID | None:
    """Which of the sign-ins still makes its browser known to the account at this address."""
    if not logins:
        return None
    query = (
        select(LoginRow.id)
        .join(AccountRow, AccountRow.id == LoginRow.account_id)
        .where(
            AccountRow.email.in_(addresses.sought(email).spellings),
            LoginRow.id.in_(logins),
            LoginRow.is_trusted.is_(True),
        )
        .where(LoginRow.rotated_at > now() - LIFETIME)
        .order_by(LoginRow.id.desc())
        .limit(1)
    )
    return await tx.scalar(query)


async def move_on(tx: Tx, account_id: UUID, logins: Sequence[UUID]) -> list[UUID]:
    """Let a new sign-in take the place of the account's own among these; those of others, which stay in the cookie."""
    if not logins:
        return []
    mine = update(LoginRow).where(LoginRow.account_id == account_id, LoginRow.id.in_(logins))
    moved = set(await tx.scalars(mine.values(is_trusted=False).returning(LoginRow.id)))
    return [login for login in logins if login not in moved]


async def distrust(tx: Tx, account_id: UUID, *, keep: Iterable[UUID] = ()) -> None:
    """Let no browser be known to the account any more, but those of the sign-ins to keep."""
    mine = update(LoginRow).where(LoginRow.account_id == account_id, LoginRow.is_trusted.is_(True))
    await tx.execute(mine.where(LoginRow.id.not_in(list(keep))).values(is_trusted=False))
