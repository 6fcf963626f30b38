"""Codes that let people register."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update

from madang.features.accounts import queries
from madang.features.accounts.access import permit_supervisor
from madang.features.accounts.contracts import Invite
from madang.features.accounts.tables import RegistrationInviteRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Forbidden, NotFound


async def create(
    tx: Tx, created_by: UUID | None, *, note: str, max_uses: int, lifetime: timedelta
) -> tuple[Invite, str]:
    """A new invite and its code, which is shown this once. The caller has permitted it."""
    code = secrets.token_urlsafe(16)
    row = RegistrationInviteRow(
        code_hash=_hash(code),
        note=note,
        max_uses=max_uses,
        used_count=0,
        expires_at=now() + lifetime,
        created_by=created_by,
    )
    tx.add(row)
    await tx.flush()
    await tx.refresh(row)
    who = Principal(created_by) if created_by else None
    await record(tx, who, "accounts.invite_made", Target("registration_invite", row.id), max_uses=max_uses)
    return _invite(row), code


async def listed(tx: Tx, who: Principal, before: UUID | None, limit: int) -> list[Invite]:
    """Invites, the newest first; raises `Forbidden` when `who` is no supervisor."""
    permit_supervisor(who)
    return [_invite(row) for row in await queries.invites(tx, before, limit)]


async def withdraw(tx: Tx, who: Principal, invite_id: UUID) -> None:
    """End an invite; raises `Forbidden` when `who` is no supervisor and `NotFound` when there is none."""
    permit_supervisor(who)
    statement = delete(RegistrationInviteRow).where(RegistrationInviteRow.id == invite_id)
    if await tx.scalar(statement.returning(RegistrationInviteRow.id)) is None:
        raise NotFound("invite_not_found", "There is no such invite.")
    await record(tx, who, "accounts.invite_withdrawn", Target("registration_invite", invite_id))


async def require(tx: Tx, code: str) -> None:
    """Look whether a code is good without using it; raises `Forbidden` when it is not."""
    if await tx.scalar(select(RegistrationInviteRow.id).where(*_good(code))) is None:
        raise _invalid()


async def redeem(tx: Tx, code: str) -> None:
    """Use an invite up by one; raises `Forbidden` when the code is unknown, spent or expired.

    One statement, so that of many who come at the same time only as many pass as the invite allows.
    """
    statement = (
        update(RegistrationInviteRow)
        .where(*_good(code))
        .values(used_count=RegistrationInviteRow.used_count + 1)
        .returning(RegistrationInviteRow.id)
    )
    if await tx.scalar(statement) is None:
        raise _invalid()


def _good(code: str) -> Sequence[ColumnElement[bool]]:
    return (
        RegistrationInviteRow.code_hash == _hash(code),
        RegistrationInviteRow.used_count < RegistrationInviteRow.max_uses,
        RegistrationInviteRow.expires_at > func.now(),
    )


def _invalid() -> Forbidden:
    detail = "This invite code is not good, or it was used up or has expired. Ask for a new one."
    return Forbidden("invite_invalid", detail)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.strip().encode()).digest()


def _invite(row: RegistrationInviteRow) -> Invite:
    return Invite(row.id, row.note, row.max_uses, row.used_count, row.expires_at, row.created_at)
