"""SCIM's users: rows to resources and back."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from scim2_models import InvalidValueException, Meta, UniquenessException
from sqlalchemy import delete, func, select

from madang.features.accounts.public import normal_email
from madang.features.organisations.service.scim.settling import deprovision, recognise, settle
from madang.features.organisations.service.scim.shapes import GroupMembership, User
from madang.features.organisations.tables import ScimGroupRow, ScimMemberRow, ScimUserRow, ScopeRow
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Invalid
from madang.kernel.ids import new_id

LONGEST_NAME = 320
KEPT = ("name", "displayName", "emails", "active")


async def resources(tx: Tx, rows: Sequence[ScimUserRow], base: str) -> list[User]:
    """The users as SCIM shows them, with their groups."""
    query = (
        select(ScimMemberRow.user_id, ScimGroupRow.id, ScimGroupRow.display_name)
        .join(ScimGroupRow, ScimGroupRow.id == ScimMemberRow.group_id)
        .where(ScimMemberRow.user_id.in_([row.id for row in rows]))
        .order_by(ScimGroupRow.id)
    )
    groups: dict[UUID, list[GroupMembership]] = {}
    for user_id, group_id, name in await tx.execute(query):
        shown = GroupMembership.model_validate(
            {"value": str(group_id), "$ref": f"{base}/Groups/{group_id}", "display": name}
        )
        groups.setdefault(user_id, []).append(shown)
    return [_resource(row, groups.get(row.id), base) for row in rows]


def _resource(row: ScimUserRow, groups: list[GroupMembership] | None, base: str) -> User:
    user = User.model_validate(row.told)
    user.id, user.external_id, user.user_name = str(row.id), row.external_id, row.user_name
    user.groups = groups
    user.meta = Meta(
        resource_type="User", created=row.created_at, last_modified=row.updated_at, location=f"{base}/Users/{row.id}"
    )
    return user


async def create(tx: Tx, organisation: ScopeRow, user: User) -> ScimUserRow:
    """Take somebody in whom the other system names; raises `SCIMException`."""
    user.active = user.active is not False
    row = ScimUserRow(id=new_id(), scope_id=organisation.id, path=list(organisation.path), account_id=None, active=True)
    await _write(tx, row, user)
    tx.add(row)
    await tx.flush()
    await recognise(tx, row)
    await settle(tx, row)
    await tx.flush()
    await tx.refresh(row)
    return row


async def change(tx: Tx, row: ScimUserRow, user: User) -> None:
    """Keep what is said of somebody now; raises `SCIMException`."""
    was, before = row.active, row.email
    await _write(tx, row, user)
    await tx.flush()
    if row.email != before:
        await recognise(tx, row)
    if row.active != was or row.email != before:
        await settle(tx, row)
    await tx.flush()
    await tx.refresh(row)


async def remove(tx: Tx, row: ScimUserRow) -> None:
    """Let go of somebody: everything that they are in the organisation ends."""
    await deprovision(tx, row)
    await tx.execute(delete(ScimUserRow).where(ScimUserRow.id == row.id))


async def _write(tx: Tx, row: ScimUserRow, user: User) -> None:
    name = (user.user_name or "").strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidValueException(detail=f"userName has 1 to {LONGEST_NAME} characters.")
    same = (ScimUserRow.scope_id == row.scope_id, func.lower(ScimUserRow.user_name) == func.lower(name))
    with tx.no_autoflush:
        if await tx.scalar(select(ScimUserRow.id).where(*same)) not in {None, row.id}:
            raise UniquenessException(detail="Another user here has this userName.")
    row.user_name, row.external_id = name, user.external_id
    row.active = user.active is not False
    row.email = _address(user)
    said: dict[str, Any] = user.model_dump()
    row.told = {key: said[key] for key in KEPT if key in said}
    row.updated_at = now()


def _address(user: User) -> str | None:
    """The address by which somebody can be known: the primary one, else the first, else the user name."""
    emails = sorted(user.emails or [], key=lambda one: not one.primary)
    said = (emails[0].value if emails else user.user_name) or ""
    try:
        return normal_email(said)
    except Invalid:
        return None
