"""Founding, naming, suspending, deleting and restoring, as the api answers."""

import pytest
from sqlalchemy import text

from madang.features.organisations.service.scopes import purge
from tests.features.organisations.conftest import Api, World, only, told


async def listed(api: Api, name: str, path: str = "/organisations/") -> list[str]:
    answer = await api(name, "GET", path)
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["items"]]


async def test_only_supervisors_found_organisations_unless_the_operator_lets_everybody(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = {"name": "Courtyard school"}
    assert told(await api("outsider", "POST", "/organisations/", wish)) == (403, "supervisor_only")
    made = await api("supervisor", "POST", "/organisations/", wish)
    assert made.status_code == 201
    assert (made.json()["my_role"], made.json()["member_count"]) == ("owner", 1)
    only(monkeypatch, organisations="open")
    own = await api("outsider", "POST", "/organisations/", wish)
    assert (own.status_code, own.json()["my_role"]) == (201, "owner")
    assert await listed(api, "outsider") == ["Courtyard school"]
    named = {**wish, "owner_email": "anybody@example.org"}
    assert told(await api("outsider", "POST", "/organisations/", named)) == (403, "supervisor_only")


async def test_a_supervisor_names_the_owner(api: Api, world: World) -> None:
    async with world.house.db.transaction() as tx:
        query = text('SELECT email FROM "user".accounts WHERE id = :id')
        email = await tx.scalar(query, {"id": world.people["outsider"].account_id})
    made = await api("supervisor", "POST", "/organisations/", {"name": "Theirs", "owner_email": email.upper()})
    assert (made.status_code, made.json()["my_role"]) == (201, None)
    assert await listed(api, "outsider") == ["Theirs"]
    unknown = {"name": "Nobody's", "owner_email": "nobody@example.org"}
    assert told(await api("supervisor", "POST", "/organisations/", unknown)) == (422, "account_unknown")


async def test_everybody_lists_their_own_organisations(api: Api) -> None:
    assert await listed(api, "a manager") == ["a"]
    assert await listed(api, "a.p admin") == []
    assert await listed(api, "outsider") == []
    assert {"a", "b"} <= {*await listed(api, "supervisor", "/organisations/?limit=100&q=")}


async def test_the_tree_grows_downwards(api: Api, world: World) -> None:
    children = f"/scopes/{world.id('a')}/children"
    made = await api("a manager", "POST", children, {"kind": "partner", "name": "a.r"})
    assert made.status_code == 201, made.text
    assert made.json()["path"] == [str(world.id("a")), made.json()["id"]]
    within = await api("a manager", "POST", f"/scopes/{made.json()['id']}/children", {"kind": "class", "name": "c"})
    assert (within.status_code, within.json()["my_role"], len(within.json()["path"])) == (201, "manager", 3)
    assert await listed(api, "a manager", children) == ["a.p", "a.q", "a.r"]
    deeper = f"/scopes/{within.json()['id']}/children"
    assert told(await api("a owner", "POST", deeper, {"kind": "class", "name": "d"})) == (422, "scope_misplaced")
    for name, status in {"b owner": 404, "outsider": 404, "a.p admin": 404, "a.p.c student": 404}.items():
        assert (await api(name, "POST", children, {"kind": "partner", "name": "x"})).status_code == status
    below = f"/scopes/{world.id('a.p.c')}/children"
    assert told(await api("a.p.c student", "POST", below, {"kind": "class", "name": "x"})) == (403, "scope_permission")


async def test_pages_of_children(api: Api, world: World) -> None:
    children = f"/scopes/{world.id('a')}/children"
    first = (await api("a owner", "GET", f"{children}?limit=1")).json()
    assert [one["name"] for one in first["items"]] == ["a.p"]
    second = (await api("a owner", "GET", f"{children}?limit=1&cursor={first['next_cursor']}")).json()
    assert ([one["name"] for one in second["items"]], second["next_cursor"]) == (["a.q"], None)


async def test_a_name_is_changed_by_those_who_manage(api: Api, world: World) -> None:
    path = f"/scopes/{world.id('a.p')}"
    assert (await api("a.p manager", "PUT", path, {"name": " 새 이름 "})).json()["name"] == "새 이름"
    assert (await api("a.p.c student", "PUT", path, {"name": "x"})).status_code == 404
    assert (await api("a.q manager", "GET", path)).status_code == 404
    for name in ("", "   ", "a\x00b", "a\nb", "x" * 201):
        assert told(await api("a.p manager", "PUT", path, {"name": name})) == (422, "request_invalid")


async def test_suspension_comes_from_above_and_is_taken_back_from_above(api: Api, world: World) -> None:
    path = f"/scopes/{world.id('a.p')}"
    assert told(await api("a.p admin", "POST", f"{path}/suspend")) == (403, "scope_permission")
    assert told(await api("a owner", "POST", f"/scopes/{world.id('a')}/suspend")) == (403, "scope_permission")
    assert (await api("a manager", "POST", f"{path}/suspend")).json()["status"] == "suspended"
    assert (await api("a.p.c student", "GET", f"/scopes/{world.id('a.p.c')}")).json()["status"] == "suspended"
    assert told(await api("a.p admin", "PUT", path, {"name": "x"})) == (403, "scope_suspended")
    assert told(await api("a.p admin", "GET", f"{path}/members")) == (403, "scope_suspended")
    assert (await api("a owner", "GET", f"{path}/members")).status_code == 200
    assert told(await api("a.p admin", "POST", f"{path}/resume")) == (403, "scope_suspended")
    assert (await api("a manager", "POST", f"{path}/resume")).json()["status"] == "active"
    assert (await api("a.p admin", "PUT", path, {"name": "x"})).status_code == 200


async def test_what_a_supervisor_suspended_only_a_supervisor_resumes(api: Api, world: World) -> None:
    path = f"/scopes/{world.id('a.p')}"
    assert (await api("supervisor", "POST", f"{path}/suspend")).status_code == 200
    assert (await api("a owner", "POST", f"{path}/suspend")).status_code == 200
    assert told(await api("a owner", "POST", f"{path}/resume")) == (403, "suspended_by_supervisor")
    assert (await api("supervisor", "POST", f"{path}/resume")).json()["status"] == "active"
    whole = f"/scopes/{world.id('a')}"
    assert (await api("supervisor", "POST", f"{whole}/suspend")).status_code == 200
    for deed in ("POST /resume", "DELETE ", "POST /suspend"):
        method, _, end = deed.partition(" ")
        assert told(await api("a owner", method, f"{whole}{end}")) == (403, "scope_suspended")


@pytest.mark.parametrize(("scope", "by"), [("a", "a owner"), ("a.p", "a admin"), ("a.p.c", "a.p admin")])
async def test_what_is_deleted_can_be_restored_with_everything_in_it(
    scope: str, by: str, api: Api, world: World
) -> None:
    path = f"/scopes/{world.id(scope)}"
    assert told(await api(by, "POST", f"{path}/restore")) == (409, "scope_not_deleted")
    assert (await api("a.p.c manager", "DELETE", f"/scopes/{world.id('a.p.c')}")).status_code == 403
    assert (await api(by, "DELETE", path)).status_code == 204
    assert (await api(by, "DELETE", path)).status_code == 404
    for name in (by, "supervisor", "a.p.c student"):
        assert (await api(name, "GET", f"/scopes/{world.id('a.p.c')}")).status_code == 404
    assert (await api("a.p.c student", "GET", "/users/me/memberships")).json()["items"] == []
    assert (await api("b owner", "POST", f"{path}/restore")).status_code == 404
    assert (await api("a.p.c student", "POST", f"{path}/restore")).status_code in {403, 404}
    assert (await api(by, "POST", f"{path}/restore")).json()["status"] == "active"
    assert (await api("a.p.c student", "GET", f"/scopes/{world.id('a.p.c')}")).status_code == 200


async def test_when_the_days_have_passed_a_tree_goes_for_good_and_says_so(api: Api, world: World) -> None:
    await api("a owner", "DELETE", f"/scopes/{world.id('a')}")
    await purge(world.house)
    assert (await api("a owner", "POST", f"/scopes/{world.id('a')}/restore")).status_code == 200
    await api("a owner", "DELETE", f"/scopes/{world.id('a')}")
    await world.run(
        "UPDATE partner.scopes SET deleted_at = now() - interval '31 days' WHERE id = :id", id=world.id("a")
    )
    await purge(world.house)
    async with world.house.db.transaction() as tx:
        count = text("SELECT count(*) FROM partner.memberships WHERE scope_id = ANY (:ids)")
        assert await tx.scalar(count, {"ids": [world.id(one) for one in ("a", "a.p", "a.q", "a.p.c")]}) == 0
        told_of = text(
            "SELECT payload->>'scope_id' FROM supervisor.outbox WHERE name = 'organisations.scope_deleted'"
            " AND payload->'scope_path'->>0 = :root ORDER BY id"
        )
        gone = list(await tx.scalars(told_of, {"root": str(world.id("a"))}))
    assert gone[0] == str(world.id("a.p.c"))
    assert {*gone} == {str(world.id(one)) for one in ("a", "a.p", "a.q", "a.p.c")}
    assert (await api("b owner", "GET", f"/scopes/{world.id('b')}")).status_code == 200


async def test_a_student_sees_the_class_and_no_number_of_members(api: Api, world: World) -> None:
    seen = (await api("a.p.c student", "GET", f"/scopes/{world.id('a.p.c')}")).json()
    assert (seen["my_role"], seen["permissions"], seen["member_count"]) == ("student", ["scope.read"], None)
    assert (await api("a.p.c instructor", "GET", f"/scopes/{world.id('a.p.c')}")).json()["member_count"] == 3


async def test_nobody_signed_in_sees_nothing(api: Api, world: World) -> None:
    for path in ("/organisations/", f"/scopes/{world.id('a')}", "/users/me/memberships"):
        assert told(await api(None, "GET", path)) == (401, "not_signed_in")


async def test_deeds_are_in_the_audit_log_of_the_scope(api: Api, world: World) -> None:
    await api("a manager", "POST", f"/scopes/{world.id('a.p')}/suspend")
    await api("a manager", "POST", f"/scopes/{world.id('a.p')}/resume")
    query = text("SELECT action FROM supervisor.audit WHERE scope_path && ARRAY[:id]::uuid[] ORDER BY id")
    for name, seen in {
        "a owner": ["organisations.suspended", "organisations.resumed"],
        "a.p manager": ["organisations.suspended", "organisations.resumed"],
        "a.p.c student": [],
        "a.q manager": [],
        "b owner": [],
    }.items():
        async with world.house.db.transaction(world.people[name]) as tx:
            assert list(await tx.scalars(query, {"id": str(world.id("a.p"))})) == seen, name


async def deleted(api: Api, by: str, path: str) -> list[str]:
    answer = await api(by, "GET", f"{path}?deleted=true")
    assert answer.status_code == 200, answer.text
    assert all(one["removal_at"] > one["deleted_at"] for one in answer.json()["items"])
    return [one["id"] for one in answer.json()["items"]]


async def test_who_can_restore_finds_what_was_deleted(api: Api, world: World) -> None:
    beneath, gone = f"/scopes/{world.id('a')}/children", str(world.id("a.p"))
    assert (await api("a admin", "DELETE", f"/scopes/{gone}")).status_code == 204
    for by in ("a owner", "a admin", "supervisor"):
        assert await deleted(api, by, beneath) == [gone]
        (shown,) = (await api(by, "GET", f"{beneath}?deleted=true")).json()["items"]
        assert shown["permissions"] == ["scope.delete"], "nothing else can be done with it"
        assert gone not in [one["id"] for one in (await api(by, "GET", beneath)).json()["items"]]
    assert told(await api("a manager", "GET", f"{beneath}?deleted=true")) == (403, "scope_permission")
    for by in ("b owner", "outsider"):
        assert told(await api(by, "GET", f"{beneath}?deleted=true")) == (404, "scope_not_found")
    assert (await api("a admin", "POST", f"/scopes/{gone}/restore")).status_code == 200
    assert await deleted(api, "a admin", beneath) == []


async def test_a_deleted_organisation_is_found_by_its_owner_and_by_supervisors(api: Api, world: World) -> None:
    gone = str(world.id("a"))
    assert (await api("a owner", "DELETE", f"/scopes/{gone}")).status_code == 204
    assert await deleted(api, "a owner", "/organisations/") == [gone]
    assert gone in await deleted(api, "supervisor", "/organisations/")
    for by in ("a admin", "a manager", "a.p admin", "b owner", "outsider"):
        assert await deleted(api, by, "/organisations/") == []
    await world.run(
        "UPDATE partner.scopes SET deleted_at = now() - interval '31 days' WHERE id = :id", id=world.id("a")
    )
    assert await deleted(api, "a owner", "/organisations/") == [], "its days are over"
    assert gone not in await deleted(api, "supervisor", "/organisations/")


async def test_what_was_deleted_in_a_suspended_place_waits_until_it_goes_on(api: Api, world: World) -> None:
    assert (await api("a admin", "DELETE", f"/scopes/{world.id('a.p')}")).status_code == 204
    assert (await api("supervisor", "POST", f"/scopes/{world.id('a')}/suspend")).status_code == 200
    beneath = f"/scopes/{world.id('a')}/children"
    assert told(await api("a owner", "GET", f"{beneath}?deleted=true")) == (403, "scope_suspended")
    assert await deleted(api, "supervisor", beneath) == [str(world.id("a.p"))]
