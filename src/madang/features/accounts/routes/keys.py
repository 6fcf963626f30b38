"""The caller's API keys."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, Field

from madang.features.accounts.contracts import ApiKey
from madang.features.accounts.routes.shared import Line
from madang.features.accounts.service import keys, recovery
from madang.features.accounts.service.desk import open_desk
from madang.kernel.auth import SUPERVISING, is_beyond_keys
from madang.kernel.http import (
    NUMBER,
    HouseDep,
    Page,
    ReadTx,
    Reauthenticated,
    Strict,
    Who,
    get_principal,
    needed_permission,
)
from madang.kernel.problems import problems

router = APIRouter(prefix="/users/me/keys", tags=["users"])

type Days = Annotated[int, Field(ge=1, le=3650), NUMBER]
type Permission = Annotated[str, Field(min_length=1, max_length=100)]


class KeyBody(Strict):
    """A key to make."""

    name: Line = Field(min_length=1)
    permissions: list[Permission] = Field(
        min_length=1, max_length=200, description="From `GET /users/me/keys/permissions`, such as `chat:write`."
    )
    expires_in_days: Days | None = None


class NewKey(BaseModel):
    """A key that was just made, with its secret, which is shown only now."""

    id: UUID
    key: str
    name: str
    prefix: str
    permissions: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class KeyPermissions(BaseModel):
    """What a key can be granted: `<part of the API>:read` or `:write`, and for supervisors their powers."""

    permissions: list[str]


def key_permissions(app: FastAPI) -> list[str]:
    """Every permission that a key can be given, from the routes that ask who is there."""
    routes = [found.original_route for found in iter_route_contexts(app.routes)]
    asking = [route for route in routes if isinstance(route, APIRoute) and _asks_who(route.dependant)]
    needed = {needed_permission(route, method) for route in asking for method in route.methods or ()}
    return sorted(one for one in needed if one is not None and not is_beyond_keys(one))


def _asks_who(dependant: Dependant) -> bool:
    return dependant.call is get_principal or any(_asks_who(part) for part in dependant.dependencies)


async def _grantable(request: Request, who: Who) -> list[str]:
    """Every permission that the caller can give to a key, from the routes there are."""
    found: list[str] | None = getattr(request.app.state, "key_permissions", None)
    if found is None:
        found = request.app.state.key_permissions = key_permissions(request.app)
    return [*found, SUPERVISING] if who.is_supervisor else found


Grantable = Annotated[list[str], Depends(_grantable)]


@router.get("/permissions", responses=problems(401))
async def list_key_permissions(grantable: Grantable) -> KeyPermissions:
    """List what a key can be granted. Signing in, accounts and keys themselves are never open to a key."""
    return KeyPermissions(permissions=grantable)


@router.get("", responses=problems(401))
async def list_keys(tx: ReadTx, who: Who) -> Page[ApiKey]:
    """List the caller's keys, the newest first; there are fifty at most, so this is always the only page."""
    return Page(items=await keys.listed(tx, who))


@router.post("", status_code=201, responses=problems(401, 403, 409))
async def create_key(house: HouseDep, who: Reauthenticated, body: KeyBody, grantable: Grantable) -> NewKey:
    """Make a key that acts as the caller within its permissions. The key is shown only in this answer."""
    lifetime = timedelta(days=body.expires_in_days) if body.expires_in_days else None
    wanted = keys.Wanted(body.name, body.permissions, lifetime)
    async with house.db.transaction(who) as tx:
        made, secret = await keys.create(tx, who, wanted, grantable)
        await recovery.tell_owner(house, tx, who, "key_created")
    return NewKey(key=secret, **asdict(made))


@router.delete("/{key_id:uuid}", status_code=204, responses=problems(401, 404))
async def end_key(house: HouseDep, who: Who, key_id: UUID) -> None:
    """End a key. It stops working at once here, and within three seconds in every other process."""
    async with house.db.transaction(who) as tx:
        await keys.end(tx, who, key_id)
    (await house.resource(open_desk)).forget_account(who.account_id)
