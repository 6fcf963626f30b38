"""API keys: a program's way in as somebody, limited to what it was granted.

A key is 32 random bytes, so its SHA-256 is as good as a slow hash and costs a millionth.
"""

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, delete, func, or_, select, update

from madang.features.accounts.contracts import ApiKey
from madang.features.accounts.tables import AccountRow, ApiKeyRow
from madang.kernel import audit
from madang.kernel.auth import SUPERVISING, Principal, is_beyond_keys
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, Invalid, NotFound
from madang.kernel.house import House

PREFIX = "mk_"
SHAPE = re.compile(r"mk_[A-Za-z0-9_-]{43}", re.ASCII)
SHOWN = len(PREFIX) + 6
MOST = 50
TOUCH_AFTER = timedelta(minutes=1)
"""How exact `last_used_at` is, so that a busy key is written down once a minute and not at every request."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for who makes a key."""

    name: str
    permissions: Sequence[str]
    lifetime: timedelta | None


async def create(tx: Tx, who: Principal, wanted: Wanted, grantable: Collection[str]) -> tuple[ApiKey, str]:
    """A new key of the caller's, and its secret, which is shown this once.

    Raises `Invalid` (permission_unknown) for what cannot be granted and `Conflict` (keys_at_most) after fifty.
    """
    permissions = sorted(set(wanted.permissions))
    unknown = [one for one in permissions if one not in grantable]
    if unknown:
        detail = (
            f"No key can have {', '.join(unknown)}. GET /api/v1/users/me/keys/permissions lists what keys can have."
        )
        raise Invalid("permission_unknown", detail)
    await _leave_room(tx, who.account_id)
    secret = PREFIX + secrets.token_urlsafe(32)
    row = ApiKeyRow(
        account_id=who.account_id,
        key_hash=digest(secret),
        prefix=secret[:SHOWN],
        name=wanted.name.strip(),
        permissions=permissions,
        expires_at=now() + wanted.lifetime if wanted.lifetime else None,
    )
    tx.add(row)
    await tx.flush()
    await tx.refresh(row)
    target = audit.Target("api_key", row.id)
    expires = row.expires_at.isoformat() if row.expires_at else None
    await audit.record(tx, who, "accounts.key_created", target, permissions=permissions, expires_at=expires)
    return _shown(row), secret


async def _leave_room(tx: Tx, account_id: UUID) -> None:
    """One key at a time for one account, so that many at once cannot pass the limit together."""
    await tx.execute(select(AccountRow.id).where(AccountRow.id == account_id).with_for_update())
    count = await tx.scalar(select(func.count()).select_from(ApiKeyRow).where(ApiKeyRow.account_id == account_id))
    if (count or 0) >= MOST:
        raise Conflict("keys_at_most", f"There are {MOST} keys already. End one that is no longer used.")


async def listed(tx: Tx, who: Principal) -> list[ApiKey]:
    """The caller's keys, the newest first; expired ones too."""
    query = select(ApiKeyRow).where(ApiKeyRow.account_id == who.account_id).order_by(ApiKeyRow.id.desc())
    return [_shown(row) for row in await tx.scalars(query)]


async def end(tx: Tx, who: Principal, key_id: UUID) -> None:
    """End a key of the caller's; raises `NotFound` when there is none."""
    statement = delete(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.account_id == who.account_id)
    if await tx.scalar(statement.returning(ApiKeyRow.id)) is None:
        raise NotFound("key_not_found", "There is no such key.")
    await audit.record(tx, who, "accounts.key_ended", audit.Target("api_key", key_id))


async def end_all(tx: Tx, account_id: UUID) -> None:
    """End every key of an account, as when it is disabled."""
    await tx.execute(delete(ApiKeyRow).where(ApiKeyRow.account_id == account_id))


@dataclass(frozen=True, slots=True)
class Standing:
    """A key that is good: whom it speaks for, until when, and whether its use is to be noted."""

    who: Principal
    expires_at: datetime | None
    is_stale: bool


_STANDING = (
    select(
        ApiKeyRow.id,
        ApiKeyRow.account_id,
        ApiKeyRow.permissions,
        ApiKeyRow.expires_at,
        ApiKeyRow.last_used_at,
        AccountRow.is_supervisor,
    )
    .join(AccountRow, AccountRow.id == ApiKeyRow.account_id)
    .where(ApiKeyRow.key_hash == bindparam("hash"))
    .where(or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > func.now()))
    .where(AccountRow.disabled_at.is_(None), AccountRow.deletion_at.is_(None), AccountRow.deleted_at.is_(None))
)


async def standing(tx: Tx, key_hash: bytes) -> Standing | None:
    """What the key with this hash may do, if it is good and its account is."""
    row = (await tx.execute(_STANDING, {"hash": key_hash})).one_or_none()
    if row is None:
        return None
    allowed = frozenset(one for one in row.permissions if not is_beyond_keys(one))
    supervising = row.is_supervisor and SUPERVISING in allowed
    who = Principal(row.account_id, is_supervisor=supervising, key_id=row.id, allowed=allowed)
    return Standing(who, row.expires_at, row.last_used_at is None or row.last_used_at < now() - TOUCH_AFTER)


async def note_use(house: House, key_id: UUID) -> None:
    """Write down that the key is used, unless that was done a moment ago."""
    long_ago = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < func.now() - TOUCH_AFTER)
    async with house.db.transaction() as tx:
        await tx.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id, long_ago).values(last_used_at=func.now()))


def digest(secret: str) -> bytes:
    """The form in which a key is kept and looked up."""
    return hashlib.sha256(secret.encode()).digest()


def _shown(row: ApiKeyRow) -> ApiKey:
    permissions = list(row.permissions)
    return ApiKey(row.id, row.name, row.prefix, permissions, row.expires_at, row.last_used_at, row.created_at)
