"""Another system manages an organisation's people by SCIM, and nothing of anybody else's."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from madang.catalog import installed
from madang.features.accounts.public import AccountDeleted
from madang.features.organisations.contracts import MemberJoined, MemberLeft
from madang.features.organisations.reactions import on_account_deleted, on_member_joined, on_member_left
from madang.features.organisations.service.scim import settling, tokens
from madang.kernel.clock import now
from madang.kernel.house import House
from madang.kernel.http import build_app
from tests.features.organisations.conftest import Api, World, told

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class System:
    """Another system with a token of an organisation."""

    def __init__(self, house: House, url: str, token: str) -> None:
        self.transport = httpx.ASGITransport(build_app(house, installed()), client=("scim", 1))
        self.url, self.token = url, token

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        content = body if isinstance(body, bytes | None) else json.dumps(body)
        async with httpx.AsyncClient(transport=self.transport) as client:
            return await client.request(method, self.url + path, content=content, headers=headers, **more)

    async def user(self, user_name: str, **more: Any) -> dict[str, Any]:
        made = await self("POST", "/Users", {"schemas": [USER], "userName": user_name} | more)
        assert made.status_code == 201, made.text
        shown: dict[str, Any] = made.json()
        return shown

    async def group(self, name: str, *members: str) -> dict[str, Any]:
        listed = [{"value": member} for member in members]
        made = await self("POST", "/Groups", {"schemas": [GROUP], "displayName": name, "members": listed})
        assert made.status_code == 201, made.text
        shown: dict[str, Any] = made.json()
        return shown

    async def patch(self, resource: dict[str, Any], *operations: dict[str, Any]) -> httpx.Response:
        kind = "Users" if resource["meta"]["resourceType"] == "User" else "Groups"
        return await self("PATCH", f"/{kind}/{resource['id']}", {"schemas": [PATCH], "Operations": list(operations)})


async def system_of(house: House, world: World, api: Api, scope: str, who: str) -> System:
    made = await api(who, "POST", f"/scopes/{world.id(scope)}/scim-tokens", {"name": "Okta"})
    assert made.status_code == 201, made.text
    return System(house, made.json()["url"], made.json()["token"])


@pytest.fixture
async def a(house: House, world: World, api: Api) -> System:
    """A system with a token of organisation a."""
    return await system_of(house, world, api, "a", "a admin")


@pytest.fixture
async def b(house: House, world: World, api: Api) -> System:
    """The same for organisation b."""
    return await system_of(house, world, api, "b", "b owner")


async def email_of(world: World, name: str, *, verified: bool = True) -> str:
    async with world.house.db.transaction() as tx:
        statement = text(
            'UPDATE "user".accounts SET email_verified_at = CASE WHEN :verified THEN now() END'
            " WHERE id = :id RETURNING email"
        )
        found = await tx.scalar(statement, {"id": world.people[name].account_id, "verified": verified})
    return str(found)


async def memberships(world: World, name: str) -> dict[str, tuple[str, str, str]]:
    """What somebody is where: role, status, source, by the short names of scopes."""
    names = {row.id: short for short, row in world.scopes.items()}
    async with world.house.db.transaction() as tx:
        query = text("SELECT scope_id, role, status, source FROM partner.memberships WHERE account_id = :id")
        rows = (await tx.execute(query, {"id": world.people[name].account_id})).all()
    return {names[row[0]]: (row[1], row[2], row[3].split(":")[0]) for row in rows}


async def arrive(world: World, name: str, scope: str, email: str) -> None:
    """Somebody signs in at the provider that speaks for the organisation, which vouches for the address."""
    async with world.house.db.transaction() as tx:
        await settling.welcome(tx, world.people[name].account_id, world.id(scope), email)


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


# The protocol


async def test_finding(a: System) -> None:
    made = [await a.user(f"User{number}@school.example", externalId=f"x{number}") for number in range(5)]
    for wanted, found in {
        'userName eq "user3@SCHOOL.example"': [3],
        'externalId eq "x1"': [1],
        'externalId eq "X1"': [],
        'userName sw "user" and not (externalId eq "x0")': [1, 2, 3, 4],
        'userName co "3" or userName co "4"': [3, 4],
        f'id eq "{made[2]["id"]}"': [2],
        "emails pr": [],
        "active eq true": [0, 1, 2, 3, 4],
        'userName eq "가\\u0000"': [],
    }.items():
        answer = (await a("GET", "/Users", params={"filter": wanted})).json()
        assert [one["id"] for one in answer["Resources"]] == [made[number]["id"] for number in found], wanted
    for start, count, found in ((1, 2, [0, 1]), (3, 2, [2, 3]), (5, 9, [4]), (9, 2, []), (1, 0, []), (0, 1, [0])):
        answer = (await a("GET", "/Users", params={"startIndex": start, "count": count})).json()
        assert answer["totalResults"] == 5
        assert [one["id"] for one in answer["Resources"]] == [made[number]["id"] for number in found]
    for wrong in ("userName", "userName eq", "nothing eq 1", "((((", "userName zz 1"):
        refused = await a("GET", "/Users", params={"filter": wrong})
        assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidFilter"), wrong


async def test_one_user_name_once(a: System) -> None:
    body = {"schemas": [USER], "userName": "same@school.example"}
    answers = await asyncio.gather(*(a("POST", "/Users", body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json().get("scimType") for answer in answers if answer.status_code == 409} == {"uniqueness"}
    again = await a("POST", "/Users", body | {"userName": "SAME@school.example"})
    assert again.status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"schemas": ["%s"], "userName": "a\\u0000b"}' % USER.encode(),
        b'{"schemas": ["%s"], "userName": "\\ud800"}' % USER.encode(),
        b'{"schemas": ["%s"], "userName": ""}' % USER.encode(),
        b'{"schemas": ["%s"], "userName": 7}' % USER.encode(),
        b'{"schemas": ["%s"], "userName": "%s"}' % (USER.encode(), b"x" * 1000),
        b'{"schemas": ["%s"]}' % USER.encode(),
        b'{"schemas": ["%s"], "userName": "%s"}' % (USER.encode(), b"x" * (1 << 20)),
    ],
    ids=lambda body: repr(body[:24]) + str(len(body)),
)
async def test_attack_malformed_bodies(body: bytes, a: System) -> None:
    answer = await a("POST", "/Users", body)
    assert answer.status_code in {400, 413}, answer.text
    assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


async def test_what_is_not_there(a: System) -> None:
    for path in ("/Users/x", f"/Users/{uuid4()}", "/Nothing", "/", "/Users/x/y", "/Schemas/none", "/Groups/\x00"):
        answer = await a("GET", path.replace("\x00", "%00"))
        assert (answer.status_code, answer.json()["status"]) == (404, "404"), path
    assert (await a("DELETE", "/Users")).status_code == 405


async def test_systems_that_say_more_than_is_kept(a: System, house: House) -> None:
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    more = {
        "schemas": [USER, enterprise],
        "name": {"givenName": "지민", "familyName": "김", "honorificPrefix": "Dr."},
        "password": "hunter2!",
        "phoneNumbers": [{"value": "010-1234-5678"}],
        enterprise: {"department": "Math"},
    }
    user = await a.user("entra@school.example", **more)
    assert user["name"] == {"givenName": "지민", "familyName": "김"}
    async with house.db.transaction() as tx:
        query = text("SELECT told::text FROM partner.scim_users WHERE id = :id")
        kept = str(await tx.scalar(query, {"id": UUID(user["id"])}))
    assert "hunter2" not in kept
    assert "010" not in kept
    work = {"op": "Add", "path": 'emails[type eq "work"].value', "value": "w@school.example"}
    patched = await a.patch(user, work, {"op": "Replace", "path": "name.givenName", "value": "민지"})
    assert patched.json()["emails"][0]["value"] == "w@school.example"
    assert patched.json()["name"]["givenName"] == "민지"


async def test_row_level_security_alone_leaks_nothing(world: World, a: System) -> None:
    user = await a.user("rls@school.example")
    await a.group("RLS", user["id"])
    tables = ("scim_tokens", "scim_users", "scim_groups", "scim_members")
    outside = ["a manager", "a.p admin", "a.p.c student", "b owner", "b admin", "outsider"]
    for who in ["a owner", "a admin", "supervisor", *outside]:
        async with world.house.db.transaction(world.people[who]) as tx:
            for table in tables:
                query = text(f"SELECT count(*) FROM partner.{table} WHERE path && ARRAY[CAST(:id AS uuid)]")
                assert bool(await tx.scalar(query, {"id": world.id("a")})) == (who not in outside), (who, table)


async def test_hundreds_of_users_are_found_a_page_at_a_time(world: World, a: System) -> None:
    row = {"scope": world.id("a"), "path": [world.id("a")]}
    async with world.house.db.transaction() as tx:
        statement = text(
            "INSERT INTO partner.scim_users (id, scope_id, path, user_name, active, told, updated_at)"
            " SELECT gen_random_uuid(), :scope, CAST(:path AS uuid[]), 'u' || n, true, '{}', now()"
            " FROM generate_series(1, 1200) n"
        )
        await tx.execute(statement, row)
    first = (await a("GET", "/Users", params={"count": 5000})).json()
    assert (first["totalResults"], first["itemsPerPage"]) == (1200, 200)
    looked = (await a("GET", "/Users", params={"filter": 'userName ew "99"', "count": 3})).json()
    assert (looked["totalResults"], looked["itemsPerPage"]) == (12, 3)
