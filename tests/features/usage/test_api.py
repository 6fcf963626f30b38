"""Usage and budgets over HTTP: who sees and sets what, and what PostgreSQL lets through by itself."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from madang.adapters.opening import open_house
from madang.features.usage.contracts import Price, Spender
from madang.features.usage.module import Usage
from madang.features.usage.service.meter import booked, metered
from madang.features.usage.service.tallies import tallied
from madang.kernel.auth import AUTHENTICATOR, Principal
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.ids import new_id
from madang.kernel.module import Module, Offer
from madang.kernel.settings import Settings
from tests.features.usage.conftest import Ledger, call


class Doorman(Module):
    """Lets everybody in as the account that the token names; "+" after it makes a supervisor."""

    name = "doorman"

    def offers(self) -> list[Offer[object]]:
        """The check of tokens."""

        async def authenticate(_house: House, bearer: str) -> Principal:
            return Principal(UUID(bearer.rstrip("+")), is_supervisor=bearer.endswith("+"))

        return [AUTHENTICATOR.offer(authenticate)]


MADE = """
    INSERT INTO partner.budgets (id, subject_kind, subject_id, path, unit, amount, period, time_zone, since) VALUES
"""


@dataclass(frozen=True)
class School:
    """An organisation with a class, an owner, a manager, an instructor of the class and a pupil."""

    id: UUID
    room: UUID
    owner: UUID
    manager: UUID
    instructor: UUID
    pupil: UUID


@pytest.fixture
async def api(house_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an api."""
    modules = [Usage(), Doorman()]
    async with open_house(house_settings, modules, "test", lambda _: None) as house:
        transport = httpx.ASGITransport(build_app(house, modules), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://madang.test/api/v1") as client:
            yield client


async def person(house: House, name: str = "", *, supervisor: bool = False) -> UUID:
    """An account."""
    account_id = new_id()
    statement = text("""
        INSERT INTO "user".accounts (id, email, name, password_hash, is_supervisor)
        VALUES (:id, :email, :name, 'x', :supervisor)
    """)
    async with house.db.transaction() as tx:
        values = {"id": account_id, "email": f"{account_id}@example.org", "name": name, "supervisor": supervisor}
        await tx.execute(statement, values)
    return account_id


async def school(house: House, ledger: Ledger) -> School:
    """A school of its own."""
    top = await ledger.scope()
    room = await ledger.scope(top)
    people = [await person(house, name) for name in ("Owner", "Manager", "Instructor", "Pupil")]
    places = [(top, [top], "owner"), (top, [top], "manager"), (room, [top, room], "instructor")]
    places.append((room, [top, room], "student"))
    statement = text("""
        INSERT INTO partner.memberships (id, scope_id, path, account_id, role, source)
        VALUES (:id, :scope, :path, :account, :role, 'test')
    """)
    async with house.db.transaction() as tx:
        for account, (scope, path, role) in zip(people, places, strict=True):
            values = {"id": new_id(), "scope": scope, "path": path, "account": account, "role": role}
            await tx.execute(statement, values)
    return School(top, room, *people)


def as_(account_id: UUID, *, supervisor: bool = False) -> dict[str, str]:
    return {"Authorization": f"Bearer {account_id}{'+' if supervisor else ''}"}


async def spend(house: House, account_id: UUID, *path: UUID, agent: str = "assistant", output: int = 45) -> None:
    async with metered(house, Spender(account_id, path, None, agent), call()) as metering:
        metering.took(10, output)
    await booked(house)


async def test_a_day_is_told_model_by_model(house: House, ledger: Ledger, api: httpx.AsyncClient) -> None:
    ours = await school(house, ledger)
    await spend(house, ours.pupil, ours.id)
    days = (await api.get(f"/usage/?scope_id={ours.id}", headers=as_(ours.owner))).json()["items"]
    models = (await api.get(f"/usage/?scope_id={ours.id}&group_by=day_model", headers=as_(ours.owner))).json()["items"]
    assert [one["key"] for one in models] == [f"{days[0]['key']} test/m"]


async def test_an_attempt_that_ends_late_leaves_the_next_ones_tally_alone(house: House) -> None:
    run_id, account_id = new_id(), new_id()
    async with AsyncExitStack() as slept:
        await slept.enter_async_context(tallied(house, run_id))
        async with tallied(house, run_id) as tally:
            await slept.aclose()
            async with metered(house, Spender(account_id, (), run_id, "assistant"), call()) as metering:
                metering.took(10, 5)
            totals = tally.here()
            assert totals is not None
            assert totals.output_tokens == 5
    await booked(house)


async def test_days_are_counted_by_the_clock_that_calls_are_booked_by(
    house: House, ledger: Ledger, api: httpx.AsyncClient
):
    ours = await school(house, ledger)
    await spend(house, ours.pupil, ours.id)
    (booked_on,) = (await api.get("/users/me/usage", headers=as_(ours.pupil))).json()["items"]
    for days in (1, 30, 3_700):
        told = (await api.get(f"/users/me/usage?days={days}", headers=as_(ours.pupil))).json()
        assert (told["last_day"], told["items"]) == (booked_on["key"], [booked_on])
        assert (date.fromisoformat(told["last_day"]) - date.fromisoformat(told["first_day"])).days == days - 1
    before_all = (await api.get("/users/me/usage?days=30&to=0001-01-02", headers=as_(ours.pupil))).json()
    assert (before_all["first_day"], before_all["items"]) == ("0001-01-01", [])
    month = (await api.get(f"/usage/?scope_id={ours.id}", headers=as_(ours.owner))).json()
    assert (month["first_day"], month["last_day"]) == (f"{booked_on['key'][:8]}01", booked_on["key"])


async def test_everybody_sees_their_own_and_managers_their_scope(house: House, ledger: Ledger, api: httpx.AsyncClient):
    ours, theirs = await school(house, ledger), await school(house, ledger)
    await spend(house, ours.pupil, ours.id, ours.room)
    await spend(house, ours.pupil, output=20)
    await spend(house, ours.manager, ours.id, agent="tutor")
    await spend(house, theirs.pupil, theirs.id, theirs.room)

    own = (await api.get("/users/me/usage?group_by=agent", headers=as_(ours.pupil))).json()
    assert own["total"] == {
        "calls": 2, "input_tokens": 20, "cached_tokens": 0, "output_tokens": 65, "cost": 150_000,
    }  # fmt: skip
    assert (own["currency"], own["scale"]) == ("USD", 10**9)
    assert [one["key"] for one in own["items"]] == ["assistant"]

    here = (await api.get(f"/usage/?scope_id={ours.id}&group_by=account", headers=as_(ours.manager))).json()
    assert here["total"]["cost"] == 200_000
    assert {one["label"] for one in here["items"]} == {"Pupil", "Manager"}
    by_scope = (await api.get(f"/usage/?scope_id={ours.id}&group_by=scope", headers=as_(ours.owner))).json()
    assert {one["key"]: one["label"] for one in by_scope["items"]} == {str(ours.room): "A school", "": ""}
    days = (await api.get(f"/usage/?scope_id={ours.id}", headers=as_(ours.owner))).json()
    assert [one["calls"] for one in days["items"]] == [2]

    stranger = await api.get(f"/usage/?scope_id={ours.id}", headers=as_(theirs.owner))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "scope_not_found")
    pupil = await api.get(f"/usage/?scope_id={ours.id}", headers=as_(ours.pupil))
    assert pupil.status_code == 404
    instructor = await api.get(f"/usage/?scope_id={ours.room}", headers=as_(ours.instructor))
    assert (instructor.status_code, instructor.json()["code"]) == (403, "scope_permission")
    everything = await api.get("/usage/", headers=as_(ours.owner))
    assert (everything.status_code, everything.json()["code"]) == (403, "supervisor_only")
    backwards = await api.get("/users/me/usage?from=2026-02-01&to=2026-01-01", headers=as_(ours.pupil))
    assert (backwards.status_code, backwards.json()["code"]) == (422, "period_invalid")

    supervisor = await person(house, supervisor=True)
    whole = await api.get("/usage/?group_by=scope", headers=as_(supervisor, supervisor=True))
    assert {str(ours.id), str(theirs.id)} <= {one["key"] for one in whole.json()["items"]}


async def test_budgets_are_set_by_admins_seen_by_managers_and_felt_by_all(
    house: House, ledger: Ledger, api: httpx.AsyncClient
):
    ours, theirs = await school(house, ledger), await school(house, ledger)
    wish: dict[str, Any] = {"subject_kind": "scope", "subject_id": str(ours.room), "unit": "money", "window": "month"}
    wish["limit"] = 400_000
    await spend(house, ours.pupil, ours.id, ours.room)
    for account, status in ((ours.manager, 403), (ours.pupil, 403), (theirs.owner, 404)):
        assert (await api.post("/budgets/", json=wish, headers=as_(account))).status_code == status
    made = await api.post("/budgets/", json=wish, headers=as_(ours.owner))
    assert made.status_code == 201
    budget = made.json()
    assert (budget["limit"], budget["spent"], budget["reserved"], budget["used_percent"]) == (400_000, 100_000, 0, 25.0)
    assert budget["starts_at"] < budget["renews_at"]
    again = await api.post("/budgets/", json=wish, headers=as_(ours.owner))
    assert (again.status_code, again.json()["code"]) == (409, "budget_exists")

    listing = f"/budgets/?subject_kind=scope&subject_id={ours.room}"
    assert (await api.get(listing, headers=as_(ours.manager))).json()["items"] == [budget]
    assert (await api.get(listing, headers=as_(theirs.owner))).status_code == 404
    (felt,) = (await api.get("/users/me/budgets", headers=as_(ours.pupil))).json()["items"]
    assert (felt["id"], felt["limit"], felt["spent"], felt["used_percent"]) == (budget["id"], None, None, 25.0)

    address = f"/budgets/{budget['id']}"
    assert (await api.put(address, json={"limit": 1}, headers=as_(theirs.owner))).status_code == 404
    assert (await api.put(address, json={"limit": 1}, headers=as_(ours.pupil))).status_code == 404
    assert (await api.put(address, json={"limit": 1}, headers=as_(ours.manager))).status_code == 403
    assert (await api.put(address, json={"limit": 9}, headers=as_(ours.owner))).json()["limit"] == 9
    assert (await api.delete(address, headers=as_(theirs.owner))).status_code == 404
    assert (await api.delete(address, headers=as_(ours.owner))).status_code == 204
    assert (await api.get(listing, headers=as_(ours.manager))).json()["items"] == []
    async with house.db.transaction() as tx:
        deeds = text("SELECT action FROM supervisor.audit WHERE target_id = :id ORDER BY id")
        actions = list((await tx.execute(deeds, {"id": UUID(budget["id"])})).scalars())
    assert actions == ["usage.budget_created", "usage.budget_changed", "usage.budget_deleted"]


async def test_budgets_of_accounts_and_of_the_platform_are_the_supervisors(
    house: House, ledger: Ledger, api: httpx.AsyncClient
):
    async with house.db.transaction() as tx:
        await tx.execute(text("DELETE FROM partner.budgets WHERE subject_kind = 'platform'"))
    somebody, other = await person(house), await person(house)
    boss = as_(await person(house, supervisor=True), supervisor=True)
    wish: dict[str, Any] = {"subject_kind": "account", "subject_id": str(somebody), "unit": "tokens", "window": "total"}
    wish["limit"] = 500
    assert (await api.post("/budgets/", json=wish, headers=as_(somebody))).status_code == 403
    made = await api.post("/budgets/", json=wish, headers=boss)
    assert (made.status_code, made.json()["renews_at"]) == (201, None)
    own = f"/budgets/?subject_kind=account&subject_id={somebody}"
    assert len((await api.get(own, headers=as_(somebody))).json()["items"]) == 1
    assert (await api.get(own, headers=as_(other))).status_code == 403
    (mine,) = (await api.get("/users/me/budgets", headers=as_(somebody))).json()["items"]
    assert mine["limit"] == 500
    assert (await api.delete(f"/budgets/{mine['id']}", headers=as_(somebody))).status_code == 403
    platform = {"subject_kind": "platform", "unit": "money", "window": "day", "limit": 10**15}
    assert (await api.post("/budgets/", json=platform, headers=as_(somebody))).status_code == 403
    assert (await api.post("/budgets/", json=platform, headers=boss)).json()["subject_id"] is None
    nobody = await api.post("/budgets/", json={**wish, "subject_id": str(new_id())}, headers=boss)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "account_not_found")
    unnamed = await api.post("/budgets/", json={**wish, "subject_id": None}, headers=boss)
    assert (unnamed.status_code, unnamed.json()["code"]) == (422, "subject_missing")
    of_all = await api.post("/budgets/", json={**platform, "unit": "tokens", "subject_id": str(somebody)}, headers=boss)
    assert (of_all.status_code, of_all.json()["code"]) == (422, "subject_unwanted"), "it would have bound everybody"


@pytest.mark.parametrize(
    "statement",
    [
        f"{MADE} (:new, 'scope', :victim, ARRAY[:own, :victim]::uuid[], 'money', 0, 'day', 'UTC', now())",
        f"{MADE} (:new, 'account', :account, '{{}}', 'money', 0, 'day', 'UTC', now())",
        "DELETE FROM partner.usage",
        "UPDATE partner.budgets SET subject_id = :victim",
        "INSERT INTO partner.budget_windows (budget_id, starts_at) VALUES (:new, now())",
    ],
)
async def test_postgresql_alone_keeps_an_owner_from_the_money_of_others(house: House, ledger: Ledger, statement: str):
    ours, theirs = await school(house, ledger), await school(house, ledger)
    await spend(house, theirs.pupil, theirs.id, theirs.room)
    values = {"new": new_id(), "victim": theirs.id, "own": ours.id, "account": theirs.pupil}
    used = {name: value for name, value in values.items() if f":{name}" in statement}

    async def attack() -> None:
        async with house.db.transaction(Principal(ours.owner)) as tx:
            await tx.execute(text(statement), used)

    with pytest.raises(DBAPIError):
        await attack()


async def test_postgresql_alone_lets_an_owner_change_no_booking(house: House, ledger: Ledger):
    ours = await school(house, ledger)
    await spend(house, ours.pupil, ours.id, ours.room)
    async with house.db.transaction(Principal(ours.owner)) as tx:
        changed = await tx.execute(
            text("WITH u AS (UPDATE partner.usage SET cost = 0 RETURNING 1) SELECT count(*) FROM u")
        )
        assert changed.scalar_one() == 0


async def test_postgresql_alone_hides_what_others_spend_and_may_spend(house: House, ledger: Ledger):
    ours, theirs = await school(house, ledger), await school(house, ledger)
    await spend(house, theirs.pupil, theirs.id, theirs.room)
    budget = await ledger.budget("scope", theirs.id, 1, path=(theirs.id,))
    async with house.db.transaction(Principal(ours.owner)) as tx:
        for table in ("usage", "usage_days", "budgets", "budget_windows", "reservations"):
            count = await tx.scalar(text(f"SELECT count(*) FROM partner.{table}"))
            assert count == 0, table
        changed = await tx.execute(text("UPDATE partner.budgets SET amount = 10"))
        assert changed.rowcount == 0  # type: ignore[attr-defined]  # of a cursor
        spied = text("SELECT partner.budgets_of(:account, :place)")
        assert await tx.scalar(spied, {"account": theirs.pupil, "place": [theirs.id]}) == []
        assert await tx.scalar(spied, {"account": ours.owner, "place": [theirs.id]}) == []
        names = text("SELECT * FROM partner.spender_names(:ids, :scope)")
        assert (await tx.execute(names, {"ids": [theirs.pupil], "scope": theirs.id})).all() == []
    assert (await ledger.windows(budget))[1] == 0


async def test_a_free_model_is_bound_by_tokens_only(house: House, ledger: Ledger):
    somebody = await person(house)
    await ledger.budget("account", somebody, 0)
    async with metered(house, Spender(somebody), call(price=Price(0))) as metering:
        metering.took(1, 1)
