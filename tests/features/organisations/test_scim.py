"""Another system manages an organisation's people by SCIM, and nothing of anybody else's."""

import json
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from madang.features.accounts.public import AccountDeleted
from madang.features.organisations.contracts import MemberJoined, MemberLeft
from madang.features.organisations.reactions import on_account_deleted, on_member_joined, on_member_left
from madang.features.organisations.service.scim import settling, tokens
from madang.kernel.clock import now
from madang.kernel.house import House
from tests.features.organisations.conftest import Api, World, told
from tests.features.organisations.directory import GROUP, USER, System, arrive, email_of, memberships, system_of


@pytest.fixture
async def a(house: House, world: World, api: Api) -> System:
    """A system with a token of organisation a."""
    return await system_of(house, world, api, "a", "a admin")


@pytest.fixture
async def b(house: House, world: World, api: Api) -> System:
    """The same for organisation b."""
    return await system_of(house, world, api, "b", "b owner")


# Tokens


async def test_who_may_make_tokens(world: World, api: Api) -> None:
    path = f"/scopes/{world.id('a')}/scim-tokens"
    for who, status in {
        "a owner": 201,
        "a admin": 201,
        "supervisor": 201,
        "a manager": 403,
        "a.p admin": 403,
        "a.p.c student": 403,
        "b owner": 404,
        "outsider": 404,
        None: 401,
    }.items():
        answer = await api(who, "POST", path, {"name": "x"})
        assert answer.status_code in ({status, 404} if status == 403 else {status}), (who, answer.text)
    assert told(await api("a.p admin", "POST", f"/scopes/{world.id('a.p')}/scim-tokens", {"name": "x"})) == (
        422,
        "scim_organisations_only",
    )


async def test_a_token_is_shown_once_and_can_be_withdrawn(world: World, api: Api, a: System) -> None:
    assert (await a("GET", "/Users")).status_code == 200
    path = f"/scopes/{world.id('a')}/scim-tokens"
    listed = (await api("a owner", "GET", path)).json()
    assert a.token not in json.dumps(listed)
    assert listed[0]["last_used_at"]
    stranger = await api("b owner", "DELETE", f"/scopes/{world.id('b')}/scim-tokens/{listed[0]['id']}")
    assert told(stranger) == (404, "scim_token_not_found")
    assert (await api("a owner", "DELETE", f"{path}/{listed[0]['id']}")).status_code == 204
    refused = await a("GET", "/Users")
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/scim+json")


async def test_attack_token_of_another_organisation(world: World, a: System, b: System) -> None:
    for token in (b.token, "", "ms_", "\x7f", a.token[:-1], a.token + "x", "ms_" + "가"):
        headers = {"Authorization": f"Bearer {token}".encode()}
        async with httpx.AsyncClient(transport=a.transport) as client:
            assert (await client.get(f"{a.url}/Users", headers=headers)).status_code == 401


@pytest.mark.parametrize("change", ["status = 'suspended'", "deleted_at = now()"])
async def test_a_suspended_or_deleted_organisation_lets_nobody_in(change: str, world: World, a: System) -> None:
    await world.run(f"UPDATE partner.scopes SET {change} WHERE id = :id", id=world.id("a"))
    assert (await a("GET", "/Users")).status_code == 401


async def test_an_expired_token_lets_nobody_in(house: House, world: World, api: Api) -> None:
    wish = {"name": "for a day", "expires_in_days": 1}
    made = (await api("a owner", "POST", f"/scopes/{world.id('a')}/scim-tokens", wish)).json()
    system = System(house, made["url"], made["token"])
    assert (await system("GET", "/Users")).status_code == 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "now", lambda: now() + timedelta(days=1))
        assert (await system("GET", "/Users")).status_code == 401


# Whose accounts they are


async def test_attack_naming_somebody_elses_address_takes_nothing_over(world: World, a: System) -> None:
    victim = await email_of(world, "b.p manager")
    made = await a.user(victim, name={"formatted": "Mine now"}, active=True)
    await a.patch(made, {"op": "replace", "path": "active", "value": False})
    assert (await a("DELETE", f"/Users/{made['id']}")).status_code == 204
    assert await memberships(world, "b.p manager") == {"b.p": ("manager", "active", "test")}
    async with world.house.db.transaction() as tx:
        query = text('SELECT name, disabled_at FROM "user".accounts WHERE email = :email')
        assert (await tx.execute(query, {"email": victim})).one() == ("b.p manager", None)


async def test_attack_an_unverified_address_inherits_nothing(world: World, api: Api, a: System) -> None:
    claimed = await email_of(world, "a.p.c student", verified=False)
    user = await a.user(claimed)
    group = await a.group("Heads", user["id"])
    give = {"scope_id": str(world.id("a")), "role": "manager"}
    assert (await api("a admin", "PUT", f"/scopes/{world.id('a')}/scim-groups/{group['id']}", give)).status_code == 200
    student = world.people["a.p.c student"].account_id
    async with world.house.db.transaction() as tx:
        joined = MemberJoined(world.id("a.p.c"), tuple(world.scopes["a.p.c"].path), student, "student")
        await on_member_joined(world.house, tx, joined)
    assert set(await memberships(world, "a.p.c student")) == {"a.p.c"}


async def test_whoever_proves_the_address_becomes_a_member(world: World, a: System) -> None:
    await a.user("somebody@school.example", emails=[{"value": "Work@School.example", "primary": True}])
    assert await memberships(world, "outsider") == {}
    await arrive(world, "outsider", "a", "work@school.example")
    assert await memberships(world, "outsider") == {"a": ("student", "active", "scim")}
    async with world.house.db.transaction() as tx:
        assert not await settling.is_expected(tx, world.id("b"), "work@school.example")


async def test_only_the_active_are_expected(world: World, a: System) -> None:
    user = await a.user("new@school.example")
    async with world.house.db.transaction() as tx:
        assert await settling.is_expected(tx, world.id("a"), "new@school.example")
    await a.patch(user, {"op": "Replace", "value": {"active": "False"}})
    async with world.house.db.transaction() as tx:
        assert not await settling.is_expected(tx, world.id("a"), "new@school.example")
    await arrive(world, "outsider", "a", "new@school.example")
    assert await memberships(world, "outsider") == {}


async def test_a_verified_member_is_recognised_and_deprovisioned_here_only(world: World, a: System) -> None:
    await world.member("a.p.c student", "b.p.c", "student")
    await world.member("a.p.c student", "a.q", "instructor")
    user = await a.user(await email_of(world, "a.p.c student"))
    before = await memberships(world, "a.p.c student")
    assert before["a"] == ("student", "active", "scim")
    await a.patch(user, {"op": "replace", "path": "active", "value": False})
    away = await memberships(world, "a.p.c student")
    assert {scope: one[1] for scope, one in away.items()} == {
        "a.p.c": "suspended",
        "a.q": "suspended",
        "b.p.c": "active",
    }
    await a.patch(user, {"op": "replace", "path": "active", "value": True})
    assert await memberships(world, "a.p.c student") == before
    assert (await a("DELETE", f"/Users/{user['id']}")).status_code == 204
    assert set(await memberships(world, "a.p.c student")) == {"b.p.c"}


async def test_coming_back_readmits_nobody_whom_an_admin_suspended(world: World, a: System) -> None:
    await world.member("pupil", "a.p", "student", status="suspended")
    await world.member("pupil", "a.q", "student")
    user = await a.user(await email_of(world, "pupil"))
    await a.patch(user, {"op": "replace", "path": "active", "value": False})
    await a.patch(user, {"op": "replace", "path": "active", "value": True})
    held = await memberships(world, "pupil")
    assert (held["a.p"][1], held["a.q"][1]) == ("suspended", "active")


async def test_the_owner_stays(world: World, a: System) -> None:
    user = await a.user(await email_of(world, "a owner"))
    await a.patch(user, {"op": "replace", "path": "active", "value": False})
    assert (await a("DELETE", f"/Users/{user['id']}")).status_code == 204
    assert (await memberships(world, "a owner"))["a"] == ("owner", "active", "test")


async def test_who_leaves_is_not_brought_back(world: World, api: Api, a: System) -> None:
    user = await a.user("leaver@school.example")
    await arrive(world, "outsider", "a", "leaver@school.example")
    assert (await api("outsider", "POST", f"/scopes/{world.id('a')}/leave")).status_code == 204
    leaver = world.people["outsider"].account_id
    async with world.house.db.transaction() as tx:
        await on_member_left(world.house, tx, MemberLeft(world.id("a"), (world.id("a"),), leaver))
    await a.patch(user, {"op": "replace", "path": "active", "value": False})
    await a.patch(user, {"op": "replace", "path": "active", "value": True})
    assert await memberships(world, "outsider") == {}


async def test_a_deleted_account_is_forgotten(world: World, a: System) -> None:
    user = await a.user("gone@school.example")
    await arrive(world, "outsider", "a", "gone@school.example")
    async with world.house.db.transaction() as tx:
        await on_account_deleted(world.house, tx, AccountDeleted(world.people["outsider"].account_id))
    assert await memberships(world, "outsider") == {}
    await a.patch(user, {"op": "replace", "path": "displayName", "value": "Still named"})
    assert await memberships(world, "outsider") == {}


# Groups


async def test_groups_give_roles_and_take_them_back(world: World, api: Api, a: System) -> None:
    user = await a.user("t@school.example")
    await arrive(world, "outsider", "a", "t@school.example")
    group = await a.group("Teachers")
    path = f"/scopes/{world.id('a')}/scim-groups"
    give = {"scope_id": str(world.id("a.p.c")), "role": "instructor"}
    assert (await api("a admin", "PUT", f"{path}/{group['id']}", give)).json()["member_count"] == 0
    assert set(await memberships(world, "outsider")) == {"a"}
    joined = await a.patch(group, {"op": "add", "path": "members", "value": [{"value": user["id"]}]})
    assert [one["value"] for one in joined.json()["members"]] == [user["id"]]
    assert (await memberships(world, "outsider"))["a.p.c"] == ("instructor", "active", "scim")
    assert (await a("GET", f"/Users/{user['id']}")).json()["groups"][0]["display"] == "Teachers"
    assert (await api("a admin", "GET", path)).json()[0]["role"] == "instructor"
    left = await a.patch(group, {"op": "remove", "path": f'members[value eq "{user["id"]}"]'})
    assert left.status_code == 200, left.text
    assert set(await memberships(world, "outsider")) == {"a"}
    await a.patch(group, {"op": "Add", "path": "members", "value": [{"value": user["id"]}]})
    assert (await a("DELETE", f"/Groups/{group['id']}")).status_code == 204
    assert set(await memberships(world, "outsider")) == {"a"}


async def test_the_highest_role_of_several_groups_counts(world: World, api: Api, a: System) -> None:
    user = await a.user("m@school.example")
    await arrive(world, "outsider", "a", "m@school.example")
    for name, role in (("One", "student"), ("Two", "manager"), ("Three", "instructor")):
        group = await a.group(name, user["id"])
        give = {"scope_id": str(world.id("a")), "role": role}
        await api("a admin", "PUT", f"/scopes/{world.id('a')}/scim-groups/{group['id']}", give)
    assert (await memberships(world, "outsider"))["a"] == ("manager", "active", "scim")


async def test_attack_roles_beyond_ones_own_or_elsewhere(world: World, api: Api, a: System) -> None:
    path = f"/scopes/{world.id('a')}/scim-groups/{(await a.group('G'))['id']}"
    for who, scope, role, status in (
        ("a admin", "a", "admin", 403),
        ("a admin", "a", "owner", 422),
        ("a admin", "b", "student", 404),
        ("a admin", "b.p.c", "student", 404),
        ("supervisor", "b", "student", 404),
        ("a manager", "a", "student", 403),
        ("b owner", "a", "student", 404),
    ):
        answer = await api(who, "PUT", path, {"scope_id": str(world.id(scope)), "role": role})
        assert answer.status_code == status, (who, scope, role, answer.text)
    assert told(await api("a admin", "PUT", path, {"role": "student"})) == (422, "scim_role_incomplete")
    assert (await api("a owner", "PUT", path, {"scope_id": str(world.id("a")), "role": "admin"})).status_code == 200
    assert told(await api("a admin", "PUT", path, {})) == (403, "rank_too_high")


async def test_attack_users_and_groups_of_another_organisation(world: World, a: System, b: System) -> None:
    theirs, their_group = await b.user("b@school.example"), await b.group("B")
    for kind, one in (("Users", theirs), ("Groups", their_group)):
        for method, body in (("GET", None), ("PUT", {"schemas": [USER], "userName": "x"}), ("DELETE", None)):
            assert (await a(method, f"/{kind}/{one['id']}", body)).status_code == 404
    assert (await a("GET", "/Users")).json()["totalResults"] == 0
    refused = await a("POST", "/Groups", {"schemas": [GROUP], "displayName": "x", "members": [{"value": theirs["id"]}]})
    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidValue")
