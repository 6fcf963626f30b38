"""Who pays for an answer, and what happens when they cannot, as a client of the API sees it."""

import asyncio
from typing import Any

import httpx
import pytest

from madang.features.usage.public import booked
from tests.api.conftest import PATIENCE_SECONDS, Live
from tests.api.test_chat import CHAT, ask, begin, events_of, messages_of

API = "/api/v1"


@pytest.fixture
def person(live: Live):
    with live.client(live.join()) as client:
        yield client


def found(person: httpx.Client) -> str:
    return str(person.post(f"{API}/organisations/", json={"name": "마당"}).json()["id"])


def spent(live: Live, person: httpx.Client, query: str = "") -> dict[str, Any]:
    """A usage report, when all calls of this process are booked."""
    assert live.house is not None
    assert live.loop is not None
    asyncio.run_coroutine_threadsafe(booked(live.house), live.loop).result(PATIENCE_SECONDS)
    report: dict[str, Any] = person.get(f"{API}/{query or 'users/me/usage?group_by=agent'}").json()
    return report


def limit(person: httpx.Client, subject: dict[str, str], tokens: int) -> str:
    wish = {"subject_kind": "account", "unit": "tokens", "window": "month", "limit": tokens, **subject}
    made = person.post(f"{API}/budgets/", json=wish)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def test_an_answer_is_charged_to_the_scope_of_its_conversation(live: Live, person: httpx.Client) -> None:
    school = found(person)
    found(person)
    session = person.post(f"{CHAT}/sessions/", json={"scope_id": school}).json()
    assert session["scope_id"] == school
    events = events_of(person, ask(person, session["id"]).json()["run_id"])
    (usage,) = [data for _, kind, data in events if kind == "usage"]
    report = spent(live, person, f"usage/?scope_id={school}&group_by=agent")
    assert [one["key"] for one in report["items"]] == ["assistant"]
    assert report["total"]["output_tokens"] == usage["output_tokens"]
    alone = begin(person)
    events_of(person, ask(person, alone).json()["run_id"])
    assert spent(live, person, f"usage/?scope_id={school}")["total"]["calls"] == 1
    assert spent(live, person)["total"]["calls"] == 2


def test_an_exhausted_budget_refuses_the_question_and_says_when_it_renews(live: Live, person: httpx.Client) -> None:
    session = begin(person)
    limit(person, {"subject_id": str(person.get(f"{API}/auth/me").json()["id"])}, 1)
    refused = ask(person, session)
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["window"]) == (429, "budget_exhausted", "month")
    assert int(refused.headers["Retry-After"]) > 0
    assert problem["renews_at"] > "2026"
    assert messages_of(person, session) == []


def test_a_budget_that_ends_between_question_and_answer_fails_the_run_clearly(live: Live, person: httpx.Client) -> None:
    session = begin(person)
    limit(person, {"subject_id": str(person.get(f"{API}/auth/me").json()["id"])}, 400)
    accepted = ask(person, session, "마당 " * 500)
    assert accepted.status_code == 202
    (_, kind, data) = events_of(person, accepted.json()["run_id"])[-1]
    assert (kind, data["code"], data["subject_kind"]) == ("run.failed", "budget_exhausted", "account")
    assert data["renews_at"] > "2026"
    assert messages_of(person, session)[1]["error"]["code"] == "budget_exhausted"


def test_whoever_left_does_not_charge_the_organisation_any_more(live: Live, person: httpx.Client) -> None:
    school = found(person)
    with live.client(live.join()) as pupil:
        me = pupil.get(f"{API}/auth/me").json()["id"]
        stranger = pupil.post(f"{CHAT}/sessions/", json={"scope_id": school})
        assert (stranger.status_code, stranger.json()["code"]) == (404, "scope_not_found")
        code = person.post(f"{API}/scopes/{school}/invites", json={"role": "student"}).json()["code"]
        assert pupil.post(f"{API}/invites/{code}/redeem").status_code < 300
        session = pupil.post(f"{CHAT}/sessions/", json={"scope_id": school}).json()["id"]
        events_of(pupil, ask(pupil, session).json()["run_id"])
        (member,) = [
            one for one in person.get(f"{API}/scopes/{school}/members").json()["items"] if one["account_id"] == me
        ]
        assert person.delete(f"{API}/scopes/{school}/members/{member['id']}").status_code == 204
        refused = ask(pupil, session)
        assert (refused.status_code, refused.json()["code"]) == (409, "payer_gone")
        events_of(pupil, ask(pupil, begin(pupil)).json()["run_id"])
        mine = spent(live, pupil)
    assert mine["total"]["calls"] == 2
    assert spent(live, person, f"usage/?scope_id={school}")["total"]["calls"] == 1


def test_what_pays_for_a_conversation_stays(live: Live, person: httpx.Client) -> None:
    session = begin(person)
    other = person.post(f"{CHAT}/streaming", json={"question": "?", "session_id": session, "scope_id": found(person)})
    assert (other.status_code, other.json()["code"]) == (409, "payer_fixed")
