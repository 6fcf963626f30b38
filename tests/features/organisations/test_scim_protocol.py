"""What systems that speak SCIM send and expect: finding, pages, malformed bodies."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from madang.kernel.house import House
from tests.features.organisations.conftest import Api, World
from tests.features.organisations.directory import USER, System, system_of


@pytest.fixture
async def a(house: House, world: World, api: Api) -> System:
    """A system with a token of organisation a."""
    return await system_of(house, world, api, "a", "a admin")


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


@pytest.mark.parametrize("start", [2**62, 2**63, 10**30])
async def test_attack_a_page_farther_than_can_be_counted(start: int, a: System) -> None:
    await a.user("only@example.org")
    for answer in (
        await a("GET", "/Users", params={"startIndex": start}),
        await a("GET", "/Users", params={"startIndex": start, "filter": "userName pr"}),
        await a("POST", "/Users/.search", {"startIndex": start}),
    ):
        told = answer.json()
        assert (answer.status_code, told["totalResults"], told.get("Resources", [])) == (200, 1, []), answer.text


async def test_what_the_standard_has_and_this_server_has_not_is_said_to_be_so(a: System) -> None:
    for method, path in (("POST", "/Bulk"), ("GET", "/Me"), ("POST", "/.search")):
        answer = await a(method, path, {} if method == "POST" else None)
        assert (answer.status_code, answer.json()["status"]) == (501, "501")


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
