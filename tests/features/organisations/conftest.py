"""A small world: two organisations with partners and classes, and somebody in every role."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from madang.catalog import installed
from madang.features.organisations import settings
from madang.features.organisations.module import Organisations
from madang.features.organisations.tables import MembershipRow, ScopeRow
from madang.kernel.auth import AUTHENTICATOR, REAUTHENTICATION, Principal
from madang.kernel.db import Tx
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.ids import new_id
from madang.kernel.module import Module, Offer, Offers

ACCOUNT = text(
    'INSERT INTO "user".accounts (id, email, name, password_hash, is_supervisor)'
    " VALUES (:id, :email, :name, '', :is_supervisor)"
)


@dataclass
class World:
    """Scopes and people by short names: "a" is an organisation, "a.p" its partner, "a.p.c" a class of that."""

    house: House
    scopes: dict[str, ScopeRow] = field(default_factory=dict)
    people: dict[str, Principal] = field(default_factory=dict)
    members: dict[tuple[str, str], MembershipRow] = field(default_factory=dict)

    def id(self, scope: str) -> UUID:
        return self.scopes[scope].id

    async def somebody(self, name: str, *, is_supervisor: bool = False) -> Principal:
        who = Principal(new_id(), is_supervisor=is_supervisor)
        async with self.house.db.transaction() as tx:
            email = f"{name.replace(' ', '-')}-{secrets.token_hex(5)}@example.org"
            row = {"id": who.account_id, "email": email, "name": name, "is_supervisor": is_supervisor}
            await tx.execute(ACCOUNT, row)
        self.people[name] = who
        return who

    async def scope(self, name: str, kind: str) -> ScopeRow:
        above = self.scopes.get(name.rpartition(".")[0])
        id_ = new_id()
        row = ScopeRow(
            id=id_,
            kind=kind,
            parent_id=above.id if above else None,
            path=[*(above.path if above else []), id_],
            name=name,
        )
        async with self.house.db.transaction() as tx:
            tx.add(row)
        self.scopes[name] = row
        return row

    async def member(self, name: str, scope: str, role: str, status: str = "active") -> MembershipRow:
        who = self.people.get(name) or await self.somebody(name)
        at = self.scopes[scope]
        row = MembershipRow(
            scope_id=at.id, path=at.path, account_id=who.account_id, role=role, status=status, source="test"
        )
        async with self.house.db.transaction() as tx:
            tx.add(row)
        self.members[name, scope] = row
        return row

    async def renew(self) -> None:
        """Only two organisations, each with an owner, and eight people who belong nowhere but the first."""
        self.scopes, self.people, self.members = {}, {}, {}
        for name, kind in {
            "a": "organisation",
            "a.p": "partner",
            "a.q": "partner",
            "a.p.c": "class",
            "b": "organisation",
            "b.p": "partner",
        }.items():
            await self.scope(name, kind)
        for number in range(8):
            await self.somebody(f"person {number}")
        await self.somebody("owner of b")
        await self.member("person 0", "a", "owner")
        await self.member("owner of b", "b", "owner")

    async def run(self, statement: str, **values: object) -> None:
        """Change the world behind everybody's back."""
        async with self.house.db.transaction() as tx:
            await tx.execute(text(statement), values)

    async def as_(self, name: str, work: Callable[[Tx], Awaitable[object]]) -> object:
        async with self.house.db.transaction(self.people[name]) as tx:
            return await work(tx)


@pytest.fixture
async def world(house: House) -> World:
    """Organisations a and b of the same shape; everybody is called by scope and role, as "a.p manager"."""
    made = World(house)
    await made.somebody("supervisor", is_supervisor=True)
    await made.somebody("outsider")
    for root in ("a", "b"):
        await made.scope(root, "organisation")
        await made.scope(f"{root}.p", "partner")
        await made.scope(f"{root}.q", "partner")
        await made.scope(f"{root}.p.c", "class")
        for scope, roles in {
            root: ("owner", "admin", "manager"),
            f"{root}.p": ("admin", "manager"),
            f"{root}.q": ("manager",),
            f"{root}.p.c": ("manager", "instructor", "student"),
        }.items():
            for role in roles:
                await made.member(f"{scope} {role}", scope, role)
    return made


class Api:
    """The api of this process, as somebody of the world: `await api("a owner", "GET", "/organisations/")`."""

    def __init__(self, house: House, world: World) -> None:
        async def authenticate(_house: House, bearer: str) -> Principal:
            return next(who for who in world.people.values() if str(who.account_id) == bearer)

        async def trust(_house: House, _who: Principal) -> None:
            """Whoever asks here has just proved themselves; tests/attacks/test_step_up.py has those who have not."""

        class Doorman(Module):
            name = "doorman"

            def offers(self) -> Sequence[Offer[object]]:
                return (AUTHENTICATOR.offer(authenticate), REAUTHENTICATION.offer(trust))

        self.world = world
        self.address = f"test-{secrets.token_hex(4)}"
        self.app = build_app(replace(house, offers=Offers([*installed(), Doorman()])), [Organisations()])

    async def __call__(self, name: str | None, method: str, path: str, body: object = None) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(self.address, 1), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {self.world.people[name].account_id}"} if name else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://madang.test/api/v1") as client:
            return await client.request(method, path, json=body, headers=headers)


@pytest.fixture
def api(house: House, world: World) -> Api:
    return Api(house, world)


def only(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """Run the test with these settings of organisations changed."""
    chosen = settings.load().model_copy(update=changed)
    monkeypatch.setattr(settings, "load", lambda: chosen)


def told(answer: httpx.Response) -> tuple[int, str | None]:
    """Status and code."""
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.status_code, answer.json()["code"] if is_problem else None
