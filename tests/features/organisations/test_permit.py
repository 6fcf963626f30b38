"""Authority reaches down the tree, never up or sideways."""

import pytest

from madang.features.organisations.contracts import PERMISSIONS, Permission
from madang.features.organisations.public import chain_of, permit
from madang.kernel.errors import Forbidden, NotFound
from tests.features.organisations.conftest import World

ALL: tuple[Permission, ...] = tuple(PERMISSIONS["owner"])


async def may(world: World, name: str, scope: str) -> set[Permission] | None:
    """What somebody may do in a scope; None when it does not exist for them."""
    passed: set[Permission] = set()
    who = world.people[name]
    for permission in ALL:
        async with world.house.db.transaction(who) as tx:
            try:
                await permit(tx, who, world.id(scope), permission)
            except Forbidden:
                continue
            except NotFound:
                return None
            passed.add(permission)
    return passed


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        ("a owner", {"a", "a.p", "a.q", "a.p.c"}),
        ("a.p admin", {"a.p", "a.p.c"}),
        ("a.q manager", {"a.q"}),
        ("a.p.c instructor", {"a.p.c"}),
        ("a.p.c student", {"a.p.c"}),
        ("outsider", set()),
    ],
)
async def test_a_role_holds_for_everything_beneath_and_nothing_else(name: str, sees: set[str], world: World) -> None:
    for scope in world.scopes:
        assert (await may(world, name, scope) is not None) == (scope in sees), scope


async def test_a_supervisor_may_everything_everywhere(world: World) -> None:
    assert await may(world, "supervisor", "b.p.c") == set(ALL)


async def test_what_each_role_may(world: World) -> None:
    assert await may(world, "a owner", "a") == {*PERMISSIONS["owner"]} - {"scope.suspend"}
    assert await may(world, "a owner", "a.p") == {*PERMISSIONS["owner"]}
    assert await may(world, "a.p admin", "a.p") == {*PERMISSIONS["admin"]} - {"scope.suspend", "scope.delete"}
    assert await may(world, "a.p admin", "a.p.c") == {*PERMISSIONS["admin"]}
    assert await may(world, "a.p.c manager", "a.p.c") == {*PERMISSIONS["manager"]} - {"scope.suspend"}
    assert await may(world, "a.p.c instructor", "a.p.c") == {"scope.read", "members.read"}
    assert await may(world, "a.p.c student", "a.p.c") == {"scope.read"}


async def test_the_highest_role_on_the_way_down_counts(world: World) -> None:
    await world.member("a.p admin", "a.p.c", "student")
    assert await may(world, "a.p admin", "a.p.c") == {*PERMISSIONS["admin"]}


async def test_who_is_suspended_somewhere_is_suspended_for_all_that_lies_beneath(world: World) -> None:
    await world.member("a.p.c manager", "a.p", "student", "suspended")
    assert await may(world, "a.p.c manager", "a.p.c") is None
    assert await may(world, "a.p.c manager", "a.p") is None


async def test_in_a_suspended_scope_members_see_that_and_nothing_else(world: World) -> None:
    await world.run("UPDATE partner.scopes SET status = 'suspended' WHERE id = :id", id=world.id("a.p"))
    for scope in ("a.p", "a.p.c"):
        assert await may(world, "a.p admin", scope) == {"scope.read"}
        assert await may(world, "supervisor", scope) == set(ALL)
    reading = {"scope.read", "members.read", "budgets.read", "usage.read", "audit.read"}
    assert await may(world, "a owner", "a.p.c") == reading
    assert await may(world, "a owner", "a.p") == {*reading, "scope.suspend", "scope.delete"}
    assert await may(world, "a.q manager", "a.q") is not None


@pytest.mark.parametrize("gone", ["a", "a.p", "a.p.c"])
async def test_what_is_deleted_is_not_there(gone: str, world: World) -> None:
    await world.run("UPDATE partner.scopes SET deleted_at = now() WHERE id = :id", id=world.id(gone))
    for name in ("a owner", "a.p.c student", "supervisor"):
        assert await may(world, name, "a.p.c") is None


async def chain(world: World, name: str, wanted: str | None) -> tuple[object, ...]:
    who = world.people[name]
    async with world.house.db.transaction(who) as tx:
        return await chain_of(tx, who.account_id, world.id(wanted) if wanted else None)


async def test_what_is_spent_is_charged_to_the_only_membership(world: World) -> None:
    assert await chain(world, "a.p.c student", None) == tuple(world.scopes["a.p.c"].path)
    assert await chain(world, "outsider", None) == ()
    await world.member("a.p.c student", "b", "student")
    assert await chain(world, "a.p.c student", None) == ()
    assert await chain(world, "a.p.c student", "b") == (world.id("b"),)


async def test_nothing_is_charged_to_strangers_or_suspended_scopes(world: World) -> None:
    with pytest.raises(NotFound):
        await chain(world, "a.p.c student", "a.p")
    await world.run("UPDATE partner.scopes SET status = 'suspended' WHERE id = :id", id=world.id("a"))
    with pytest.raises(Forbidden, match="suspended"):
        await chain(world, "a.p.c student", "a.p.c")
    assert await chain(world, "a.p.c student", None) == ()
