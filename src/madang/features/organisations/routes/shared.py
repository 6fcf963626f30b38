"""What the routes of organisations have in common: shapes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, StringConstraints

from madang.features.organisations.contracts import Kind, Permission, Role, Status
from madang.features.organisations.service.scopes import Listed, removal_at

NOT_SHOWN = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
"""Control characters, separators of lines, and marks that turn the direction of what follows."""

type Line = Annotated[str, StringConstraints(max_length=200, pattern=rf"^[^{NOT_SHOWN}]*$")]
type Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=rf"^[^{NOT_SHOWN}]*[^\s{NOT_SHOWN}][^{NOT_SHOWN}]*$"),
]


class ScopeBody(BaseModel):
    """An organisation, a partner or a class, as the caller sees it.

    `path` are the scopes from the organisation down to this one. `status` is "suspended" too when one above is.
    `my_role` is the highest that holds here, null for a supervisor without one; `member_count` is null for who may not
    see members. Of one that was deleted, `removal_at` says until when it can be restored.
    """

    id: UUID
    kind: Kind
    parent_id: UUID | None
    path: list[UUID]
    name: str
    status: Status
    my_role: Role | None
    permissions: list[Permission]
    member_count: int | None
    created_at: datetime
    deleted_at: datetime | None
    removal_at: datetime | None


def shown_scope(listed: Listed) -> ScopeBody:
    """The scope as the API shows it."""
    scope = listed.scope
    return ScopeBody(
        id=scope.id,
        kind=scope.kind,
        parent_id=scope.parent_id,
        path=list(scope.path),
        name=scope.name,
        status=scope.status,
        my_role=scope.my_role,
        permissions=sorted(scope.permissions),
        member_count=listed.member_count,
        created_at=scope.created_at,
        deleted_at=scope.deleted_at,
        removal_at=removal_at(scope),
    )


def next_cursor(ids: list[UUID], limit: int) -> str | None:
    """The cursor of the next page: the last id of this one, if there is more."""
    return str(ids[limit - 1]) if len(ids) > limit else None


def address_of(request: Request) -> str:
    """Where the request comes from."""
    return request.client.host if request.client else ""
