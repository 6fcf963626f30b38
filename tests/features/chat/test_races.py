"""Questions, stops, retries and deletions that come at the same time."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from madang.features.accounts.service import registration
from madang.features.chat.contracts import Accepted, KeyReused, MessageNotFound, Question, SessionBusy, SessionNotFound
from madang.features.chat.service import answers, asking, sessions
from madang.features.chat.tables import ChatMessage
from madang.features.runs.contracts import PERFORM, RunEnded, RunOrder
from madang.features.runs.service import performance
from madang.features.runs.service.packing import unpack
from madang.features.runs.service.reading import events, open_events
from madang.features.runs.tables import Run
from madang.kernel.auth import Principal
from madang.kernel.db import Delivery
from madang.kernel.errors import Problem
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.providers.conftest import Configure, configure, upstream
from tests.standin import Standin

__all__ = ["configure", "upstream"]

SAID = "tok0 tok1 tok2 tok3 tok4 "
ENDLESS = "openai/bench?tokens=100000&rate=100"


@pytest.fixture
async def who(house: House, configure: Configure) -> Principal:
    account = await registration.create_supervisor(house, f"{new_id().hex}@example.org", "", "courtyard rain 7")
    return Principal(account.id)


async def ask(
    house: House, who: Principal, session_id: UUID | None, words: str = "Why?", *, key: str | None = None, **more: Any
) -> Accepted:
    return await asking.ask(house, who, session_id, Question(words, **more), key)


async def ask_again(house: House, who: Principal, asked: Accepted) -> Accepted:
    return await asking.ask_again(house, who, asked.session_id, asked.message_id)


async def begin(house: House, who: Principal) -> UUID:
    async with house.db.transaction(who) as tx:
        return (await sessions.create_session(tx, who, None)).id


async def perform(house: House, run_id: UUID) -> None:
    """What a worker does, without telling chat yet: the announcement stays in the outbox."""
    await performance.perform(house, RunOrder(run_id), Delivery(new_id(), "job", PERFORM.name, {}, None))


async def told(house: House, asked: Accepted, who: Principal) -> None:
    async with house.db.transaction() as tx:
        await answers.take_answer(tx, RunEnded(asked.run_id, who.account_id, "finished", asked.labels))


async def messages(house: House, session_id: UUID) -> list[ChatMessage]:
    async with house.db.transaction() as tx:
        found = select(ChatMessage).where(ChatMessage.session_id == session_id).order_by(ChatMessage.id)
        return list((await tx.scalars(found)).all())


async def said_to(house: House, run_id: UUID) -> list[tuple[str, str]]:
    """What the agent is given."""
    async with house.db.transaction() as tx:
        request = await tx.scalar(select(Run.request).where(Run.id == run_id))
    assert request is not None
    given: Any = request["messages"]
    return [(one["role"], one["content"]) for one in given]


async def settled(*work: Any) -> list[Any]:
    """All results, errors of ours among them."""
    found = await asyncio.gather(*work, return_exceptions=True)
    assert all(not isinstance(one, BaseException) or isinstance(one, Problem) for one in found), found
    return found


async def test_the_next_question_knows_an_answer_that_has_only_just_ended(house: House, who: Principal) -> None:
    """A program asks on as soon as it has read the end; the message is stored a moment later, or much later."""
    first = await ask(house, who, await begin(house, who), "First?")
    await perform(house, first.run_id)
    second = await ask(house, who, first.session_id, "Second?")
    assert await said_to(house, second.run_id) == [("user", "First?"), ("assistant", SAID), ("user", "Second?")]
    await told(house, first, who)
    shown = await messages(house, first.session_id)
    assert [(one.status, one.text) for one in shown] == [
        ("complete", "First?"), ("complete", SAID), ("complete", "Second?"), ("streaming", ""),
    ]  # fmt: skip
    with pytest.raises(SessionBusy):
        await ask(house, who, first.session_id, "Third?")


async def test_of_questions_that_come_together_one_is_asked(house: House, who: Principal) -> None:
    session_id = await begin(house, who)
    found = await settled(*(ask(house, who, session_id, f"Number {number}?") for number in range(6)))
    assert sum(isinstance(one, Accepted) for one in found) == 1
    assert sum(isinstance(one, SessionBusy) for one in found) == 5
    assert len(await messages(house, session_id)) == 2


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_key_that_comes_many_times_together_is_asked_once(house: House, who: Principal, is_new: bool) -> None:
    session_id = None if is_new else await begin(house, who)
    found = await settled(*(ask(house, who, session_id, key="a key") for _ in range(8)))
    assert len(set(found)) == 1
    assert len(await messages(house, found[0].session_id)) == 2
    async with house.db.transaction() as tx:
        runs = await tx.scalar(text('SELECT count(*) FROM "user".runs WHERE account_id = :id'), {"id": who.account_id})
    assert runs == 1


async def test_a_key_belongs_to_the_conversation_that_it_was_used_in(house: House, who: Principal) -> None:
    first = await ask(house, who, None, key="a key")
    assert await ask(house, who, first.session_id, key="a key") == first
    assert await ask(house, who, None, key="a key") == first
    with pytest.raises(KeyReused):
        await ask(house, who, await begin(house, who), key="a key")


async def test_of_retries_that_come_together_one_is_done_and_the_others_wait(house: House, who: Principal) -> None:
    first = await ask(house, who, None)
    with pytest.raises(SessionBusy):
        await ask_again(house, who, first)
    await perform(house, first.run_id)
    found = await settled(*(ask_again(house, who, first) for _ in range(5)), told(house, first, who))
    again = [one for one in found if isinstance(one, Accepted)]
    assert len(again) == 1
    await perform(house, again[0].run_id)
    await told(house, again[0], who)
    shown = await messages(house, first.session_id)
    assert [(one.text, one.superseded_at is None) for one in shown] == [("Why?", True), (SAID, False), (SAID, True)]


async def test_deleting_a_conversation_stops_the_questions_that_still_come(
    house: House, who: Principal, upstream: Standin
) -> None:
    session_id = await begin(house, who)
    first = await ask(house, who, session_id, model=ENDLESS)
    working = asyncio.get_running_loop().create_task(perform(house, first.run_id))
    performed = [working]
    late: list[Accepted] = []
    real = sessions.cancel

    async def slow_cancel(*given: Any) -> object:
        stopped = await real(*given)
        if not late:
            late.append(await ask(house, who, session_id, "One more?", model=ENDLESS))
            performed.append(asyncio.get_running_loop().create_task(perform(house, late[0].run_id)))
        return stopped

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sessions, "cancel", slow_cancel)
        await asyncio.wait_for(sessions.delete_session(house, who, session_id), 30)
    await asyncio.wait_for(asyncio.gather(*performed), 10)
    assert await messages(house, session_id) == []
    async with house.db.transaction() as tx:
        runs = await tx.scalars(select(Run.status).where(Run.account_id == who.account_id))
        assert runs.all() == ["cancelled", "cancelled"]
    with pytest.raises(SessionNotFound):
        await ask(house, who, session_id)
    with pytest.raises((SessionNotFound, MessageNotFound)):
        await ask_again(house, who, first)


async def test_deleting_a_conversation_whose_answer_nobody_can_stop_now_does_not_wait_for_ever(
    house: House, who: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.features.runs.service.desk.RECEIPT_WAIT_SECONDS", 0.2)
    asked = await ask(house, who, None)
    async with house.db.transaction() as tx:
        await tx.execute(
            text("UPDATE \"user\".runs SET status = 'running', attempt = 1 WHERE id = :id"), {"id": asked.run_id}
        )
    await asyncio.wait_for(sessions.delete_session(house, who, asked.session_id), 20)
    assert await messages(house, asked.session_id) == []


async def test_of_a_deleted_conversation_no_word_is_kept(house: House, who: Principal) -> None:
    secret = "xyzzy"
    first = await ask(house, who, None, f"Who is {secret}?", model=f"openai/bench?text={secret}")
    await perform(house, first.run_id)
    again = await ask_again(house, who, first)
    await perform(house, again.run_id)
    await told(house, first, who)
    await sessions.delete_session(house, who, first.session_id)
    await told(house, again, who)
    async with house.db.transaction() as tx:
        runs = (await tx.scalars(select(Run).where(Run.account_id == who.account_id))).all()
        rows = await tx.execute(text("SELECT m::text FROM \"user\".messages m WHERE m::text LIKE '%xyzzy%'"))
        assert rows.all() == []
    assert [run.status for run in runs] == ["finished", "finished"]
    for run in runs:
        kept = f"{run.request} {run.text} {run.citations} {run.labels} {run.error} {unpack(run.log or b'')}"
        assert secret not in kept
        assert run.usage is not None
        assert run.usage["output_tokens"] == 1
        async with house.db.transaction(who) as tx:
            opening = await open_events(tx, who, run.id)
        types = [event.type async for batch in events(house, opening, 0) for event in batch]
        assert types == [b"run.queued", b"run.finished"]
