"""Codes: who makes them, what they are good for, and that no interleaving lets one person too many in."""

import asyncio
import re
import secrets
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from madang.features.organisations.service import codes
from madang.features.organisations.service.invitation import invitation
from madang.kernel.house import House
from madang.kernel.mail import written
from tests.features.organisations.conftest import Api, World, only, told


async def invite(api: Api, scope: str = "a.p.c", by: str = "a owner", **more: object) -> dict[str, str]:
    made = await api(by, "POST", f"/scopes/{api.world.id(scope)}/invites", {"role": "student"} | more)
    assert made.status_code == 201, made.text
    return made.json()


async def count(world: World, query: str, **values: object) -> int:
    async with world.house.db.transaction() as tx:
        return int(await tx.scalar(text(query), values) or 0)


async def test_a_code_is_shown_once_with_its_link_and_its_picture(api: Api, world: World) -> None:
    made = await invite(api, note="grade 3")
    assert made["url"] == f"http://madang.test/join/{made['code']}"
    assert made["qr_svg"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    listed = (await api("a owner", "GET", f"/scopes/{world.id('a.p.c')}/invites")).json()["items"]
    assert [(one["note"], one["used_count"]) for one in listed] == [("grade 3", 0)]
    assert made["code"] not in str(listed)
    async with world.house.db.transaction() as tx:
        row = (await tx.execute(text("SELECT i::text FROM partner.invites i ORDER BY id DESC LIMIT 1"))).scalar()
    assert codes.normal(made["code"]) not in str(row)


def test_a_code_is_read_however_it_was_typed() -> None:
    code = codes.make()
    for typed in (code, code.lower(), code.replace("-", " "), f" {code.replace('-', '')} ", code.replace("0", "o")):
        assert codes.normal(typed) == code.replace("-", "")
    for nonsense in ("", "short", "x" * 11, "ㄱ" * 10, "\x00" * 10, "\ud800" * 10, "U" * 10):
        assert codes.digest("secret", nonsense) is None


@pytest.mark.parametrize(
    ("by", "scope", "role", "answer"),
    [
        ("a manager", "a.p.c", "instructor", (201, None)),
        ("a manager", "a.p", "manager", (403, "rank_too_high")),
        ("a admin", "a", "admin", (403, "rank_too_high")),
        ("a owner", "a", "admin", (201, None)),
        ("a owner", "a", "owner", (422, "request_invalid")),
        ("a.p.c instructor", "a.p.c", "student", (403, "scope_permission")),
        ("a.q manager", "a.p.c", "student", (404, "scope_not_found")),
        ("b owner", "a", "student", (404, "scope_not_found")),
        ("supervisor", "b", "admin", (201, None)),
    ],
)
async def test_who_may_make_which_code(
    by: str, scope: str, role: str, answer: tuple[int, str | None], api: Api, world: World
) -> None:
    made = await api(by, "POST", f"/scopes/{world.id(scope)}/invites", {"role": role})
    assert told(made) == answer


async def test_fifty_at_once_with_seven_uses(api: Api, world: World) -> None:
    made = await invite(api, max_uses=7)
    for number in range(50):
        await world.somebody(f"guest {number}")
    redeem = f"/invites/{made['code']}/redeem"
    answers = await asyncio.gather(*(api(f"guest {number}", "POST", redeem) for number in range(50)))
    assert Counter(told(answer) for answer in answers) == {(200, None): 7, (409, "invite_used_up"): 43}
    used = "SELECT used_count FROM partner.invites WHERE id = :id"
    assert await count(world, used, id=made["invite"]["id"]) == 7
    joined = "SELECT count(*) FROM partner.memberships WHERE scope_id = :id AND source = 'invite'"
    assert await count(world, joined, id=world.id("a.p.c")) == 7


async def test_one_person_uses_a_code_once_however_often_and_fast(api: Api, world: World) -> None:
    made = await invite(api, max_uses=5)
    redeem = f"/invites/{made['code']}/redeem"
    answers = await asyncio.gather(*(api("outsider", "POST", redeem) for _ in range(10)))
    assert Counter(told(answer) for answer in answers) == {(200, None): 10}
    assert await count(world, "SELECT used_count FROM partner.invites WHERE id = :id", id=made["invite"]["id"]) == 1
    await world.run("UPDATE partner.invites SET expires_at = now() WHERE id = :id", id=made["invite"]["id"])
    assert (await api("outsider", "POST", redeem)).json()["role"] == "student"


async def test_whoever_ranks_as_high_keeps_that_and_uses_nothing_up(api: Api, world: World) -> None:
    made = await invite(api, max_uses=1)
    for name, role in {"a.p.c manager": "manager", "a.p.c student": "student"}.items():
        assert (await api(name, "POST", f"/invites/{made['code']}/redeem")).json()["role"] == role
    assert await count(world, "SELECT used_count FROM partner.invites WHERE id = :id", id=made["invite"]["id"]) == 0
    higher = await invite(api, role="instructor")
    assert (await api("a.p.c student", "POST", f"/invites/{higher['code']}/redeem")).json()["role"] == "instructor"


async def test_a_visitor_is_told_where_a_code_leads(api: Api, world: World) -> None:
    made = await invite(api, role="instructor", email="teacher@example.org")
    offer = (await api(None, "GET", f"/invites/{made['code']}")).json()
    assert (offer["name"], offer["kind"], offer["role"], offer["is_for_one"]) == ("a.p.c", "class", "instructor", True)
    assert "teacher" not in str(offer)
    assert told(await api(None, "POST", f"/invites/{made['code']}/redeem")) == (401, "not_signed_in")


async def test_each_end_of_a_code_is_told_to_its_holder(api: Api, world: World) -> None:
    ends = {
        "invite_revoked": "UPDATE partner.invites SET revoked_at = now() WHERE id = :id",
        "invite_expired": "UPDATE partner.invites SET expires_at = now() WHERE id = :id",
        "invite_used_up": "UPDATE partner.invites SET used_count = max_uses WHERE id = :id",
    }
    for code, statement in ends.items():
        made = await invite(api)
        await world.run(statement, id=made["invite"]["id"])
        assert told(await api(None, "GET", f"/invites/{made['code']}")) == (409, code)
        assert told(await api("outsider", "POST", f"/invites/{made['code']}/redeem")) == (409, code)
    made = await invite(api)
    await api("supervisor", "POST", f"/scopes/{world.id('a')}/suspend")
    assert told(await api("outsider", "POST", f"/invites/{made['code']}/redeem")) == (409, "scope_suspended")
    await api("supervisor", "POST", f"/scopes/{world.id('a')}/resume")
    await api("a owner", "DELETE", f"/scopes/{world.id('a')}")
    assert told(await api("outsider", "POST", f"/invites/{made['code']}/redeem")) == (404, "invite_unknown")


async def test_guessing_tells_nothing_and_is_slowed_down(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, invite_attempts=5)
    made = await invite(api)
    for guess in (codes.make(), "x", "%00", "ㅎ" * 10, "a" * 64):
        assert told(await api(None, "GET", f"/invites/{guess}")) == (404, "invite_unknown")
    slow = await api(None, "GET", f"/invites/{codes.make()}")
    assert told(slow) == (429, "too_many_attempts")
    assert int(slow.headers["retry-after"]) > 0
    assert told(await api("outsider", "POST", f"/invites/{made['code']}/redeem")) == (429, "too_many_attempts")
    api.address = f"test-{secrets.token_hex(4)}"
    assert (await api("outsider", "POST", f"/invites/{made['code']}/redeem")).status_code == 200


async def test_an_invitation_by_e_mail_is_for_that_person(api: Api, world: World) -> None:
    address = "Friend@Example.org"
    made = await invite(api, email=address, max_uses=50)
    assert (made["invite"]["email"], made["invite"]["max_uses"]) == ("friend@example.org", 1)
    assert told(await api("outsider", "POST", f"/invites/{made['code']}/redeem")) == (403, "invite_for_another")
    statement = 'UPDATE "user".accounts SET email = :email WHERE id = :id'
    await world.run('DELETE FROM "user".accounts WHERE email = :email', email="friend@example.org")
    await world.run(statement, email="friend@example.org", id=world.people["outsider"].account_id)
    assert (await api("outsider", "POST", f"/invites/{made['code']}/redeem")).json()["role"] == "student"
    malformed = {"role": "student", "email": "not an address"}
    path = f"/scopes/{world.id('a')}/invites"
    assert told(await api("a owner", "POST", path, malformed)) == (422, "email_malformed")


async def test_a_new_code_ends_the_old_one(api: Api, world: World) -> None:
    made = await invite(api)
    path = f"/scopes/{world.id('a.p.c')}/invites/{made['invite']['id']}"
    again = (await api("a.p.c manager", "POST", f"{path}/resend", {"expires_in_days": 3})).json()
    assert told(await api("outsider", "GET", f"/invites/{made['code']}")) == (409, "invite_revoked")
    assert (await api("outsider", "POST", f"/invites/{again['code']}/redeem")).status_code == 200
    assert told(await api("a owner", "POST", f"{path}/resend", {})) == (409, "invite_over")


async def test_an_invite_is_withdrawn_by_those_who_could_make_it(api: Api, world: World) -> None:
    made = await invite(api, role="manager")
    path = f"/scopes/{world.id('a.p.c')}/invites/{made['invite']['id']}"
    assert told(await api("a.p.c manager", "DELETE", path)) == (403, "rank_too_high")
    assert (await api("b owner", "DELETE", path)).status_code == 404
    elsewhere = f"/scopes/{world.id('a')}/invites/{made['invite']['id']}"
    assert told(await api("a owner", "DELETE", elsewhere)) == (404, "invite_not_found")
    assert (await api("a owner", "DELETE", path)).status_code == 204
    pending = f"/scopes/{world.id('a.p.c')}/invites?pending=true"
    assert (await api("a owner", "GET", pending)).json()["items"] == []
    assert told(await api("outsider", "POST", f"/invites/{made['code']}/redeem")) == (409, "invite_revoked")


async def test_who_was_removed_does_not_come_back_by_the_same_code_and_who_left_does(api: Api, world: World) -> None:
    made = await invite(api, max_uses=5)
    redeem, scope = f"/invites/{made['code']}/redeem", f"/scopes/{world.id('a.p.c')}"
    await api("outsider", "POST", redeem)
    assert (await api("outsider", "POST", f"{scope}/leave")).status_code == 204
    member = (await api("outsider", "POST", redeem)).json()["id"]
    assert (await api("a owner", "PUT", f"{scope}/members/{member}", {"status": "suspended"})).status_code == 200
    assert told(await api("outsider", "POST", redeem)) == (403, "membership_suspended")
    assert (await api("a owner", "DELETE", f"{scope}/members/{member}")).status_code == 204
    assert told(await api("outsider", "POST", redeem)) == (403, "membership_ended")


async def test_codes_end_with_the_authority_that_made_them(api: Api, world: World) -> None:
    made = {role: await invite(api, by="a.p manager", role=role) for role in ("student", "instructor")}
    above = await invite(api, by="a admin", role="manager")
    member = f"/scopes/{world.id('a.p')}/members/{world.members['a.p manager', 'a.p'].id}"
    assert (await api("a owner", "PUT", member, {"role": "instructor"})).status_code == 200
    for one in made.values():
        assert told(await api(None, "GET", f"/invites/{one['code']}")) == (409, "invite_revoked")
    assert (await api(None, "GET", f"/invites/{above['code']}")).status_code == 200
    admin = f"/scopes/{world.id('a')}/members/{world.members['a admin', 'a'].id}"
    assert (await api("a owner", "PUT", admin, {"role": "manager"})).status_code == 200
    assert told(await api(None, "GET", f"/invites/{above['code']}")) == (409, "invite_revoked")


async def test_pages_of_invites(api: Api, world: World) -> None:
    made = [(await invite(api, note=str(number)))["invite"]["id"] for number in range(3)]
    path = f"/scopes/{world.id('a.p.c')}/invites"
    first = (await api("a owner", "GET", f"{path}?limit=2")).json()
    second = (await api("a owner", "GET", f"{path}?limit=2&cursor={first['next_cursor']}")).json()
    assert [one["id"] for one in first["items"] + second["items"]] == made[::-1]


async def test_an_invitation_is_mailed_to_whom_it_is_for(house: House, world: World) -> None:
    settings = house.settings.model_copy(
        update={"smtp_url": SecretStr("smtp://localhost"), "public_url": "https://madang.example"}
    )
    api = Api(replace(house, settings=settings), world)
    made = await invite(api, email="somebody@example.org")
    assert made["is_sent"] is True
    path = f"/scopes/{world.id('a.p.c')}/invites/{made['invite']['id']}"
    again = (await api("a.p.c manager", "POST", f"{path}/resend", {"expires_in_days": 3})).json()
    query = text("""
        SELECT payload ->> 'text' FROM supervisor.outbox
        WHERE name = 'kernel.send_mail' AND payload ->> 'to' = 'somebody@example.org' ORDER BY id
    """)
    async with house.db.transaction() as tx:
        mails = (await tx.scalars(query)).all()
    assert len(mails) == 2
    for letter, code in zip(mails, (made, again), strict=True):
        assert f"https://madang.example/join/{code['code']}" in letter
    anybody = await invite(api)
    assert anybody["is_sent"] is False


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Win https://evil.example/prize now", "Win https·//evil·example/prize now"),
        ("www.evil.example", "www·evil·example"),
        ("One\u2028Bcc: a@evil.example\u0085two", "One Bcc: a@evil·example two"),
        ("Dr. Kim: 3. 학년", "Dr. Kim: 3. 학년"),
    ],
)
def test_a_name_is_no_link_and_no_header_in_a_letter_to_strangers(name: str, said: str) -> None:
    """Whoever may found an organisation does not write letters to anybody in this server's name."""
    letter = invitation("a@example.org", name, "https://madang.example/join/x", datetime(2026, 1, 1, tzinfo=UTC))
    message = written(letter, "Madang <madang@example.org>")
    assert str(message["Subject"]) == f"{said}: 초대합니다 · You are invited"
    html = message.get_body(("html",)).get_content()
    assert set(re.findall(r'href="([^"]*)"', html)) == {"https://madang.example/join/x"}
    assert f"“{said}”" in message.get_body(("plain",)).get_content()


@pytest.mark.parametrize("name", ["a\u2028b", "a\u0085b", "a\u202egnp.exe", "\u2067a", "a\x00", "\u2029"])
async def test_names_and_notes_hold_nothing_that_changes_what_is_around_them(name: str, api: Api, world: World) -> None:
    scope = f"/scopes/{world.id('a')}"
    for method, path, body in (
        ("POST", "/organisations/", {"name": name}),
        ("PUT", scope, {"name": name}),
        ("POST", f"{scope}/children", {"kind": "class", "name": name}),
        ("POST", f"{scope}/invites", {"role": "student", "note": name}),
    ):
        assert told(await api("supervisor", method, path, body)) == (422, "request_invalid"), path


@pytest.mark.parametrize("kept", ["한국.example", "xn--3e0b707e.example"])
async def test_an_invite_is_for_an_address_in_every_spelling(api: Api, world: World, kept: str) -> None:
    """One whose account was kept as it was typed too; somebody with another address has no use of it."""
    name = secrets.token_hex(5)
    made = await invite(api, email=f"{name}@XN--3E0B707E.example.")
    assert made["invite"]["email"] == f"{name}@한국.example"
    statement = 'UPDATE "user".accounts SET email = :email WHERE id = :id'
    await world.run(statement, email=f"{name}@{kept}", id=world.people["outsider"].account_id)
    path = f"/invites/{made['code']}/redeem"
    assert told(await api("b.q manager", "POST", path)) == (403, "invite_for_another")
    assert (await api("outsider", "POST", path)).status_code == 200
