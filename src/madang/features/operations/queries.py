"""Long reads: the audit log."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, or_, select

from madang.features.operations.contracts import AuditFilter
from madang.kernel.audit import AuditRow
from madang.kernel.db import Tx


async def deeds(
    tx: Tx, wanted: AuditFilter, named: Sequence[UUID], before: UUID | None, limit: int
) -> Sequence[AuditRow]:
    """At most `limit` deeds that fit, the newest first, older than `before`; `named` are actors whom the text names."""
    query = select(AuditRow).where(*_conditions(wanted, named)).order_by(AuditRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditRow.id < before)
    return (await tx.scalars(query)).all()


async def deeds_about(tx: Tx, account_id: UUID, after: UUID | None, limit: int) -> Sequence[AuditRow]:
    """At most `limit` deeds by or to an account, the oldest first, younger than `after`."""
    to_it = (AuditRow.target_kind == "account") & (AuditRow.target_id == account_id)
    query = select(AuditRow).where(or_(AuditRow.actor_id == account_id, to_it)).order_by(AuditRow.id).limit(limit)
    if after is not None:
        query = query.where(AuditRow.id > after)
    return (await tx.scalars(query)).all()


def _conditions(wanted: AuditFilter, named: Sequence[UUID]) -> list[ColumnElement[bool]]:
    equal = {AuditRow.actor_id: wanted.actor_id, AuditRow.target_id: wanted.target_id}
    found = [column == value for column, value in equal.items() if value is not None]
    if wanted.scope_id is not None:
        found.append(AuditRow.scope_path.contains([wanted.scope_id]))
    if wanted.action:
        found.append(AuditRow.action.startswith(wanted.action, autoescape=True))
    if wanted.address:
        found.append(AuditRow.address.startswith(wanted.address, autoescape=True))
    if wanted.since is not None:
        found.append(AuditRow.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(AuditRow.created_at < wanted.until)
    if wanted.text:
        found.append(_says(wanted.text, named))
    return found


def _says(text: str, named: Sequence[UUID]) -> ColumnElement[bool]:
    fields = (
        AuditRow.action,
        AuditRow.target_kind,
        AuditRow.address,
        AuditRow.user_agent,
        func.coalesce(AuditRow.request_id, ""),
        cast(AuditRow.details, Text),
    )
    said = [func.strpos(func.lower(field), func.lower(text)) > 0 for field in fields]
    return or_(AuditRow.actor_id.in_(named), *said)
