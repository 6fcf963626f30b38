"""Which role in which scope a group of the other system gives; an admin decides, within what they may grant."""

from uuid import UUID

import msgspec
from sqlalchemy import func, select

from madang.features.organisations.access import permit
from madang.features.organisations.contracts import Role, ScimGroup
from madang.features.organisations.service.members import permit_grant
from madang.features.organisations.service.scim.settling import settle_all
from madang.features.organisations.service.scim.tokens import permit_provisioning
from madang.features.organisations.service.scopes import lock
from madang.features.organisations.tables import ScimGroupRow, ScimMemberRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.db import Tx, act_as_house
from madang.kernel.errors import Invalid, NotFound
from madang.kernel.house import House


async def listed(tx: Tx, who: Principal, scope_id: UUID) -> list[ScimGroup]:
    """The groups that the other system named, the oldest first; raises as `permit_provisioning`."""
    scope = await permit_provisioning(tx, who, scope_id)
    query = (
        select(ScimGroupRow, func.count(ScimMemberRow.user_id))
        .outerjoin(ScimMemberRow, ScimMemberRow.group_id == ScimGroupRow.id)
        .where(ScimGroupRow.scope_id == scope.id)
        .group_by(ScimGroupRow.id)
        .order_by(ScimGroupRow.id)
    )
    return [_shown(row, count) for row, count in await tx.execute(query)]


async def give(
    house: House, who: Principal, scope_id: UUID, group_id: UUID, *, target: UUID | None, role: Role | None
) -> ScimGroup:
    """Let a group give a role in the organisation or beneath it, or none; its members have it at once.

    Raises as `permit_provisioning`, and `Forbidden` for a role that the caller could not grant there themselves.
    """
    async with house.db.transaction(who) as tx:
        scope = await permit_provisioning(tx, who, scope_id)
        await lock(tx, scope.id)
        mine = select(ScimGroupRow).where(ScimGroupRow.scope_id == scope.id, ScimGroupRow.id == group_id)
        row = await tx.scalar(mine.with_for_update())
        if row is None:
            raise NotFound("scim_group_not_found", "There is no such group.")
        if row.role is not None and row.role_scope_id is not None:
            old = await permit(tx, who, row.role_scope_id, "members.manage")
            permit_grant(who, old, msgspec.convert(row.role, Role))
        row.role, row.role_scope_id = await _permitted(tx, who, scope.id, target, role)
        await act_as_house(tx)  # the roles of the members are not all the caller's to see
        await tx.flush()
        members = (await tx.scalars(select(ScimMemberRow.user_id).where(ScimMemberRow.group_id == row.id))).all()
        await settle_all(tx, members)
        details = {"role": row.role, "role_scope_id": str(row.role_scope_id) if row.role_scope_id else None}
        await record(tx, who, "organisations.scim_group_changed", Target("scim_group", row.id, scope.path), **details)
        return _shown(row, len(members))


async def _permitted(
    tx: Tx, who: Principal, organisation_id: UUID, target: UUID | None, role: Role | None
) -> tuple[Role | None, UUID | None]:
    if target is None or role is None:
        if target is not None or role is not None:
            raise Invalid("scim_role_incomplete", "Give both a scope and a role, or neither.")
        return None, None
    scope = await permit(tx, who, target, "members.manage")
    if scope.path[0] != organisation_id:
        raise NotFound("scope_not_found", "There is no such organisation, partner or class.")
    if role == "owner":
        raise Invalid("scim_no_owners", "Owners change by transfer only. Choose another role.")
    permit_grant(who, scope, role)
    return role, scope.id


def _shown(row: ScimGroupRow, count: int) -> ScimGroup:
    role = msgspec.convert(row.role, Role) if row.role else None
    return ScimGroup(row.id, row.display_name, count, row.role_scope_id, role)
