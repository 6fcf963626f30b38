"""SCIM 2.0 for other systems, and the tokens and roles that an organisation's admins give them."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from madang.features.organisations.contracts import Role, ScimGroup, ScimToken
from madang.features.organisations.routes.shared import Name
from madang.features.organisations.service.scim import roles, tokens
from madang.kernel.errors import Problem
from madang.kernel.http import ADDED, NUMBER, HouseDep, ReadTx, Reauthenticated, Strict, Who, WriteTx
from madang.kernel.problems import problems

SCIM = "application/scim+json"
LARGEST_BODY = 1 << 20
PATH = "/scopes/{scope_id:uuid}/scim/v2"

type Days = Annotated[int, Field(ge=1, le=3650), NUMBER]

router = APIRouter(prefix="/scopes/{scope_id:uuid}", tags=["organisations"])
protocol_router = APIRouter(prefix=PATH, tags=["scim"], include_in_schema=False)


class TokenBody(Strict):
    """A token to make; without days it is good until it is withdrawn."""

    name: Name
    expires_in_days: Days | None = None


class NewToken(BaseModel):
    """A token that was just made, with itself and the address for the other system, which are shown only now."""

    id: UUID
    name: str
    token: str
    url: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class GroupRole(Strict):
    """The role that members of a group have, and where; null in both takes it back."""

    scope_id: UUID | None = None
    role: Role | None = None


@router.get("/scim-tokens", responses=problems(401, 403, 404))
async def list_scim_tokens(tx: ReadTx, who: Who, scope_id: UUID) -> list[ScimToken]:
    """List the tokens by which other systems manage the organisation's people."""
    return await tokens.listed(tx, who, scope_id)


@router.post("/scim-tokens", status_code=201, responses=problems(401, 403, 404, 409))
async def create_scim_token(
    house: HouseDep, request: Request, who: Reauthenticated, tx: WriteTx, scope_id: UUID, body: TokenBody
) -> NewToken:
    """Make a token for a system that manages the organisation's people by SCIM 2.0, shown only in this answer."""
    lifetime = timedelta(days=body.expires_in_days) if body.expires_in_days else None
    made, token = await tokens.create(tx, who, scope_id, body.name, lifetime)
    return NewToken(token=token, url=_base(house, request, scope_id), **asdict(made))


@router.delete("/scim-tokens/{token_id:uuid}", status_code=204, responses=problems(401, 403, 404))
async def withdraw_scim_token(tx: WriteTx, who: Who, scope_id: UUID, token_id: UUID) -> None:
    """End a token; what it brought about stays."""
    await tokens.withdraw(tx, who, scope_id, token_id)


@router.get("/scim-groups", responses=problems(401, 403, 404))
async def list_scim_groups(tx: ReadTx, who: Who, scope_id: UUID) -> list[ScimGroup]:
    """List the groups that the other system named, and the roles that they give."""
    return await roles.listed(tx, who, scope_id)


@router.put("/scim-groups/{group_id:uuid}", responses=problems(401, 403, 404))
async def put_scim_group(
    house: HouseDep, who: Reauthenticated, scope_id: UUID, group_id: UUID, body: GroupRole
) -> ScimGroup:
    """Let a group's members have a role below one's own in the organisation or beneath it, or none."""
    return await roles.give(house, who, scope_id, group_id, target=body.scope_id, role=body.role)


@protocol_router.api_route(
    "/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], openapi_extra={"x-body": "streamed"}
)
async def scim(house: HouseDep, request: Request, scope_id: UUID, path: str) -> Response:
    """Serve another system, which shows a token of the organisation."""
    from scim2_models import SCIMException  # noqa: PLC0415  # a large library, and few houses have such systems

    from madang.features.organisations.service.scim import protocol  # noqa: PLC0415  # the same

    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token if scheme.lower() == "bearer" else ""
    try:
        async with house.db.transaction() as tx:
            known = await tokens.authenticate(tx, scope_id, token)
        request.scope[ADDED] = await tokens.limit(house, known)
        body = await _body(request)
        async with house.db.transaction() as tx:
            caller = await tokens.authenticate(tx, scope_id, token)  # once more: it may have ended meanwhile
            base = _base(house, request, scope_id)
            asked = protocol.Request(request.method, path, base, dict(request.query_params), body)
            reply = await protocol.handle(tx, caller.organisation, asked)
    except SCIMException as error:
        reply = protocol.refusal(error)
    except Problem as problem:
        return _problem(problem)
    headers = {"Location": reply.location} if reply.location else {}
    if reply.allow:
        headers["Allow"] = ", ".join(reply.allow)
    content = msgspec.json.encode(reply.body) if reply.body is not None else None
    return Response(content, reply.status, headers, SCIM)


async def _body(request: Request) -> bytes:
    """What was sent, or the first part too much of it."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            break
    return body


def _problem(problem: Problem) -> Response:
    """Our own refusals in the shape of SCIM's."""
    said = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": str(problem.status),
        "detail": problem.detail,
    }
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else problem.headers
    return Response(msgspec.json.encode(said), problem.status, headers, SCIM)


def _base(house: HouseDep, request: Request, scope_id: UUID) -> str:
    root = house.settings.public_url or str(request.base_url).rstrip("/")
    return f"{root}/api/v1{PATH.replace('{scope_id:uuid}', str(scope_id))}"
