"""What another system's word makes of somebody here: memberships in the organisation's own tree, and nothing else.

A named person is nobody's account until the address is proved: by an account that belongs here already and has
verified it, or by signing in at the provider that speaks for the organisation.
"""

from collections.abc import Iterable
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update

from madang.features.accounts.public import Grant, account_by_email, verified_email
from madang.features.organisations.contracts import RANK, Role
from madang.features.organisations.service.joining import apply_grants, lock_all, take_out
from madang.features.organisations.service.scopes import lock
from madang.features.organisations.tables import MembershipRow, ScimGroupRow, ScimMemberRow, ScimUserRow
from madang.kernel.audit import Target, record
from madang.kernel.clock import now
from madang.kernel.db import Tx

BASE: Role = "student"
"""What everybody whom the other system names is in the organisation, at least."""


def source(organisation_id: UUID) -> str:
    """How memberships are marked that come from the organisation's other system."""
    return f"scim:{organisation_id}"


async def settle(tx: Tx, user: ScimUserRow) -> None:
    """Make the memberships of somebody what the other system says now; nothing for whoever is not known here yet."""
    if user.account_id is None:
        return
    if user.active:
        await _readmit(tx, user)
        await apply_grants(tx, user.account_id, source(user.scope_id), await _grants(tx, user))
    else:
        await apply_grants(tx, user.account_id, source(user.scope_id), [])
        await _put_to_rest(tx, user)


async def settle_all(tx: Tx, user_ids: Iterable[UUID]) -> None:
    """Settle each of them, in one order, so that two who do so never wait for each other."""
    query = select(ScimUserRow).where(ScimUserRow.id.in_(set(user_ids)), ScimUserRow.account_id.is_not(None))
    for user in (await tx.scalars(query.order_by(ScimUserRow.id))).all():
        await settle(tx, user)


async def _grants(tx: Tx, user: ScimUserRow) -> list[Grant]:
    """The highest role of each scope that the groups give."""
    query = (
        select(ScimGroupRow.role_scope_id, ScimGroupRow.role)
        .join(ScimMemberRow, ScimMemberRow.group_id == ScimGroupRow.id)
        .where(ScimMemberRow.user_id == user.id, ScimGroupRow.role.is_not(None))
        .where(ScimGroupRow.role_scope_id.is_not(None))
    )
    best: dict[UUID, Role] = {user.scope_id: BASE}
    for scope_id, said in await tx.execute(query):
        given = msgspec.convert((scope_id, said), tuple[UUID, Role])
        if given[0] not in best or RANK[given[1]] > RANK[best[given[0]]]:
            best[given[0]] = given[1]
    return [Grant(scope_id, role) for scope_id, role in best.items()]


async def _put_to_rest(tx: Tx, user: ScimUserRow) -> None:
    """Suspend what somebody still is here by other ways; an owner stays, whom only a transfer replaces."""
    here = (MembershipRow.account_id == user.account_id, MembershipRow.path.contains([user.scope_id]))
    running = (MembershipRow.status == "active", MembershipRow.role != "owner")
    await lock_all(tx, (await tx.scalars(select(MembershipRow.scope_id).where(*here, *running))).all())
    rest = update(MembershipRow).where(*here, *running).values(status="suspended").returning(MembershipRow.id)
    suspended = (await tx.scalars(rest)).all()
    user.suspended = [*user.suspended, *suspended]
    await _note(tx, user, "organisations.member_deprovisioned", len(suspended))


async def _readmit(tx: Tx, user: ScimUserRow) -> None:
    """Take back what `_put_to_rest` did, and nothing that somebody else did."""
    if not user.suspended:
        return
    back = update(MembershipRow).where(
        MembershipRow.account_id == user.account_id, MembershipRow.id.in_(user.suspended)
    )
    await tx.execute(back.values(status="active"))
    await _note(tx, user, "organisations.member_provisioned", len(user.suspended))
    user.suspended = []


async def deprovision(tx: Tx, user: ScimUserRow) -> None:
    """End everything that somebody is in the organisation and beneath it, but its owner."""
    if user.account_id is None:
        return
    here = (MembershipRow.account_id == user.account_id, MembershipRow.path.contains([user.scope_id]))
    await lock_all(tx, (await tx.scalars(select(MembershipRow.scope_id).where(*here))).all())
    rows = (await tx.scalars(select(MembershipRow).where(*here, MembershipRow.role != "owner"))).all()
    for row in rows:
        await take_out(tx, row)
    await _note(tx, user, "organisations.member_deprovisioned", len(rows))


async def _note(tx: Tx, user: ScimUserRow, action: str, memberships: int) -> None:
    target = Target("account", user.account_id, tuple(user.path))
    await record(tx, None, action, target, source=source(user.scope_id), memberships=memberships)


async def recognise(tx: Tx, user: ScimUserRow) -> None:
    """Link somebody to the account that belongs here already and has verified the same address."""
    account = await account_by_email(tx, user.email) if user.email and user.account_id is None else None
    if account is None or await verified_email(tx, account.id) != user.email:
        return
    here = (MembershipRow.account_id == account.id, MembershipRow.path.contains([user.scope_id]))
    if await tx.scalar(select(func.count()).where(*here)):
        await _link(tx, user, account.id)


async def is_expected(tx: Tx, organisation_id: UUID, email: str) -> bool:
    """Whether the other system of an organisation names somebody with this address as active."""
    return any(user.active for user in await _unknown(tx, organisation_id, email))


async def welcome(tx: Tx, account_id: UUID, organisation_id: UUID, email: str) -> None:
    """Take an account for the person with this address, who has just proved it; nothing when nobody is named so."""
    await lock(tx, organisation_id)
    for user in await _unknown(tx, organisation_id, email):
        await _link(tx, user, account_id)
        await settle(tx, user)


async def _unknown(tx: Tx, organisation_id: UUID, email: str) -> list[ScimUserRow]:
    query = select(ScimUserRow).where(
        ScimUserRow.scope_id == organisation_id, ScimUserRow.email == email, ScimUserRow.account_id.is_(None)
    )
    return list((await tx.scalars(query.order_by(ScimUserRow.id).limit(1))).all())


async def _link(tx: Tx, user: ScimUserRow, account_id: UUID) -> None:
    """Link them, unless the account is another named person already."""
    other = select(ScimUserRow.id).where(ScimUserRow.scope_id == user.scope_id, ScimUserRow.account_id == account_id)
    if await tx.scalar(other) is None:
        user.account_id, user.updated_at = account_id, now()
        await tx.flush()


async def on_joined(tx: Tx, account_id: UUID, organisation_id: UUID) -> None:
    """Link whoever became a member by other ways, if their verified address is named."""
    email = await verified_email(tx, account_id)
    if email is not None:
        await welcome(tx, account_id, organisation_id, email)


async def on_left(tx: Tx, account_id: UUID, organisation_id: UUID) -> None:
    """Forget whose account somebody is who left by themselves; who proves the address again comes back."""
    here = (MembershipRow.account_id == account_id, MembershipRow.scope_id == organisation_id)
    if await tx.scalar(select(func.count()).where(*here)):
        return
    mine = (ScimUserRow.account_id == account_id, ScimUserRow.scope_id == organisation_id)
    await tx.execute(update(ScimUserRow).where(*mine, ScimUserRow.active.is_(True)).values(account_id=None))


async def forget(tx: Tx, account_id: UUID) -> None:
    """Let go of whose account somebody was; what the directory says of them is the organisation's own."""
    await tx.execute(update(ScimUserRow).where(ScimUserRow.account_id == account_id).values(account_id=None))
