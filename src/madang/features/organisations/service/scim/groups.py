"""SCIM's groups: rows to resources and back, and the roles that an admin gives to them."""

from collections.abc import Sequence
from uuid import UUID

from scim2_models import InvalidValueException, Meta
from sqlalchemy import delete, insert, select

from madang.features.organisations.service.scim.settling import settle_all
from madang.features.organisations.service.scim.shapes import Group, GroupMember
from madang.features.organisations.tables import ScimGroupRow, ScimMemberRow, ScimUserRow, ScopeRow
from madang.kernel.clock import now
from madang.kernel.db import Tx

LONGEST_NAME = 320
MOST_MEMBERS = 20_000


async def resources(tx: Tx, rows: Sequence[ScimGroupRow], base: str) -> list[Group]:
    """The groups as SCIM shows them, with their members."""
    query = (
        select(ScimMemberRow.group_id, ScimMemberRow.user_id)
        .where(ScimMemberRow.group_id.in_([row.id for row in rows]))
        .order_by(ScimMemberRow.user_id)
    )
    members: dict[UUID, list[GroupMember]] = {}
    for group_id, user_id in await tx.execute(query):
        shown = GroupMember.model_validate({"value": str(user_id), "$ref": f"{base}/Users/{user_id}"})
        members.setdefault(group_id, []).append(shown)
    return [_resource(row, members.get(row.id), base) for row in rows]


def _resource(row: ScimGroupRow, members: list[GroupMember] | None, base: str) -> Group:
    group = Group(id=str(row.id), external_id=row.external_id, display_name=row.display_name, members=members)
    group.meta = Meta(
        resource_type="Group", created=row.created_at, last_modified=row.updated_at, location=f"{base}/Groups/{row.id}"
    )
    return group


async def create(tx: Tx, organisation: ScopeRow, group: Group) -> ScimGroupRow:
    """A new group; it gives no role before an admin says which. Raises `SCIMException`."""
    row = ScimGroupRow(scope_id=organisation.id, path=list(organisation.path), role=None, role_scope_id=None)
    _write(row, group)
    tx.add(row)
    await tx.flush()
    await _put_members(tx, row, group)
    await tx.refresh(row)
    return row


async def change(tx: Tx, row: ScimGroupRow, group: Group) -> None:
    """Keep what is said of a group now, and settle whoever came or went; raises `SCIMException`."""
    _write(row, group)
    await tx.flush()
    await settle_all(tx, await _put_members(tx, row, group))
    await tx.flush()
    await tx.refresh(row)


async def remove(tx: Tx, row: ScimGroupRow) -> None:
    """Let go of a group and of the roles that it gave."""
    members = (await tx.scalars(select(ScimMemberRow.user_id).where(ScimMemberRow.group_id == row.id))).all()
    await tx.execute(delete(ScimGroupRow).where(ScimGroupRow.id == row.id))
    await settle_all(tx, members)


def _write(row: ScimGroupRow, group: Group) -> None:
    name = (group.display_name or "").strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidValueException(detail=f"displayName has 1 to {LONGEST_NAME} characters.")
    row.display_name, row.external_id, row.updated_at = name, group.external_id, now()


async def _put_members(tx: Tx, row: ScimGroupRow, group: Group) -> set[UUID]:
    """Make these the members; returns whoever came or went."""
    wanted = await _known(tx, row, group)
    held = set((await tx.scalars(select(ScimMemberRow.user_id).where(ScimMemberRow.group_id == row.id))).all())
    gone, new = held - wanted, wanted - held
    if gone:
        mine = (ScimMemberRow.group_id == row.id, ScimMemberRow.user_id.in_(gone))
        await tx.execute(delete(ScimMemberRow).where(*mine))
    if new:
        rows = [{"group_id": row.id, "user_id": user_id, "path": row.path} for user_id in new]
        await tx.execute(insert(ScimMemberRow), rows)
    return gone | new


async def _known(tx: Tx, row: ScimGroupRow, group: Group) -> set[UUID]:
    members = group.members or []
    if len(members) > MOST_MEMBERS:
        raise InvalidValueException(detail=f"A group has at most {MOST_MEMBERS} members.")
    try:
        wanted = {UUID(member.value or "") for member in members}
    except ValueError:
        raise InvalidValueException(detail="A member's value is the id of a user.") from None
    query = select(ScimUserRow.id).where(ScimUserRow.scope_id == row.scope_id, ScimUserRow.id.in_(wanted))
    if len((await tx.scalars(query)).all()) != len(wanted):
        raise InvalidValueException(detail="There is no such user to be a member.")
    return wanted
