"""What a provider's groups make of somebody: supervisor, and memberships; taken back when it says so no more."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import func, select

from madang.features.accounts import settings
from madang.features.accounts.contracts import GROUPS, WELCOME, Grant
from madang.features.accounts.service import people
from madang.features.accounts.service.oidc import authority
from madang.features.accounts.service.oidc.id_tokens import Claims
from madang.features.accounts.settings import OidcProvider
from madang.features.accounts.tables import AccountRow, IdentityRow
from madang.kernel import log
from madang.kernel.audit import Target, record
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict
from madang.kernel.house import House

logger = log.get_logger(__name__)


def groups(provider: OidcProvider, claims: Claims) -> frozenset[str]:
    """The groups that the claims name: a text, or a list of texts; anything else names none."""
    said: Any = claims.get(provider.groups_claim) if provider.groups_claim else None
    listed: list[object] = cast("list[object]", said) if isinstance(said, list) else [said]
    return frozenset(one for one in listed if isinstance(one, str))


async def apply(
    house: House, tx: Tx, row: AccountRow, identity: IdentityRow, provider: OidcProvider, named: frozenset[str]
) -> None:
    """Make the account's roles what the provider's groups say now; nothing where it is not set up to say anything."""
    if not provider.groups_claim:
        return
    await _supervise(tx, row, identity, wanted=bool(named & set(provider.supervisor_groups)))
    grants = [Grant(one.scope_id, one.role) for one in provider.memberships if one.group in named]
    await _grant(house, tx, row, provider.name, grants)


async def welcome(house: House, tx: Tx, row: AccountRow, provider: OidcProvider, email: str) -> None:
    """Let the organisation that the provider speaks for know who came, by an address that it is an authority for."""
    if provider.organisation is None or not authority.is_authoritative(provider, email):
        return
    for greet in house.offers.all(WELCOME):
        await greet(tx, row.id, provider.organisation, email)


async def withdraw(house: House, tx: Tx, row: AccountRow, identity: IdentityRow) -> None:
    """Take back everything that came by this identity; raises `Conflict` for the last supervisor."""
    if identity.made_supervisor:
        await people.keep_a_supervisor(tx, row)
        await _revoke(tx, row, identity)
    known = {one.name for one in settings.load_oidc().providers}
    if identity.provider in known:
        await _grant(house, tx, row, identity.provider, [])


async def _grant(house: House, tx: Tx, row: AccountRow, provider: str, grants: Sequence[Grant]) -> None:
    for apply_grants in house.offers.all(GROUPS):
        await apply_grants(tx, row.id, f"oidc:{provider}", grants)


async def _supervise(tx: Tx, row: AccountRow, identity: IdentityRow, *, wanted: bool) -> None:
    if wanted and not row.is_supervisor:
        row.is_supervisor = identity.made_supervisor = True
        await tx.flush()
        await record(tx, None, "accounts.supervisor_granted", Target("account", row.id), provider=identity.provider)
    elif identity.made_supervisor and not wanted:
        try:
            await people.keep_a_supervisor(tx, row)
        except Conflict:
            logger.warning("last_supervisor_kept", account_id=str(row.id), provider=identity.provider)
            return
        await _revoke(tx, row, identity)


async def _revoke(tx: Tx, row: AccountRow, identity: IdentityRow) -> None:
    """Supervisor no more, unless another identity still makes them one."""
    identity.made_supervisor = False
    await tx.flush()
    others = select(func.count()).where(IdentityRow.account_id == row.id, IdentityRow.made_supervisor.is_(True))
    if await tx.scalar(others):
        return
    row.is_supervisor = False
    await tx.flush()
    await record(tx, None, "accounts.supervisor_revoked", Target("account", row.id), provider=identity.provider)
