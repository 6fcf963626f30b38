"""The tokens that other systems show; an admin of the organisation makes and withdraws them."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update

from madang.features.organisations import settings
from madang.features.organisations.access import permit
from madang.features.organisations.contracts import DIRECTORY_LIMITER, ScimToken, Scope
from madang.features.organisations.service.scopes import lock
from madang.features.organisations.tables import ScimTokenRow, ScopeRow
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, Invalid, NotFound, Unauthorized
from madang.kernel.house import House

PREFIX = "ms_"
MOST_TOKENS = 20
NOTED = timedelta(minutes=1)
"""When a token was used is kept this exactly."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The system that asks: the organisation that its token is for."""

    organisation: ScopeRow
    token_id: UUID


async def permit_provisioning(tx: Tx, who: Principal, scope_id: UUID) -> Scope:
    """The organisation, when `who` may let other systems in; raises `NotFound`, `Forbidden` and `Invalid`."""
    scope = await permit(tx, who, scope_id, "provisioning.manage")
    if scope.kind != "organisation":
        raise Invalid("scim_organisations_only", "Only an organisation is managed by another system. Choose it.")
    return scope


async def create(
    tx: Tx, who: Principal, scope_id: UUID, name: str, lifetime: timedelta | None
) -> tuple[ScimToken, str]:
    """A new token, which is shown this once; raises as `permit_provisioning`, and `Conflict`."""
    await permit_provisioning(tx, who, scope_id)
    await lock(tx, scope_id)  # whoever is put out at this moment leaves no token
    scope = await permit_provisioning(tx, who, scope_id)
    held = await tx.scalar(select(func.count()).where(ScimTokenRow.scope_id == scope.id)) or 0
    if held >= MOST_TOKENS:
        raise Conflict("scim_tokens_too_many", f"There are {MOST_TOKENS} tokens. Withdraw one that is not used.")
    token = PREFIX + secrets.token_urlsafe(32)
    row = ScimTokenRow(
        scope_id=scope.id,
        path=list(scope.path),
        name=name.strip(),
        token_hash=_hash(token),
        created_by=who.account_id,
        expires_at=now() + lifetime if lifetime else None,
    )
    tx.add(row)
    await tx.flush()
    await tx.refresh(row)
    await record(tx, who, "organisations.scim_token_made", Target("scim_token", row.id, scope.path), name=row.name)
    return _shown(row), token


async def listed(tx: Tx, who: Principal, scope_id: UUID) -> list[ScimToken]:
    """The organisation's tokens, the oldest first; raises as `permit_provisioning`."""
    scope = await permit_provisioning(tx, who, scope_id)
    query = select(ScimTokenRow).where(ScimTokenRow.scope_id == scope.id).order_by(ScimTokenRow.id)
    return [_shown(row) for row in await tx.scalars(query)]


async def withdraw(tx: Tx, who: Principal, scope_id: UUID, token_id: UUID) -> None:
    """End a token; raises as `permit_provisioning`."""
    scope = await permit_provisioning(tx, who, scope_id)
    mine = delete(ScimTokenRow).where(ScimTokenRow.scope_id == scope.id, ScimTokenRow.id == token_id)
    name = await tx.scalar(mine.returning(ScimTokenRow.name))
    if name is None:
        raise NotFound("scim_token_not_found", "There is no such token.")
    await record(tx, who, "organisations.scim_token_withdrawn", Target("scim_token", token_id, scope.path), name=name)


async def authenticate(tx: Tx, scope_id: UUID, token: str) -> Caller:
    """The caller of a token, in the house's transaction; raises `Unauthorized` when it is not this organisation's.

    Nor does a suspended or deleted organisation let anybody in.
    """
    good = (
        ScimTokenRow.scope_id == scope_id,
        ScimTokenRow.token_hash == _hash(token),
        or_(ScimTokenRow.expires_at.is_(None), ScimTokenRow.expires_at > now()),
    )
    query = select(ScimTokenRow, ScopeRow).join(ScopeRow, ScopeRow.id == ScimTokenRow.scope_id)
    found = (await tx.execute(query.where(*good, ScopeRow.status == "active", ScopeRow.deleted_at.is_(None)))).first()
    if found is None:
        raise Unauthorized("scim_token_invalid", "The token is not good here. Make a new one in the organisation.")
    row, organisation = found[0], found[1]
    if row.last_used_at is None or now() - row.last_used_at > NOTED:
        await tx.execute(update(ScimTokenRow).where(ScimTokenRow.id == row.id).values(last_used_at=now()))
    return Caller(organisation, row.id)


async def limit(house: House, caller: Caller) -> list[tuple[bytes, bytes]]:
    """Count a request of a token; the headers that say what is left. Raises `TooMany` (rate_limited)."""
    most = settings.load().scim_requests_per_minute
    limits = house.offers.all(DIRECTORY_LIMITER) if most else []
    return [header for limit in limits for header in await limit(house, caller.token_id, most)]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _shown(row: ScimTokenRow) -> ScimToken:
    return ScimToken(row.id, row.name, row.expires_at, row.last_used_at, row.created_at)
