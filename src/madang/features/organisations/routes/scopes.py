"""Organisations, and the tree beneath each."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from madang.features.organisations.queries import Wanted
from madang.features.organisations.routes.shared import Line, Name, ScopeBody, next_cursor, shown_scope
from madang.features.organisations.service import scopes
from madang.kernel.http import HouseDep, Limit, Page, ReadTx, Strict, Who, WriteTx
from madang.kernel.problems import problems

organisations = APIRouter(prefix="/organisations", tags=["organisations"])
router = APIRouter(prefix="/scopes", tags=["organisations"])

type Deleted = Annotated[bool, Query(description="What was deleted, in place of what stands.")]


class NewOrganisation(Strict):
    """An organisation to found. A supervisor may name the account that owns it; otherwise it is the caller's."""

    name: Name
    owner_email: str | None = Field(default=None, max_length=320)


class NewChild(Strict):
    """A partner or a class to make."""

    kind: Literal["partner", "class"]
    name: Name


class ScopeChange(Strict):
    """A new name."""

    name: Name


@organisations.get("/", responses=problems(401))
async def list_organisations(
    tx: ReadTx,
    who: Who,
    q: Line | None = None,
    deleted: Deleted = False,  # noqa: FBT002  # a query parameter
    cursor: UUID | None = None,
    limit: Limit = 50,
) -> Page[ScopeBody]:
    """List one's own organisations, all for a supervisor, the oldest first; `q` searches names.

    `deleted` lists those instead that can still be restored, for their owners and supervisors.
    """
    return _page(await scopes.listed(tx, who, _wanted(limit, cursor, q, deleted=deleted)), limit)


@organisations.post("/", status_code=201, responses=problems(401, 403))
async def create_organisation(house: HouseDep, who: Who, body: NewOrganisation) -> ScopeBody:
    """Found an organisation, for supervisors, or for everybody where the operator allows it."""
    return shown_scope(await scopes.found(house, who, body.name, body.owner_email))


@router.get("/{scope_id:uuid}", responses=problems(401, 403, 404))
async def get_scope(tx: ReadTx, who: Who, scope_id: UUID) -> ScopeBody:
    """Show an organisation, partner or class to whoever has a role in it or above it."""
    return shown_scope(await scopes.one(tx, who, scope_id))


@router.put("/{scope_id:uuid}", responses=problems(401, 403, 404))
async def put_scope(tx: WriteTx, who: Who, scope_id: UUID, body: ScopeChange) -> ScopeBody:
    """Give it another name."""
    return shown_scope(await scopes.rename(tx, who, scope_id, body.name))


@router.delete("/{scope_id:uuid}", status_code=204, responses=problems(401, 403, 404))
async def delete_scope(tx: WriteTx, who: Who, scope_id: UUID) -> None:
    """Delete it with all that lies beneath. It can be restored for some days, thirty unless the operator changed it."""
    await scopes.remove(tx, who, scope_id)


@router.post("/{scope_id:uuid}/restore", responses=problems(401, 403, 404, 409))
async def restore_scope(tx: WriteTx, who: Who, scope_id: UUID) -> ScopeBody:
    """Take its deletion back."""
    return shown_scope(await scopes.restore(tx, who, scope_id))


@router.post("/{scope_id:uuid}/suspend", responses=problems(401, 403, 404))
async def suspend_scope(tx: WriteTx, who: Who, scope_id: UUID) -> ScopeBody:
    """Halt it and all that lies beneath: its members still see it, and nothing works inside."""
    return shown_scope(await scopes.suspend(tx, who, scope_id))


@router.post("/{scope_id:uuid}/resume", responses=problems(401, 403, 404))
async def resume_scope(tx: WriteTx, who: Who, scope_id: UUID) -> ScopeBody:
    """Let it go on."""
    return shown_scope(await scopes.resume(tx, who, scope_id))


@router.get("/{scope_id:uuid}/children", responses=problems(401, 403, 404))
async def list_children(
    tx: ReadTx,
    who: Who,
    scope_id: UUID,
    deleted: Deleted = False,  # noqa: FBT002  # a query parameter
    cursor: UUID | None = None,
    limit: Limit = 50,
) -> Page[ScopeBody]:
    """List what lies directly beneath, the oldest first.

    `deleted` lists instead what can still be restored, for those who may do that.
    """
    return _page(await scopes.children(tx, who, scope_id, _wanted(limit, cursor, deleted=deleted)), limit)


@router.post("/{scope_id:uuid}/children", status_code=201, responses=problems(401, 403, 404))
async def create_child(tx: WriteTx, who: Who, scope_id: UUID, body: NewChild) -> ScopeBody:
    """Make a partner or a class beneath an organisation, or a class beneath a partner."""
    return shown_scope(await scopes.create_child(tx, who, scope_id, body.kind, body.name))


def _wanted(limit: int, after: UUID | None, sought: str | None = None, *, deleted: bool) -> Wanted:
    return Wanted(limit + 1, after, sought, scopes.restorable_since() if deleted else None)


def _page(found: list[scopes.Listed], limit: int) -> Page[ScopeBody]:
    ids = [one.scope.id for one in found]
    return Page(items=[shown_scope(one) for one in found[:limit]], next_cursor=next_cursor(ids, limit))
