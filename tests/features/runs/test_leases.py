"""Who holds a run: a locked row holds up no other, silence of PostgreSQL is forgiven, and a killer is alone."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, text

from madang.features.runs.contracts import PERFORM, RunEnded, RunOrder
from madang.features.runs.jobs import PERFORM_JOB
from madang.features.runs.service import giving_up, leases
from madang.features.runs.service.leases import Hand, Hands, reap
from madang.features.runs.tables import Run
from madang.kernel.db import OUTBOX, Delivery
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.processes.scheduler import beat
from tests.features.providers.conftest import Configure
from tests.features.runs.conftest import Asked, ask


async def take(hands: Hands, asked: Asked) -> Hand:
    hand = await hands.take(RunOrder(asked.run_id), Delivery(new_id(), "job", PERFORM.name, {}, None))
    assert hand is not None
    return hand


async def orders_of(house: House, asked: Asked) -> list[dict[str, Any]]:
    async with house.db.transaction() as tx:
        of_run = OUTBOX.c.payload["run_id"].astext == str(asked.run_id)
        rows = await tx.execute(select(OUTBOX.c.payload).where(OUTBOX.c.name == PERFORM.name, of_run))
        return [row.payload for row in rows]


@pytest.fixture(autouse=True)
async def no_beats(house: House) -> Any:
    yield
    async with house.db.transaction() as tx:
        await tx.execute(text("DELETE FROM supervisor.heartbeat"))


async def beaten(house: House, *, since: str) -> None:
    await beat(house)
    async with house.db.transaction() as tx:
        statement = "UPDATE supervisor.heartbeat SET answering_since = now() - CAST(:since AS text)::interval"
        await tx.execute(text(statement), {"since": since})


async def lapse(asked: Asked, attempt: int = 1) -> None:
    past = text("now() - interval '1 second'")
    await asked.change(status="running", attempt=attempt, lease_owner="dead", lease_expires_at=past)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases so short that the start of this test's PostgreSQL is long ago."""
    short = leases.load().model_copy(update={"lease_seconds": 0.5})
    monkeypatch.setattr(leases, "load", lambda: short)


async def test_a_locked_row_lets_no_other_lease_lapse_and_is_not_lost(house: House, configure: Configure) -> None:
    hands = Hands(house)
    one, other = await ask(house), await ask(house)
    held, free = await take(hands, one), await take(hands, other)
    before = (await other.run()).lease_expires_at
    async with house.db.transaction() as tx:
        await tx.execute(select(Run.id).where(Run.id == one.run_id).with_for_update())
        skipped = await asyncio.wait_for(asyncio.get_running_loop().create_task(hands.renew()), 10)
    assert skipped == {one.run_id}
    assert (held.reason, free.reason) == (None, None)
    after = (await other.run()).lease_expires_at
    assert before is not None
    assert after is not None
    assert after > before
    assert await hands.renew() == set()


async def test_a_locked_row_that_is_anothers_by_now_is_lost(house: House, configure: Configure) -> None:
    hands, asked = Hands(house), await ask(house)
    hand = await take(hands, asked)
    await asked.change(attempt=2, lease_owner="another")
    async with house.db.transaction() as tx:
        await tx.execute(select(Run.id).where(Run.id == asked.run_id).with_for_update())
        await asyncio.get_running_loop().create_task(hands.renew())
    assert hand.reason == "lost"


@pytest.mark.parametrize(("since", "status"), [("100 milliseconds", "running"), ("1 hour", "queued")])
async def test_a_lease_that_ran_out_while_postgresql_was_away_is_forgiven_for_one_lease(
    house: House, configure: Configure, quick: None, since: str, status: str
) -> None:
    asked = await ask(house)
    await lapse(asked)
    await beaten(house, since=since)
    await reap(house)
    assert (await asked.run()).status == status


async def test_a_run_is_a_suspect_from_its_third_attempt_on(house: House, configure: Configure, quick: None) -> None:
    innocent, killer = await ask(house), await ask(house)
    await lapse(innocent, attempt=1)
    await lapse(killer, attempt=2)
    await reap(house)
    assert (await orders_of(house, innocent))[-1]["is_suspect"] is False
    assert (await orders_of(house, killer))[-1]["is_suspect"] is True
    assert PERFORM_JOB.is_suspect((await orders_of(house, killer))[-1])
    assert not PERFORM_JOB.is_suspect((await orders_of(house, innocent))[-1])


async def test_a_suspect_that_is_given_back_stays_one(house: House, configure: Configure) -> None:
    hands, asked = Hands(house), await ask(house)
    delivery = Delivery(new_id(), "job", PERFORM.name, {}, None)
    hand = await hands.take(RunOrder(asked.run_id, is_suspect=True), delivery)
    assert hand is not None
    await hands.give_back(hand)
    assert (await orders_of(house, asked))[-1]["is_suspect"] is True


async def test_a_run_whose_order_is_set_aside_ends_and_a_retry_changes_nothing(
    house: House, configure: Configure
) -> None:
    asked = await ask(house)
    for _ in range(2):
        await giving_up.give_up(house, RunOrder(asked.run_id), "no worker could take it")
        run = await asked.run()
        assert (run.status, run.error and run.error["code"]) == ("failed", "run_not_begun")
        assert [event.type for event in await asked.read()] == [b"run.queued", b"run.failed"]
        await asked.perform()
    async with house.db.transaction() as tx:
        ended = OUTBOX.c.payload["run_id"].astext == str(asked.run_id)
        told = await tx.execute(select(OUTBOX.c.id).where(OUTBOX.c.name == RunEnded.name, ended))
        assert len(told.all()) == 1


async def test_readers_of_a_run_that_was_begun_and_is_set_aside_hear_its_end_after_what_was_said(
    house: House, configure: Configure
) -> None:
    asked = await ask(house, "openai/bench?tokens=100000&rate=200")
    seen: list[Any] = []
    performing = asked.performing()
    reader = asyncio.get_running_loop().create_task(asked.read(seen=seen))
    await asked.heard(seen, b"message.delta", 2)
    performing.cancel()
    await asyncio.wait({performing})
    await giving_up.give_up(house, RunOrder(asked.run_id), "no worker could take it")
    await asyncio.wait_for(reader, 30)
    assert [event.seq for event in seen] == [*range(1, len(seen) + 1)]
    assert seen[-1].type == b"run.failed"


async def test_a_run_that_has_begun_again_is_not_given_up(house: House, configure: Configure) -> None:
    hands, asked = Hands(house), await ask(house)
    await take(hands, asked)
    await giving_up.give_up(house, RunOrder(asked.run_id), "late")
    assert (await asked.run()).status == "running"
