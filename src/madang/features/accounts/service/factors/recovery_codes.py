"""Recovery codes: ten words that each stand in once for a second factor.

A code has 80 random bits, so SHA-256 keeps it as well as a slow hash would, and looking one up costs nothing that an
attacker could make much of.
"""

import hashlib
import secrets
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from madang.features.accounts.service import recovery
from madang.features.accounts.tables import AuthenticatorRow, RecoveryCodeRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict
from madang.kernel.house import House
from madang.kernel.ids import new_id

COUNT, LENGTH, GROUP = 10, 16, 4
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter looks like another."""

_ALIKE = str.maketrans("oil", "011", "- \t\r\n")


async def renew(house: House, tx: Tx, who: Principal) -> list[str]:
    """As `make`, for who has asked for it; they are told by mail."""
    codes = await make(tx, who)
    await recovery.tell_owner(house, tx, who, "recovery_codes_renewed")
    return codes


async def make(tx: Tx, who: Principal) -> list[str]:
    """Ten new codes in place of all before, shown this once; raises `Conflict` (totp_not_enabled)."""
    enabled = (AuthenticatorRow.account_id == who.account_id, AuthenticatorRow.enabled_at.is_not(None))
    if await tx.scalar(select(AuthenticatorRow.account_id).where(*enabled).with_for_update()) is None:
        raise not_enabled()
    await tx.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == who.account_id))
    codes = ["".join(secrets.choice(LETTERS) for _ in range(LENGTH)) for _ in range(COUNT)]
    rows = [{"id": new_id(), "account_id": who.account_id, "code_hash": _hash(who.account_id, one)} for one in codes]
    await tx.execute(insert(RecoveryCodeRow), rows)
    await record(tx, who, "accounts.recovery_codes_renewed", Target("account", who.account_id))
    return ["-".join(one[at : at + GROUP] for at in range(0, LENGTH, GROUP)) for one in codes]


async def use(tx: Tx, account_id: UUID, code: str) -> bool:
    """Whether this is an unused code of the account; it is used up, for one of many who give it at the same time."""
    statement = (
        update(RecoveryCodeRow)
        .where(
            RecoveryCodeRow.account_id == account_id,
            RecoveryCodeRow.code_hash == _hash(account_id, code),
            RecoveryCodeRow.used_at.is_(None),
        )
        .values(used_at=func.now())
        .returning(RecoveryCodeRow.id)
    )
    return await tx.scalar(statement) is not None


def _hash(account_id: UUID, code: str) -> bytes:
    typed = code.lower().translate(_ALIKE)
    return hashlib.sha256(account_id.bytes + typed.encode(errors="replace")).digest()


def not_enabled() -> Conflict:
    """The answer where codes of an app would have to be on."""
    return Conflict("totp_not_enabled", "Codes from an app are not on. Turn them on first.")
