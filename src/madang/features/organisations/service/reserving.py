"""Codes that somebody registers with who has not proved the address yet: used up at once, and taken later.

Whoever registers where addresses have to be proved may be anybody. So that neither the holder of the code nor those who
see the members learn whether an address has an account, the code is used up alike and nobody is a member before the
owner of the address has shown up: by proving it, or by taking the code once signed in.
"""

import msgspec
from sqlalchemy import func, select

from madang.features.accounts.public import Account, account_by_email
from madang.features.organisations.contracts import RANK, Role
from madang.features.organisations.service.invites import find, permit_address, permit_use
from madang.features.organisations.service.joining import Place, enrol
from madang.features.organisations.service.scopes import lock
from madang.features.organisations.tables import InviteRow, MembershipRow, RedemptionRow, ScopeRow
from madang.kernel.db import Tx
from madang.kernel.house import House


async def reserve(house: House, tx: Tx, email: str, code: str) -> None:
    """Use a code up for the owner of an address, who can take it from then on.

    What this raises depends on the code and the address alone, not on whether that had an account before: `NotFound`,
    `Conflict` and `Forbidden` as `invites.redeem`.
    """
    row, scope = await find(house, tx, code)
    await lock(tx, scope.id)
    await tx.refresh(row, with_for_update=True)
    permit_address(row, email)
    await permit_use(tx, row)
    row.used_count += 1
    account = await account_by_email(tx, email)
    if account is not None and await tx.get(RedemptionRow, (row.id, account.id)) is None:
        tx.add(RedemptionRow(invite_id=row.id, scope_id=scope.id, account_id=account.id, is_reserved=True))
    await tx.flush()


async def take_reserved(tx: Tx, account: Account) -> None:
    """Make somebody who has just proved the address a member by the codes that are reserved for them.

    What was withdrawn, suspended or deleted meanwhile is passed over, and so is whoever ranks as high already.
    """
    mine = (RedemptionRow.account_id == account.id, RedemptionRow.is_reserved.is_(True))
    reserved = select(RedemptionRow, InviteRow, ScopeRow).where(*mine).order_by(ScopeRow.id)
    reserved = reserved.join(InviteRow, InviteRow.id == RedemptionRow.invite_id)
    for redemption, invite, scope in (
        await tx.execute(reserved.join(ScopeRow, ScopeRow.id == InviteRow.scope_id))
    ).all():
        await lock(tx, scope.id)
        await tx.refresh(redemption, with_for_update=True)
        is_open = invite.revoked_at is None and await tx.scalar(select(func.partner.state_of(invite.path))) == "active"
        if redemption.is_reserved and is_open:
            redemption.is_reserved = False
            await _take(tx, account, invite, scope)


async def _take(tx: Tx, account: Account, invite: InviteRow, scope: ScopeRow) -> None:
    held = select(MembershipRow).where(MembershipRow.scope_id == scope.id, MembershipRow.account_id == account.id)
    member, role = await tx.scalar(held), msgspec.convert(invite.role, Role)
    if member is None or (member.status == "active" and RANK[msgspec.convert(member.role, Role)] < RANK[role]):
        await enrol(tx, account.id, scope, Place(role, "invite"), member)
