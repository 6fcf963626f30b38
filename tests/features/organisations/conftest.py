"""A small world: two organisations with partners and classes, and somebody in every role."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from sqlalchemy import text

from madang.features.organisations.tables import MembershipRow, ScopeRow
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.house import House
from madang.kernel.ids import new_id

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
