"""Who may change whom, and that an organisation never stands without an owner."""

import asyncio
import json
from collections import Counter

import pytest
from sqlalchemy import text

from madang.features.accounts.public import AccountDeleted, Grant
from madang.features.organisations.module import Organisations
from madang.features.organisations.service import export as exporting
from madang.features.organisations.service.export import export
from madang.features.organisations.service.joining import apply_grants
from madang.features.organisations.service.ownership import let_go, may_leave
from madang.kernel.errors import Conflict
from tests.features.organisations.conftest import Api, World, told


def path(world: World, scope: str, member: str | None = None) -> str:
    end = f"/{world.members[member, scope].id}" if member else ""
    return f"/scopes/{world.id(scope)}/members{end}"


async def roles(world: World, scope: str) -> dict[str, str]:
    async with world.house.db.transaction() as tx:
        query = text("SELECT account_id, role || ' ' || status FROM partner.memberships WHERE scope_id = :id")
        found = {row[0]: row[1] for row in await tx.execute(query, {"id": world.id(scope)})}
    names = {who.account_id: name for name, who in world.people.items()}
    return {names[account]: role for account, role in found.items()}


async def test_members_are_listed_searched_and_paged(api: Api, world: World) -> None:
    everybody = (await api("a.p.c instructor", "GET", path(world, "a.p.c"))).json()
    assert [one["role"] for one in everybody["items"]] == ["manager", "instructor", "student"]
    assert everybody["items"][0]["email"].endswith("@example.org")
    for query, names in {
        "q=C%20STUD": ["a.p.c student"],
        "q=example.org&role=manager": ["a.p.c manager"],
        "q=%25": [],
        "role=owner": [],
    }.items():
        found = (await api("a owner", "GET", f"{path(world, 'a.p.c')}?{query}")).json()["items"]
        assert [one["name"] for one in found] == names
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await api("a owner", "GET", f"{path(world, 'a.p.c')}?limit=2{cursor}")).json()
        seen += [one["name"] for one in page["items"]]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == ["a.p.c manager", "a.p.c instructor", "a.p.c student"]


@pytest.mark.parametrize(
    ("name", "status"),
    [("a.p.c student", 403), ("a.q manager", 404), ("b owner", 404), ("outsider", 404), ("supervisor", 200)],
)
async def test_who_lists_members(name: str, status: int, api: Api, world: World) -> None:
    assert (await api(name, "GET", path(world, "a.p.c"))).status_code == status


async def test_one_changes_and_removes_only_those_below_oneself(api: Api, world: World) -> None:
    student = path(world, "a.p.c", "a.p.c student")
    assert (await api("a.p.c manager", "PUT", student, {"role": "instructor"})).json()["role"] == "instructor"
    for role in ("manager", "admin", "owner"):
        assert told(await api("a.p.c manager", "PUT", student, {"role": role})) == (403, "rank_too_high")
    assert told(await api("a.p.c instructor", "PUT", student, {"role": "student"})) == (403, "scope_permission")
    assert told(await api("a.p.c manager", "DELETE", path(world, "a.p.c", "a.p.c manager"))) == (403, "rank_too_high")
    assert told(await api("a admin", "PUT", path(world, "a", "a owner"), {"role": "student"})) == (403, "rank_too_high")
    assert told(await api("a admin", "DELETE", path(world, "a", "a admin"))) == (403, "rank_too_high")
    assert (await api("a admin", "DELETE", path(world, "a", "a manager"))).status_code == 204
    assert told(await api("a admin", "DELETE", path(world, "a", "a manager"))) == (404, "member_not_found")
    assert (await api("b owner", "DELETE", student)).status_code == 404
    elsewhere = f"/scopes/{world.id('b.p.c')}/members/{world.members['a.p.c student', 'a.p.c'].id}"
    assert told(await api("b owner", "DELETE", elsewhere)) == (404, "member_not_found")


async def test_somebody_above_cannot_be_caught_in_a_lower_place(api: Api, world: World) -> None:
    """The owner of the organisation, a student of the class, is not the class manager's to suspend."""
    await world.member("a owner", "a.p.c", "student")
    caught = path(world, "a.p.c", "a owner")
    for deed in ({"status": "suspended"}, {"role": "instructor"}):
        assert told(await api("a.p.c manager", "PUT", caught, deed)) == (403, "rank_too_high")
    assert told(await api("a.p.c manager", "DELETE", caught)) == (403, "rank_too_high")


async def test_a_suspended_member_is_out_until_readmitted(api: Api, world: World) -> None:
    teacher, scope = path(world, "a.p.c", "a.p.c instructor"), f"/scopes/{world.id('a.p.c')}"
    assert (await api("a.p manager", "PUT", teacher, {"status": "suspended"})).json()["status"] == "suspended"
    assert (await api("a.p.c instructor", "GET", scope)).status_code == 404
    own = (await api("a.p.c instructor", "GET", "/users/me/memberships")).json()["items"]
    assert [(one["names"], one["status"]) for one in own] == [(["a", "a.p", "a.p.c"], "suspended")]
    assert told(await api("a.p.c instructor", "POST", f"{scope}/leave")) == (403, "membership_suspended")
    assert (await api("a.p manager", "PUT", teacher, {"status": "active"})).status_code == 200
    assert (await api("a.p.c instructor", "GET", scope)).status_code == 200


async def test_only_organisations_have_owners_and_owners_are_not_suspended(api: Api, world: World) -> None:
    below = path(world, "a.p", "a.p manager")
    assert told(await api("supervisor", "PUT", below, {"role": "owner"})) == (422, "owners_own_organisations")
    owner = path(world, "a", "a owner")
    assert told(await api("supervisor", "PUT", owner, {"status": "suspended"})) == (409, "owner_not_suspended")


async def test_the_last_owner_stays(api: Api, world: World) -> None:
    owner, leave = path(world, "a", "a owner"), f"/scopes/{world.id('a')}/leave"
    assert told(await api("a owner", "POST", leave)) == (409, "last_owner")
    assert told(await api("supervisor", "DELETE", owner)) == (409, "last_owner")
    assert told(await api("supervisor", "PUT", owner, {"role": "admin"})) == (409, "last_owner")
    with pytest.raises(Conflict, match="only owner"):
        await world.as_("a owner", lambda tx: may_leave(tx, world.people["a owner"].account_id))
    second = path(world, "a", "a admin")
    assert (await api("supervisor", "PUT", second, {"role": "owner"})).status_code == 200
    await world.as_("a owner", lambda tx: may_leave(tx, world.people["a owner"].account_id))
    assert (await api("a owner", "POST", leave)).status_code == 204
    assert await roles(world, "a") == {"a admin": "owner active", "a manager": "manager active"}


async def test_two_owners_who_leave_at_once_are_not_both_let_go(api: Api, world: World) -> None:
    for _ in range(5):
        await world.run(
            "UPDATE partner.memberships SET role = 'owner' WHERE id = :id", id=world.members["a admin", "a"].id
        )
        await world.run("DELETE FROM partner.memberships WHERE id = :id", id=world.members["a owner", "a"].id)
        world.members["a owner", "a"] = await world.member("a owner", "a", "owner")
        leave = f"/scopes/{world.id('a')}/leave"
        answers = await asyncio.gather(api("a owner", "POST", leave), api("a admin", "POST", leave))
        assert Counter(told(answer) for answer in answers) == {(204, None): 1, (409, "last_owner"): 1}
        stayed = next(name for name, role in (await roles(world, "a")).items() if role == "owner active")
        if stayed == "a owner":
            world.members["a admin", "a"] = await world.member("a admin", "a", "admin")


async def test_leaving_takes_only_ones_own_role_here(api: Api, world: World) -> None:
    assert (await api("a.p manager", "POST", f"/scopes/{world.id('a.p')}/leave")).status_code == 204
    assert (await api("a.p manager", "GET", f"/scopes/{world.id('a.p')}")).status_code == 404
    assert (await api("a owner", "POST", f"/scopes/{world.id('a.p')}/leave")).status_code == 404
    assert (await api("outsider", "POST", f"/scopes/{world.id('a.p')}/leave")).status_code == 404


async def test_an_owner_hands_the_organisation_over_and_stays_as_an_admin(api: Api, world: World) -> None:
    transfer, heir = f"/scopes/{world.id('a')}/transfer", {"member_id": str(world.members["a manager", "a"].id)}
    assert told(await api("a admin", "POST", transfer, heir)) == (403, "scope_permission")
    assert (await api("b owner", "POST", transfer, heir)).status_code == 404
    stranger = {"member_id": str(world.members["b admin", "b"].id)}
    assert told(await api("a owner", "POST", transfer, stranger)) == (404, "member_not_found")
    below = f"/scopes/{world.id('a.p')}/transfer"
    assert told(await api("a owner", "POST", below, heir)) == (409, "owners_own_organisations")
    assert (await api("a owner", "POST", transfer, heir)).json()["role"] == "owner"
    expected = {"a owner": "admin active", "a admin": "admin active", "a manager": "owner active"}
    assert await roles(world, "a") == expected
    assert told(await api("a owner", "POST", transfer, heir)) == (403, "scope_permission")


async def test_a_suspended_member_does_not_inherit(api: Api, world: World) -> None:
    await api("a owner", "PUT", path(world, "a", "a manager"), {"status": "suspended"})
    heir = {"member_id": str(world.members["a manager", "a"].id)}
    transfer = f"/scopes/{world.id('a')}/transfer"
    assert told(await api("a owner", "POST", transfer, heir)) == (409, "member_suspended")


async def test_of_a_deleted_account_nothing_stays_and_the_next_in_rank_follows(api: Api, world: World) -> None:
    await world.member("a owner", "b.p.c", "student")
    await world.member("outsider", "a", "student")
    for gone, owner in (("a owner", "a admin"), ("a admin", "a manager")):
        async with world.house.db.transaction() as tx:
            await let_go(tx, world.people[gone].account_id)
        left = await roles(world, "a")
        assert left[owner] == "owner active"
        assert gone not in left
    assert "a owner" not in await roles(world, "b.p.c")
    async with world.house.db.transaction() as tx:
        await let_go(tx, world.people["a manager"].account_id)
    assert await roles(world, "a") == {"outsider": "student active"}
    assert (await api("supervisor", "GET", f"/scopes/{world.id('a')}")).status_code == 404
    assert (await api("supervisor", "POST", f"/scopes/{world.id('a')}/restore")).status_code == 200
    named = path(world, "a", "outsider")
    assert (await api("supervisor", "PUT", named, {"role": "owner"})).json()["role"] == "owner"


async def test_a_provider_decides_only_about_what_came_from_it(api: Api, world: World) -> None:
    account, source = world.people["a.p.c student"].account_id, "oidc:school"

    async def grant(**given: str) -> None:
        grants = [Grant(world.id(scope.replace("_", ".")), role) for scope, role in given.items()]
        async with world.house.db.transaction() as tx:
            await apply_grants(tx, account, source, grants)

    await grant(a_q="manager", b="owner", a="nonsense")
    assert (await roles(world, "a.q"))["a.p.c student"] == "manager active"
    assert "a.p.c student" not in {**await roles(world, "b"), **await roles(world, "a")}
    await grant(a_q="student", a_p_c="student")
    assert (await roles(world, "a.q"))["a.p.c student"] == "student active"
    await grant()
    assert "a.p.c student" not in await roles(world, "a.q")
    assert (await roles(world, "a.p.c"))["a.p.c student"] == "student active"
    await grant(a_p_c="instructor")
    assert (await roles(world, "a.p.c"))["a.p.c student"] == "instructor active"
    await world.run("UPDATE partner.memberships SET status = 'suspended' WHERE account_id = :id", id=account)
    await grant(a_p_c="manager")
    await grant()
    assert (await roles(world, "a.p.c"))["a.p.c student"] == "instructor suspended"


async def test_what_one_takes_along_names_ones_own_places(world: World) -> None:
    files = [file async for file in export(world.house, world.people["a.p.c student"])]
    assert [file.path for file in files] == ["memberships.jsonl", "invites.jsonl"]
    lines = b"".join([part async for part in files[0].content]).splitlines()
    assert [json.loads(line)["names"] for line in lines] == [["a", "a.p", "a.p.c"]]


async def test_what_one_takes_along_has_ones_own_invites_even_of_places_that_one_has_left(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the notes on them, page by page; without anybody's address or code."""
    monkeypatch.setattr(exporting, "PAGE", 2)
    invites = f"/scopes/{world.id('a.p')}/invites"
    for number in range(5):
        wish = {"role": "student", "note": f"note {number}", "email": f"guest{number}@example.org"}
        assert (await api("a.p manager", "POST", invites, wish)).status_code == 201
    await api("a.p admin", "POST", invites, {"role": "student", "note": "somebody else's"})
    assert (await api("a.p manager", "POST", f"/scopes/{world.id('a.p')}/leave")).status_code == 204
    _, made = [file async for file in export(world.house, world.people["a.p manager"])]
    whole = b"".join([part async for part in made.content])
    told = [json.loads(line) for line in whole.splitlines()]
    assert [one["note"] for one in told] == [f"note {number}" for number in range(5)]
    assert not {"email", "code_hash"} & set(told[0])


async def test_a_deleted_account_is_forgotten_when_that_is_told(world: World) -> None:
    reaction = next(one for one in Organisations().reactions() if one.event is AccountDeleted)
    async with world.house.db.transaction() as tx:
        await reaction.handler(world.house, tx, AccountDeleted(world.people["a.p.c student"].account_id))
    assert "a.p.c student" not in await roles(world, "a.p.c")


async def test_a_suspended_place_among_the_children_leaves_no_gap_in_the_pages(api: Api, world: World) -> None:
    await world.member("a manager", "a.p", "student", "suspended")
    children = f"/scopes/{world.id('a')}/children?limit=1"
    page = (await api("a manager", "GET", children)).json()
    assert [one["name"] for one in page["items"]] == ["a.q"]
    await world.member("a manager", "b", "student", "suspended")
    found = (await api("a manager", "GET", "/organisations/?limit=1")).json()
    assert ([one["name"] for one in found["items"]], found["next_cursor"]) == (["a"], None)
