"""SCIM's requests and answers (RFC 7644); every word about HTTP stays in the routes."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from pydantic import ValidationError
from scim2_models import (
    Context,
    Error,
    ForbiddenException,
    InvalidSyntaxException,
    InvalidValueException,
    ListResponse,
    NotFoundException,
    NotImplementedException,
    PatchOp,
    PayloadTooLargeException,
    Resource,
    ResponseParameters,
    SCIMException,
    SearchRequest,
)

from madang.features.organisations.service.scim import finding, groups, people
from madang.features.organisations.service.scim.shapes import CONFIG, MOST_RESULTS, PROVIDER, Group, User
from madang.features.organisations.service.scopes import lock
from madang.features.organisations.tables import ScimGroupRow, ScimUserRow, ScopeRow
from madang.kernel.db import Tx
from madang.kernel.ids import new_id

LARGEST_BODY = 1 << 20
"""What a request has at most; an answer's own limit is `MOST_RESULTS`."""

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

type Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What another system asks. `path` begins after `/v2`, and `base` is the address up to there."""

    method: str
    path: str
    base: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """What it is answered; `location` names what was made or changed."""

    status: int
    body: Body | None = None
    location: str | None = None
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """How one type of resource is kept."""

    name: str
    model: Any
    table: Any
    resources: Callable[[Tx, Sequence[Any], str], Awaitable[Sequence[Resource[Any]]]]
    create: Callable[[Tx, ScopeRow, Any], Awaitable[Any]]
    change: Callable[[Tx, Any, Any], Awaitable[None]]
    remove: Callable[[Tx, Any], Awaitable[None]]


KINDS = {
    "Users": Kind("User", User, ScimUserRow, people.resources, people.create, people.change, people.remove),
    "Groups": Kind("Group", Group, ScimGroupRow, groups.resources, groups.create, groups.change, groups.remove),
}


async def handle(tx: Tx, organisation: ScopeRow, request: Request) -> Reply:
    """Do what is asked within the organisation, in the house's transaction. Raises `SCIMException`."""
    parts = [part for part in request.path.split("/") if part]
    if request.method in CHANGING:
        await lock(tx, organisation.id)
    with PROVIDER:
        try:
            return await _dispatch(tx, organisation, request, parts)
        except ValidationError as error:
            raise _refused(error) from error


def refusal(error: SCIMException) -> Reply:
    """The answer to a request that could not be done."""
    said = error.to_error()
    return Reply(said.status or 400, said.model_dump())


def _refused(error: ValidationError) -> SCIMException:
    found = cast("list[dict[str, Any]]", error.errors(include_url=False))
    return SCIMException.from_error(Error.from_validation_error(found[0]))


async def _dispatch(tx: Tx, organisation: ScopeRow, request: Request, parts: list[str]) -> Reply:
    match parts:
        case ["ServiceProviderConfig" | "ResourceTypes" | "Schemas", *rest] if len(rest) <= 1:
            return _describe(request, parts[0], rest[0] if rest else None)
        case ["Users" | "Groups"]:
            return await _collection(tx, organisation, request, KINDS[parts[0]])
        case ["Users" | "Groups", ".search"] if request.method == "POST":
            return await _list(tx, organisation, request, KINDS[parts[0]], _json(request))
        case ["Users" | "Groups", id_]:
            return await _one(tx, organisation, request, KINDS[parts[0]], id_)
        case [".search"] if request.method == "POST":
            raise NotImplementedException(detail="Search /Users or /Groups.")
        case ["Bulk" | "Me", *_]:
            raise NotImplementedException(detail="Not supported here; /ServiceProviderConfig says what is.")
        case _:
            raise NotFoundException(detail="There is nothing at this address.")


def _describe(request: Request, what: str, id_: str | None) -> Reply:
    """What this server is, for whoever asks (RFC 7644, section 4)."""
    if request.method != "GET":
        return _not_allowed("GET")
    if "filter" in request.query:
        raise ForbiddenException(detail="What describes the server is not filtered.")
    shown = [_located(one, what, request.base) for one in _descriptions(what)]
    if what == "ServiceProviderConfig":
        return Reply(200, shown[0])
    if id_ is None:
        return Reply(200, _listed(shown, len(shown), 1))
    for one in shown:
        if str(one.get("id", "")).casefold() == id_.casefold():
            return Reply(200, one)
    raise NotFoundException(detail="There is nothing at this address.")


def _descriptions(what: str) -> Sequence[Resource[Any]]:
    if what == "ServiceProviderConfig":
        return [CONFIG]
    if what == "ResourceTypes":
        return PROVIDER.resource_types
    return [cast("Any", model).to_schema() for model in PROVIDER.models]


def _located(one: Resource[Any], what: str, base: str) -> Body:
    body: Body = one.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    location = f"{base}/{what}" + (f"/{one.id}" if what != "ServiceProviderConfig" else "")
    kind = {"ResourceTypes": "ResourceType", "Schemas": "Schema"}.get(what, what)
    return body | {"meta": {"resourceType": kind, "location": location}}


def _listed(shown: list[Body], total: int, start: int) -> Body:
    schemas = ListResponse.__schema__
    head = {"schemas": [str(schemas)], "totalResults": total, "startIndex": start, "itemsPerPage": len(shown)}
    return head | {"Resources": shown}


async def _collection(tx: Tx, organisation: ScopeRow, request: Request, kind: Kind) -> Reply:
    if request.method == "GET":
        return await _list(tx, organisation, request, kind, dict(request.query))
    if request.method != "POST":
        return _not_allowed("GET", "POST")
    asked = kind.model.model_validate(_json(request), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    row = await kind.create(tx, organisation, asked)
    return await _shown(tx, request, kind, row, Context.RESOURCE_CREATION_RESPONSE, 201)


async def _list(tx: Tx, organisation: ScopeRow, request: Request, kind: Kind, asked: Body) -> Reply:
    wanted = SearchRequest[kind.model].model_validate(asked)  # type: ignore[name-defined]  # a type made while running
    start = wanted.start_index or 1
    count = MOST_RESULTS if wanted.count is None else min(wanted.count, MOST_RESULTS)
    found = await finding.find(tx, organisation, kind.table, wanted.filter, start - 1, count, _reader(kind, request))
    context = Context.RESOURCE_QUERY_RESPONSE
    shown = [one.model_dump(scim_ctx=context, response_parameters=wanted) for one in found.resources]
    return Reply(200, _listed(shown, found.total, start))


def _reader(kind: Kind, request: Request) -> finding.Read:
    async def read(tx: Tx, rows: Sequence[Any]) -> Sequence[Resource[Any]]:
        return await kind.resources(tx, rows, request.base)

    return read


async def _one(tx: Tx, organisation: ScopeRow, request: Request, kind: Kind, id_: str) -> Reply:
    row = await finding.one(tx, organisation, kind.table, _uuid(id_))
    if row is None:
        raise NotFoundException(detail=f"There is no such {kind.name}.")
    if request.method == "GET":
        return await _shown(tx, request, kind, row, Context.RESOURCE_QUERY_RESPONSE, 200)
    if request.method == "DELETE":
        await kind.remove(tx, row)
        return Reply(204)
    if request.method not in {"PUT", "PATCH"}:
        return _not_allowed("GET", "PUT", "PATCH", "DELETE")
    before = (await kind.resources(tx, [row], request.base))[0]
    if request.method == "PUT":
        after: Any = kind.model.model_validate(_json(request), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
        after.replace(before)
        context = Context.RESOURCE_REPLACEMENT_RESPONSE
    else:
        after, context = before, Context.RESOURCE_PATCH_RESPONSE
        operations: Any = PatchOp[kind.model].model_validate(  # type: ignore[name-defined]  # as above
            _json(request), scim_ctx=Context.RESOURCE_PATCH_REQUEST
        )
        operations.patch(after)
    await kind.change(tx, row, after)
    return await _shown(tx, request, kind, row, context, 200)


async def _shown(tx: Tx, request: Request, kind: Kind, row: Any, context: Context, status: int) -> Reply:  # noqa: ANN401  # a row of the kind
    wanted = ResponseParameters[kind.model].model_validate(  # type: ignore[name-defined]  # as above
        {name: value for name, value in request.query.items() if name in {"attributes", "excludedAttributes"}}
    )
    resource = (await kind.resources(tx, [row], request.base))[0]
    body = resource.model_dump(scim_ctx=context, response_parameters=wanted)
    return Reply(status, body, resource.meta.location if resource.meta else None)


def _json(request: Request) -> Body:
    """The body as JSON that can be kept; raises `SCIMException` for what cannot."""
    if len(request.body) > LARGEST_BODY:
        raise PayloadTooLargeException(detail=f"A request has at most {LARGEST_BODY} bytes.")
    try:
        said: Any = json.loads(request.body)
        written = json.dumps(said, ensure_ascii=False)
        written.encode()
    except (ValueError, RecursionError):
        raise InvalidSyntaxException(detail="The body is not JSON.") from None
    if not isinstance(said, dict):
        raise InvalidSyntaxException(detail="The body is not a JSON object.")
    if "\\u0000" in written:
        raise InvalidValueException(detail="A value has a character that cannot be kept.")
    return cast("Body", said)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return new_id()


def _not_allowed(*methods: str) -> Reply:
    said = Error(status=405, detail=f"This address takes {', '.join(methods)}.")
    return Reply(405, said.model_dump(), allow=methods)
