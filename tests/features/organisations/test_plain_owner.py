"""The rules hold as well where the tables' owner is no superuser, as on a managed PostgreSQL."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import make_url, text

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.agents.public import prepare_checkpoints
from madang.features.organisations.queries import Wanted
from madang.features.organisations.service import members, ownership, scopes
from madang.kernel.db import APP_ROLE
from madang.kernel.house import House
from madang.kernel.settings import Settings
from madang.migrations import upgrade
from tests.features.organisations.conftest import World, world

__all__ = ["world"]


@pytest.fixture
async def house(house_settings: Settings) -> AsyncIterator[House]:
    """A house whose database belongs to an ordinary role, with its forced row-level security."""
    name = f"plain_{secrets.token_hex(4)}"
    url = make_url(house_settings.owner_url)
    with psycopg.connect(house_settings.owner_url, autocommit=True) as root:
        for statement in (
            f"CREATE ROLE {name} LOGIN PASSWORD '{name}' NOSUPERUSER NOBYPASSRLS CREATEROLE",
            f"GRANT {APP_ROLE} TO {name} WITH ADMIN OPTION",
            f"CREATE DATABASE {name} OWNER {name}",
        ):
            root.execute(statement)  # type: ignore[arg-type]  # a name of our own
    own = url.set(database=name, username=name, password=name).render_as_string(hide_password=False)
    with psycopg.connect(url.set(database=name).render_as_string(hide_password=False), autocommit=True) as root:
        root.execute("CREATE EXTENSION IF NOT EXISTS vector")
    await prepare_checkpoints(own)
    await asyncio.to_thread(upgrade, own)
    settings = house_settings.model_copy(update={"database_url": type(house_settings.database_url)(own)})
    async with open_house(settings, installed(), "test", deliver=lambda _: None) as opened:
        yield opened
    with psycopg.connect(house_settings.owner_url, autocommit=True) as root:
        root.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]  # the same
        root.execute(f"DROP ROLE {name}")  # type: ignore[arg-type]  # the same


async def test_everything_works_and_nothing_shows(world: World) -> None:
    async with world.house.db.transaction() as tx:
        owner = "SELECT rolsuper FROM pg_roles JOIN pg_class ON relowner = pg_roles.oid WHERE relname = 'scopes'"
        assert await tx.scalar(text(owner)) is False
    manager = world.people["a.p manager"]
    async with world.house.db.transaction(manager) as tx:
        found = await members.listed(tx, manager, world.id("a.p.c"), sought="c", role=None, after=None, limit=10)
        assert [one.role for one in found] == ["manager", "instructor", "student"]
        seen = await tx.scalars(text("SELECT name FROM partner.scopes ORDER BY name"))
        assert list(seen) == ["a.p", "a.p.c"]
        assert [one.names for one in await members.mine(tx)] == [("a", "a.p")]
        changed = await members.change(
            tx, manager, world.id("a.p.c"), world.members["a.p.c student", "a.p.c"].id, role="instructor", status=None
        )
        assert changed.role == "instructor"
        made = await scopes.create_child(tx, manager, world.id("a.p"), "class", "new")
        assert made.scope.my_role == "manager"
    supervisor = world.people["supervisor"]
    async with world.house.db.transaction(supervisor) as tx:
        assert len(await scopes.listed(tx, supervisor, Wanted(10))) == 2
    first = world.people["a owner"]
    async with world.house.db.transaction(first) as tx:
        heir = await ownership.transfer(tx, first, world.id("a"), world.members["a admin", "a"].id)
        assert heir.role == "owner"
    async with world.house.db.transaction(world.people["b.p.c student"]) as tx:
        for hidden in (
            '"user".accounts WHERE id <> supervisor.scope_account()',
            "partner.invites",
            "partner.memberships WHERE account_id <> supervisor.scope_account()",
            "supervisor.audit WHERE target_id <> supervisor.scope_account()",
        ):
            assert await tx.scalar(text(f"SELECT count(*) FROM {hidden}")) == 0, hidden
