"""With nothing but SQL in their hands: what row-level security alone shows and lets happen."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.organisations.conftest import World

TABLES = ("scopes", "memberships", "invites", "redemptions")
INVITE = """
    INSERT INTO partner.invites (id, scope_id, path, code_hash, role, note, max_uses, expires_at)
    VALUES (:id, :scope_id, :path, decode(replace(:id::text, '-', ''), 'hex'), :role, '', 5, now() + interval '1 day')
""".replace(":id::text", "CAST(:id AS text)")


@pytest.fixture
async def furnished(world: World) -> World:
    """Every scope has an invite for students and one for admins."""
    for row in world.scopes.values():
        for role in ("student", "admin"):
            await world.run(INVITE, id=new_id(), scope_id=row.id, path=row.path, role=role)
    return world


async def seen(world: World, who: Principal | None, table: str) -> set[str]:
    """The scopes of which somebody sees rows of the table, by name; only this world's."""
    column = "id" if table == "scopes" else "scope_id"
    names = {row.id: name for name, row in world.scopes.items()}
    async with world.house.db.transaction(who) as tx:
        found = await tx.scalars(text(f"SELECT {column} FROM partner.{table}"))
        return {names[one] for one in found if one in names}


async def touched(world: World, name: str, statement: str, **values: object) -> int | str:
    """How many rows a statement of somebody's changes; "refused" when PostgreSQL does not run it at all."""
    try:
        async with world.house.db.transaction(world.people[name]) as tx:
            done: Any = await tx.execute(text(statement), values)
            count = int(done.rowcount)
            await tx.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            return count
    except DBAPIError:
        return "refused"


SEEN = {
    "a owner": ({"a", "a.p", "a.q", "a.p.c"}, {"a", "a.p", "a.q", "a.p.c"}, {"a", "a.p", "a.q", "a.p.c"}),
    "a.p manager": ({"a.p", "a.p.c"}, {"a.p", "a.p.c"}, {"a.p", "a.p.c"}),
    "a.q manager": ({"a.q"}, {"a.q"}, {"a.q"}),
    "a.p.c instructor": ({"a.p.c"}, {"a.p.c"}, {*()}),
    "a.p.c student": ({"a.p.c"}, {"a.p.c"}, {*()}),
    "outsider": ({*()}, {*()}, {*()}),
}


@pytest.mark.parametrize("name", SEEN)
async def test_one_sees_ones_own_place_and_what_lies_beneath(name: str, furnished: World) -> None:
    found = [await seen(furnished, furnished.people[name], table) for table in ("scopes", "memberships", "invites")]
    assert tuple(found) == SEEN[name]


async def test_a_student_sees_no_other_member(furnished: World) -> None:
    async with furnished.house.db.transaction(furnished.people["a.p.c student"]) as tx:
        found = await tx.scalars(text("SELECT account_id FROM partner.memberships"))
        assert list(found) == [furnished.people["a.p.c student"].account_id]
        page = text("SELECT partner.members_of(:id, NULL, NULL, NULL, 100)")
        for scope in furnished.scopes:
            assert await tx.scalar(page, {"id": furnished.id(scope)}) == []


async def test_a_suspended_member_sees_only_that(furnished: World) -> None:
    await furnished.run("UPDATE partner.memberships SET status = 'suspended' WHERE role = 'admin'")
    admin = furnished.people["a.p admin"]
    assert [await seen(furnished, admin, table) for table in TABLES] == [set(), {"a.p"}, set(), set()]
    for statement in (
        "UPDATE partner.memberships SET status = 'active'",
        "DELETE FROM partner.memberships",
        "UPDATE partner.scopes SET name = 'x'",
    ):
        assert await touched(furnished, "a.p admin", statement) in {0, "refused"}


async def test_the_house_and_supervisors_see_everything_and_a_stranger_nothing(furnished: World) -> None:
    everything = set(furnished.scopes)
    for who in (None, furnished.people["supervisor"]):
        assert [await seen(furnished, who, table) for table in TABLES[:3]] == [everything] * 3
    assert [await seen(furnished, Principal(new_id()), table) for table in TABLES] == [set()] * 4
    await furnished.run(
        'UPDATE "user".accounts SET disabled_at = now() WHERE is_supervisor AND id = :id',
        id=furnished.people["supervisor"].account_id,
    )
    assert await seen(furnished, furnished.people["supervisor"], "scopes") == set()


DONE = "SELECT FROM supervisor.audit"
JOIN = "INSERT INTO partner.memberships (id, scope_id, path, account_id, role, source)"
CODE = "INSERT INTO partner.invites (id, scope_id, path, code_hash, role, note, max_uses, expires_at)"
ATTACKS = {
    "rename another's": ("UPDATE partner.scopes SET name = 'x' WHERE id = :sibling", 0),
    "rename the one above": ("UPDATE partner.scopes SET name = 'x' WHERE id = :above", 0),
    "delete one's own": ("DELETE FROM partner.scopes WHERE id = :own", 0),
    "delete another's": ("DELETE FROM partner.scopes WHERE id = :sibling", 0),
    "move below another": ("UPDATE partner.scopes SET parent_id = :sibling WHERE id = :own", "refused"),
    "move a member": ("UPDATE partner.memberships SET account_id = :me WHERE scope_id = :sibling", "refused"),
    "rise": ("UPDATE partner.memberships SET role = 'admin' WHERE account_id = :me", 0),
    "rise to owner": ("UPDATE partner.memberships SET role = 'owner' WHERE account_id = :me", 0),
    "raise a friend": (
        "UPDATE partner.memberships SET role = 'manager' WHERE scope_id = :below AND role = 'student'",
        "refused",
    ),
    "throw the one above out": ("DELETE FROM partner.memberships WHERE scope_id = :above", 0),
    "throw others out": ("DELETE FROM partner.memberships WHERE scope_id = :sibling", 0),
    "join another's": (
        f"{JOIN} VALUES (:id, :sibling, :sibling_path, :me, 'student', 'x')",
        "refused",
    ),
    "join with a false path": (
        f"{JOIN} VALUES (:id, :sibling, :own_path, :me, 'student', 'x')",
        "refused",
    ),
    "found": (
        "INSERT INTO partner.scopes (id, kind, path, name) VALUES (:id, 'organisation', ARRAY[:id]::uuid[], 'x')",
        "refused",
    ),
    "invite for oneself": (
        f"{CODE} VALUES (:id, :own, :own_path, '\\x00', 'admin', '', 1, now())",
        "refused",
    ),
    "renew another's code": (
        "UPDATE partner.invites SET expires_at = now() + interval '1 year' WHERE scope_id = :sibling",
        0,
    ),
    "end a code above one's own": ("DELETE FROM partner.invites WHERE scope_id = :own AND role = 'admin'", 0),
    "read another's code": ("SELECT FROM partner.invites WHERE scope_id IN (:sibling, :above)", 0),
    "ask about anybody": ("SELECT partner.roots_of(:other, 'student', true)", "refused"),
    "ask for anybody's places": ("SELECT partner.memberships_of(:other)", "refused"),
    "ask for pages of members": ("SELECT partner.member_page(:sibling, NULL, NULL, NULL, 10)", "refused"),
    "ask who supervises": ("SELECT supervisor.supervises(:other)", "refused"),
    "change what was done": ("UPDATE supervisor.audit SET action = 'x'", "refused"),
    "forget what was done": ("DELETE FROM supervisor.audit", "refused"),
    "read what the platform did": ("SELECT FROM supervisor.audit WHERE scope_path = '{}'", 0),
    "read what others did": (
        f"{DONE} WHERE scope_path && ARRAY[:sibling, :above]::uuid[] AND NOT scope_path && ARRAY[:own]",
        0,
    ),
    "read others' secrets": ('SELECT FROM "user".accounts WHERE id <> :me', 0),
    "read others' sign-ins": ('SELECT FROM "user".logins WHERE account_id <> :me', 0),
}


@pytest.mark.parametrize("deed", ATTACKS)
@pytest.mark.parametrize("name", ["a.p manager"])
async def test_a_manager_reaches_neither_up_nor_sideways(name: str, deed: str, furnished: World) -> None:
    async with furnished.house.db.transaction() as tx:
        for scope in ("a", "a.q", "b"):
            await record(tx, None, "test.done", Target("scope", None, tuple(furnished.scopes[scope].path)))
        await record(tx, None, "test.done", Target("platform"))
    statement, answer = ATTACKS[deed]
    everything: dict[str, Any] = {
        "id": new_id(),
        "me": furnished.people[name].account_id,
        "other": furnished.people["b owner"].account_id,
        "own": furnished.id("a.p"),
        "own_path": furnished.scopes["a.p"].path,
        "above": furnished.id("a"),
        "below": furnished.id("a.p.c"),
        "sibling": furnished.id("a.q"),
        "sibling_path": furnished.scopes["a.q"].path,
    }
    values = {key: value for key, value in everything.items() if f":{key}" in statement}
    assert await touched(furnished, name, statement, **values) == answer


@pytest.mark.parametrize("name", ["outsider", "a.p.c student", "a.p.c instructor"])
async def test_who_manages_nothing_changes_nothing(name: str, furnished: World) -> None:
    for statement in (
        "UPDATE partner.scopes SET name = 'x'",
        "UPDATE partner.memberships SET role = 'admin'",
        "UPDATE partner.memberships SET status = 'active'",
        "UPDATE partner.invites SET used_count = 0",
        "DELETE FROM partner.scopes",
        "DELETE FROM partner.invites",
    ):
        assert await touched(furnished, name, statement) == 0, statement


async def test_a_manager_of_a_suspended_place_changes_nothing_there(furnished: World) -> None:
    await furnished.run("UPDATE partner.scopes SET status = 'suspended' WHERE id = :id", id=furnished.id("a.p"))
    for statement in (
        "UPDATE partner.scopes SET status = 'active'",
        "UPDATE partner.memberships SET role = 'student'",
        "UPDATE partner.invites SET used_count = 0",
    ):
        assert await touched(furnished, "a.p admin", statement) == 0, statement
    own = "UPDATE partner.scopes SET status = 'active' WHERE id = :id"
    assert await touched(furnished, "a manager", own, id=furnished.id("a.p")) == 1


async def test_the_last_owner_stays_whoever_deletes(furnished: World) -> None:
    statement = "DELETE FROM partner.memberships WHERE scope_id = :id AND role = 'owner'"
    for name in ("supervisor", "a owner"):
        assert await touched(furnished, name, statement, id=furnished.id("a")) == "refused"
    with pytest.raises(DBAPIError, match="keeps an owner"):
        await furnished.run("UPDATE partner.memberships SET role = 'admin' WHERE scope_id = :id", id=furnished.id("a"))


async def _fail_inside(tx: Tx, scope_id: UUID) -> None:
    async with tx.begin_nested():
        await tx.execute(text("SELECT partner.members_of(:id, NULL, NULL, NULL, -1)"), {"id": scope_id})


async def test_functions_give_the_callers_eyes_back(furnished: World) -> None:
    """A function that sees as the house must not leave its caller with that, in whatever way it ends."""
    own = furnished.people["a.p.c instructor"]
    async with furnished.house.db.transaction(own) as tx:
        for call in (
            "partner.my_scopes()",
            "partner.my_memberships()",
            "supervisor.is_supervisor()",
            "partner.my_blocks()",
        ):
            await tx.execute(text(f"SELECT {call}"))
            assert await tx.scalar(text("SELECT current_setting('madang.account')")) == str(own.account_id)
        with pytest.raises(DBAPIError, match="must not be negative"):
            await _fail_inside(tx, furnished.id("a.p.c"))
        assert await tx.scalar(text("SELECT current_setting('madang.account')")) == str(own.account_id)


def test_every_function_that_sees_more_than_its_caller_is_pinned(house: House) -> None:
    """A definer's function without a search_path of its own can be given other people's tables and operators."""
    query = """
        SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('partner', 'supervisor', 'user') AND p.prosecdef
          AND NOT coalesce(array_to_string(p.proconfig, ',') LIKE '%search_path=pg_catalog%', false)
    """
    with psycopg.connect(house.settings.owner_url) as owner:
        assert owner.execute(query).fetchall() == []
