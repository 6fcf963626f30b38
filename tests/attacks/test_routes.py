"""Every route is attacked by everybody who is not its thing's owner: with the code's checks, and without them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from string import Formatter
from typing import Any, get_args
from urllib.parse import parse_qsl
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import text
from structlog.testing import capture_logs

from madang.catalog import installed
from madang.kernel.auth import AUTHENTICATOR, REAUTHENTICATION, Principal
from madang.kernel.db import Database, Tx
from madang.kernel.house import House
from madang.kernel.http import build_app
from tests.attacks.cast import ATTACKERS, STRANGERS, UNKNOWN, Cast
from tests.attacks.planting import GONE_MARK, MARK, SCOPE_MARK, traces
from tests.attacks.table import MAY, ROUTES, THINGS, Open, Own, Reach

pytestmark = pytest.mark.asyncio(loop_scope="module")

KNOWN_TO = {"student": [SCOPE_MARK], "suspended": [SCOPE_MARK], "manager": [SCOPE_MARK, GONE_MARK]}
"""What names attackers may know: of their organisation, and those who manage it of what was deleted beneath."""

ATTACKED = sorted(name for name, entry in ROUTES.items() if not isinstance(entry, Open))


def routes_of(app: FastAPI) -> set[str]:
    """Every route as "METHOD /path", without the types of its parameters.

    What may be switched on in the query (`?deleted=true`) is a way in of its own.
    """
    found: set[str] = set()
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            switches = [one.alias for one in route.dependant.query_params if _is_switch(one.field_info.annotation)]
            ways = [context.path_format, *(f"{context.path_format}?{name}=true" for name in switches)]
            found |= {f"{method} {way}" for method in route.methods or () for way in ways}
    return found


def _is_switch(annotation: object) -> bool:
    return bool in {annotation, *get_args(annotation)}


async def test_every_route_is_in_the_table_and_no_other(app: FastAPI) -> None:
    routes = routes_of(app)
    missing, gone = sorted(routes - set(ROUTES)), sorted(set(ROUTES) - routes)
    assert not missing, (
        f"tests/attacks/table.py does not know {missing}. Add an entry for each: Reach(…) for one that takes an id of"
        " a thing (in path, query or body), saying what each attacker is told; Own(…) for one that takes none and gives"
        " everybody their own; Open(why) for one that visitors may call."
    )
    assert not gone, f"tests/attacks/table.py describes routes that are no more: {gone}"


class Things(dict[str, str]):
    """The victim's things by the names of `THINGS`; any other name in braces is an error."""

    def __init__(self, cast: Cast) -> None:
        super().__init__({"mark": MARK})
        for name, column in THINGS.items():
            table, _, field = column.rpartition(".")
            if table in cast.things:
                self[name] = str(cast.things[table][field])


def fill(value: Any, things: Things) -> Any:
    """The value with the victim's things in place of the braces."""
    if isinstance(value, dict):
        return {name: fill(one, things) for name, one in value.items()}
    if isinstance(value, list):
        return [fill(one, things) for one in value]
    return value.format_map(things) if isinstance(value, str) else value


async def call(client: httpx.AsyncClient, cast: Cast, route: str, headers: dict[str, str]) -> httpx.Response:
    """Reach for the victim's thing."""
    method, _, way = route.partition(" ")
    path, _, switched = way.partition("?")
    entry, things = ROUTES[route], Things(cast)
    assert not isinstance(entry, Open)
    if isinstance(entry, Reach):
        things.update(fill(dict(entry.at), things))
    unknown = [name for _, name, _, _ in Formatter().parse(path) if name and name not in things]
    assert not unknown, f"{route}: say in `THINGS` or `at` what {unknown} are"
    return await client.request(
        method,
        path.format_map(things),
        json=fill(entry.json, things),
        params={**fill(dict(entry.query), things), **dict(parse_qsl(switched))},
        files=entry.files if isinstance(entry, Own) else None,
        headers=headers,
    )


def told_too_much(answer: httpx.Response, *known: str) -> list[str]:
    """What an answer holds of the victim's, but what is known to the attacker anyway."""
    said = answer.content + repr(answer.headers.raw).encode()
    marks = {MARK, SCOPE_MARK, GONE_MARK} - {*known}
    return [mark for mark in marks if mark.encode() in said and mark not in str(answer.request.url)]


def expected(route: str, attacker: str) -> set[int]:
    """The statuses that an attacker may be told."""
    entry = ROUTES[route]
    if attacker in UNKNOWN:
        return {401}
    if attacker == "key":
        return {entry.key if isinstance(entry, Reach) else 403}
    if isinstance(entry, Reach):
        return {entry.to(attacker)}
    return set(range(200, 500))


def is_tried(route: str, attacker: str) -> bool:
    """Whether it is an attack at all."""
    entry = ROUTES[route]
    if attacker not in STRANGERS:
        return True
    return entry.to(attacker) != MAY if isinstance(entry, Reach) else isinstance(entry, Own) and entry.calls


@pytest.mark.parametrize("route", ATTACKED)
async def test_nobody_reaches_what_is_the_victims(route: str, client: httpx.AsyncClient, cast: Cast) -> None:
    before = await state(cast)
    for attacker in ATTACKERS:
        if not is_tried(route, attacker):
            continue
        answer = await call(client, cast, route, cast.headers(attacker))
        assert answer.status_code in expected(route, attacker), f"{attacker}: {answer.status_code} {answer.text[:300]}"
        known = [] if attacker in {"sibling", *UNKNOWN} else [SCOPE_MARK]
        assert not told_too_much(answer, *known), f"{attacker}: {answer.text[:500]}"
    assert await state(cast) == before


async def state(cast: Cast) -> dict[str, str | None]:
    """Everything of the victim's, but the log of deeds, which is meant to grow."""
    async with cast.house.db.transaction() as tx:
        return await traces(tx, [table for table in cast.tables if table != "supervisor.audit"], cast.ids)


@pytest.fixture(params=["for the victim", "for a supervisor"])
def disguise(request: pytest.FixtureRequest, cast: Cast) -> Iterator[str]:
    """A build without the code's checks: it takes the attacker for the victim, or for a supervisor.

    Whatever it compares with who is asking fits, and PostgreSQL alone still knows who that is.
    """
    patch = pytest.MonkeyPatch()
    seen = Principal(cast.victim.account_id, is_supervisor=request.param == "for a supervisor")
    plainly = Database.transaction

    @asynccontextmanager
    async def transaction(self: Database, who: Principal | None = None) -> AsyncIterator[Tx]:
        real = None if who is None else replace(who, account_id=cast.accounts[patched["attacker"]])
        async with plainly(self, real) as tx:
            yield tx

    async def authenticate(_house: House, bearer: str) -> Principal:
        patched["attacker"] = next(name for name in STRANGERS if cast.tokens[name] == bearer)
        return seen

    patched: dict[str, str] = {}
    patch.setattr(Database, "transaction", transaction)

    async def trust(_house: House, _who: Principal) -> None:
        return

    planted = [AUTHENTICATOR.offer(authenticate), REAUTHENTICATION.offer(trust)]
    patch.setattr(cast.house.offers, "_offers", [*cast.house.offers._offers, *planted])
    with capture_logs():  # what the database refuses is an error of this build, and drawing them all is slow
        yield str(request.param)
    patch.undo()


@pytest.mark.parametrize("route", ATTACKED)
async def test_without_the_codes_checks_the_database_still_gives_nothing_away(
    route: str, disguise: str, client: httpx.AsyncClient, cast: Cast
) -> None:
    before = await state(cast)
    for attacker in STRANGERS:
        if not is_tried(route, attacker):
            continue
        answer = await call(client, cast, route, cast.headers(attacker))
        said = f"{attacker}, taken {disguise}: {answer.status_code} {answer.text[:500]}"
        assert not told_too_much(answer, *KNOWN_TO.get(attacker, ())), said
    assert await state(cast) == before


async def test_a_planted_leak_is_found(cast: Cast) -> None:
    """A route that loads by id alone, in the house's name: what all of this is there to find."""
    leaky = APIRouter()

    @leaky.get("/leak/{session_id}")
    async def leak(session_id: UUID) -> dict[str, str]:
        async with cast.house.db.transaction() as tx:
            query = text('SELECT title FROM "user".sessions WHERE id = :id')
            return {"title": await tx.scalar(query, {"id": session_id})}

    app = build_app(cast.house, installed())
    app.include_router(leaky)
    assert routes_of(app) - set(ROUTES) == {"GET /leak/{session_id}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://madang.test") as client:
        answer = await client.get(f"/leak/{cast.things['user.sessions']['id']}", headers=cast.headers("sibling"))
    assert told_too_much(answer) == [MARK]


async def test_a_change_of_the_victims_is_seen(cast: Cast) -> None:
    before = await state(cast)
    async with cast.house.db.transaction() as tx:
        change = text("UPDATE \"user\".sessions SET title = title || '!' WHERE account_id = :id")
        await tx.execute(change, {"id": cast.victim.account_id})
    after = await state(cast)
    assert [table for table in before if before[table] != after[table]] == ["user.sessions"]
