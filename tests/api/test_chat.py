"""Conversations as a client of the API has them."""

import json
import unicodedata
import uuid
from typing import Any

import httpx
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from tests.api.conftest import Live

SLOW = "openai/bench?tokens=100000&rate=50"
SAID = "tok0 tok1 tok2 "
CHAT = "/api/v1/chat"


@pytest.fixture
def person(live: Live):
    with live.client(live.join()) as client:
        yield client


def begin(person: httpx.Client) -> str:
    return str(person.post(f"{CHAT}/sessions/", json={}).json()["id"])


def ask(person: httpx.Client, session: str, text: str = "Tell me a story.", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    return person.post(f"{CHAT}/sessions/{session}/messages", json={"text": text, **more}, headers=headers)


def events_of(person: httpx.Client, run_id: str, after: int = 0) -> list[tuple[int, str, Any]]:
    """All events above `after`; returns when the run has ended."""
    text = person.get(f"/api/v1/runs/{run_id}/events", headers={"Last-Event-ID": str(after)}).text
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":") for block in text.split("\n\n")
    ]
    return [(int(one["id"]), one["event"], json.loads(one["data"])) for one in blocks if one]


def messages_of(person: httpx.Client, session: str) -> list[dict[str, Any]]:
    return list(person.get(f"{CHAT}/sessions/{session}/messages").json()["items"])


def test_an_answer_is_streamed_stored_and_read_again_from_any_place(person: httpx.Client) -> None:
    session = begin(person)
    accepted = ask(person, session).json()
    seen = events_of(person, accepted["run_id"])
    assert [seq for seq, _, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[0][1:] == ("run.queued", {key: accepted[key] for key in seen[0][2]})
    assert seen[-1][1:] == ("run.finished", {"message_id": accepted["answer_id"], "finish_reason": "stop"})
    assert "".join(data["text"] for _, kind, data in seen if kind == "message.delta") == SAID
    question, answer = messages_of(person, session)
    assert (question["text"], answer["text"], answer["status"]) == ("Tell me a story.", SAID, "complete")
    address = f"/api/v1/runs/{accepted['run_id']}/events"
    whole = person.get(address).content
    for nothing in ({"headers": {"Last-Event-ID": ""}}, {"params": {"after": ""}}):
        assert person.get(address, **nothing).content == whole
    for wrong in ("x", "-1", "1.5", "9" * 40):
        assert person.get(address, headers={"Last-Event-ID": wrong}).status_code == 422
    for after in range(len(seen) + 1):
        assert events_of(person, accepted["run_id"], after) == seen[after:]


def test_one_id_follows_a_question_through_every_log_to_the_end_of_its_answer(person: httpx.Client) -> None:
    session, trace = begin(person), f"trace-{uuid.uuid4()}"
    with capture_logs(processors=[merge_contextvars]) as logged:
        answer = ask(person, session, headers={"X-Request-ID": trace})
        events_of(person, answer.json()["run_id"])
    assert answer.headers["X-Request-ID"] == trace
    assert float(answer.headers["X-Process-Time"]) > 0
    ours = {entry["event"]: entry for entry in logged if entry.get("request_id") == trace}
    assert ours["request"]["status"] == 202
    assert (ours["run_ended"]["status"], ours["run_ended"]["run_id"]) == ("finished", answer.json()["run_id"])


def test_a_question_sent_twice_with_one_key_is_asked_once(person: httpx.Client) -> None:
    session = begin(person)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = (ask(person, session, headers=key, document_ids=[]) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    events_of(person, first.json()["run_id"])
    assert len(messages_of(person, session)) == 2
    other = ask(person, session, "Another question.", headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


def test_one_answer_at_a_time_and_a_stop_gives_a_receipt(person: httpx.Client) -> None:
    session = begin(person)
    run_id = ask(person, session, model=SLOW).json()["run_id"]
    busy = ask(person, session)
    assert (busy.status_code, busy.json()["code"], busy.json()["run_id"]) == (409, "session_busy", run_id)
    stopped = person.post(f"/api/v1/runs/{run_id}/cancel").json()
    assert stopped["status"] == "cancelled"
    assert stopped["receipt"]["output_tokens"] >= 0
    assert person.post(f"/api/v1/runs/{run_id}/cancel").json() == stopped
    assert events_of(person, run_id)[-1][1] == "run.cancelled"
    assert messages_of(person, session)[1]["status"] == "stopped"


def test_a_retry_replaces_the_answer(person: httpx.Client) -> None:
    session = begin(person)
    first = ask(person, session, model="openai/bench?status=401").json()
    assert events_of(person, first["run_id"])[-1][2]["code"] == "model_refused"
    again = person.post(f"{CHAT}/sessions/{session}/messages/{first['message_id']}/retry").json()
    assert again["message_id"] == first["message_id"]
    events_of(person, again["run_id"])
    assert [one["id"] for one in messages_of(person, session)] == [first["message_id"], again["answer_id"]]


def test_titles_come_from_the_first_question_and_sessions_are_found_by_words(person: httpx.Client) -> None:
    session = begin(person)
    events_of(person, ask(person, session, "마당에 감나무가\n있나요?").json()["run_id"])
    begin(person)
    assert person.get(f"{CHAT}/sessions/{session}").json()["title"] == "마당에 감나무가"
    for words in ("감나무", "tok1", "있나요", unicodedata.normalize("NFD", "감나무")):
        found = person.get(f"{CHAT}/sessions/", params={"q": words}).json()["items"]
        assert [one["id"] for one in found] == [session], words
    renamed = person.put(f"{CHAT}/sessions/{session}", json={"title": "  나무  이야기 "})
    assert renamed.json()["title"] == "나무 이야기"
    assert person.get(f"{CHAT}/sessions/", params={"q": "100%_"}).json()["items"] == []


def test_sessions_are_paged_without_a_gap(person: httpx.Client) -> None:
    made = [begin(person) for _ in range(5)]
    found, cursor = [], None
    while True:
        page = person.get(f"{CHAT}/sessions/", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == made[::-1]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": ""}, "question_empty"),
        ({"text": " \n "}, "question_empty"),
        ({"text": "\u200b\ufeff \u2060"}, "question_empty"),
        ({"text": "x" * 20_001}, "question_too_long"),
        ({"text": "a\x00b"}, "question_invalid"),
        ({"text": "half of a smile: \ud83d"}, "question_invalid"),
        ({"text": "x", "model": "nobody/nothing"}, "model_unknown"),
        ({"text": "x", "agent": "nobody"}, "agent_unknown"),
        ({"text": "x", "unknown": 1}, "request_invalid"),
    ],
)
def test_a_bad_question_is_refused_and_leaves_nothing(person: httpx.Client, body: dict[str, Any], code: str) -> None:
    session = begin(person)
    kind = {"content-type": "application/json"}
    written = json.dumps(body).encode()  # httpx would refuse to send what a hostile client spells out
    answer = person.post(f"{CHAT}/sessions/{session}/messages", content=written, headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert messages_of(person, session) == []


def test_what_is_a_strangers_does_not_exist(live: Live, person: httpx.Client, belongings: dict[str, str]) -> None:
    mine = begin(person)
    session, run, message = (belongings[name] for name in ("session_id", "run_id", "message_id"))
    attacks = [
        person.get(f"{CHAT}/sessions/{session}"),
        person.put(f"{CHAT}/sessions/{session}", json={"title": "mine"}),
        person.delete(f"{CHAT}/sessions/{session}"),
        person.get(f"{CHAT}/sessions/{session}/messages"),
        ask(person, session),
        person.post(f"{CHAT}/sessions/{session}/messages/{message}/retry"),
        person.post(f"{CHAT}/sessions/{mine}/messages/{message}/retry"),
        person.post(f"{CHAT}/streaming", json={"question": "x", "session_id": session}),
        person.get(f"/api/v1/runs/{run}"),
        person.get(f"/api/v1/runs/{run}/events"),
        person.post(f"/api/v1/runs/{run}/cancel"),
        ask(person, mine, document_ids=[belongings["document_id"]]),
    ]
    assert [answer.status_code for answer in attacks] == [404] * len(attacks)


def test_a_deleted_session_is_gone_with_its_answer(person: httpx.Client) -> None:
    session = begin(person)
    run_id = ask(person, session, model=SLOW).json()["run_id"]
    assert person.delete(f"{CHAT}/sessions/{session}").status_code == 204
    assert person.get(f"{CHAT}/sessions/{session}").status_code == 404
    assert person.get(f"/api/v1/runs/{run_id}").json()["status"] == "cancelled"
