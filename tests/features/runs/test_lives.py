"""A run through all that can happen to it: it ends once, its readers learn of it, and nobody works for nothing."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from redis.exceptions import ConnectionError as ValkeyConnectionError
from redis.exceptions import TimeoutError as ValkeyTimeoutError
from sqlalchemy import delete, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from madang.features.agents.public import Citation
from madang.features.runs.contracts import PERFORM, RunOrder
from madang.features.runs.service import desk, leases, performance, reading
from madang.features.runs.service.leases import Hands, open_hands
from madang.features.runs.settings import RunSettings
from madang.features.runs.tables import Run
from madang.kernel.db import Delivery, in_seconds
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.streams import Event
from tests.features.providers.conftest import Configure
from tests.features.runs.conftest import Asked, ask
from tests.live import eventually
from tests.standin import Standin

AWAY = OperationalError("COMMIT", {}, psycopg.OperationalError("the connection is lost"), connection_invalidated=True)
ENDLESS = "openai/bench?tokens=100000&rate=200"
SILENT = "openai/bench?stall_after=4&rate=40"
DELTA, STARTED, RESTARTED, CANCELLED = b"message.delta", b"run.started", b"message.restarted", b"run.cancelled"


def text_of(seen: list[Event]) -> list[int]:
    return [event.seq for event in seen]


def is_whole(seen: list[Event]) -> bool:
    return text_of(seen) == [*range(1, len(seen) + 1)]


async def hung_up(upstream: Standin, live: int = 0) -> None:
    async def gone() -> bool:
        return upstream.live == live

    await eventually(gone, within=10)


async def begun(asked: Asked, words: int = 2) -> tuple["asyncio.Task[None]", "asyncio.Task[list[Event]]", list[Event]]:
    """A run of which a reader has heard something."""
    seen: list[Event] = []
    performing = asked.performing()
    reader = asyncio.get_running_loop().create_task(asked.read(seen=seen))
    await asked.heard(seen, DELTA, words)
    return performing, reader, seen


async def given_up(performing: "asyncio.Task[None]") -> None:
    """End the worker as SIGTERM does."""
    performing.cancel()
    with suppress(asyncio.CancelledError):
        await performing


async def test_a_worker_whose_run_is_anothers_hangs_up_on_the_model_at_its_next_renewal(
    house: House, configure: Configure, upstream: Standin
) -> None:
    configure(model_between_tokens_seconds=60)
    asked = await ask(house, SILENT)
    performing, reader, _ = await begun(asked)
    await asked.change(attempt=2, lease_owner="another")
    await (await house.resource(open_hands)).renew()
    await asyncio.wait_for(performing, 30)
    await hung_up(upstream)
    run = await asked.run()
    assert (run.status, run.attempt, run.lease_owner) == ("running", 2, "another")
    reader.cancel()


async def test_a_run_that_is_deleted_stops_costing_and_its_readers_are_let_go(
    house: House, configure: Configure, upstream: Standin, soon: None
) -> None:
    configure(model_between_tokens_seconds=60)
    asked = await ask(house, SILENT)
    performing, reader, seen = await begun(asked)
    async with house.db.transaction() as tx:
        await tx.execute(delete(Run).where(Run.id == asked.run_id))
    await (await house.resource(open_hands)).renew()
    await asyncio.wait_for(performing, 30)
    await hung_up(upstream)
    await asyncio.wait_for(reader, 30)
    assert is_whole(seen)


async def test_of_two_attempts_in_one_process_the_first_ends_when_the_second_begins(
    house: House, configure: Configure, upstream: Standin
) -> None:
    configure(model_between_tokens_seconds=60)
    asked = await ask(house, SILENT)
    first, reader, seen = await begun(asked)
    await asked.change(status="queued", lease_owner=None)  # as the reaper does while the process sleeps
    second = asked.performing()
    await asyncio.wait_for(first, 30)
    await asked.heard(seen, RESTARTED)
    await asked.heard(seen, DELTA, 4)
    await hung_up(upstream, live=1)
    hands = await house.resource(open_hands)
    assert hands.runs[asked.run_id].attempt == 2
    assert (await asked.stop()).status == "cancelled"
    await asyncio.wait_for(second, 30)
    await asyncio.wait_for(reader, 30)
    assert is_whole(seen)
    assert asked.run_id not in hands.runs


async def test_a_stop_between_two_attempts_is_told_after_what_was_said(
    house: House, configure: Configure, soon: None
) -> None:
    asked = await ask(house, ENDLESS)
    performing, reader, seen = await begun(asked)
    await given_up(performing)
    assert ((await asked.run()).status, (await asked.run()).attempt) == ("queued", 1)
    stopping = asyncio.get_running_loop().create_task(asked.stop())

    async def is_asked_for() -> bool:
        return (await asked.run()).cancel_requested_at is not None

    await eventually(is_asked_for)
    assert not stopping.done()
    await asyncio.wait_for(asked.perform(), 30)
    stopped = await stopping
    assert (stopped.status, stopped.attempt) == ("cancelled", 2)
    await asyncio.wait_for(reader, 30)
    assert is_whole(seen)
    assert [event.type for event in seen[-3:]] == [STARTED, RESTARTED, CANCELLED]
    assert seen == await asked.read()
    assert (await asked.run()).text == ""
    receipt = desk.receipt(desk.usage_of(stopped.usage))
    assert (receipt["output_tokens"], receipt["input_tokens"]) == ((await asked.spent())[1], (await asked.spent())[0])


async def test_a_stop_before_any_attempt_needs_no_worker(asked: Asked, soon: None) -> None:
    stopped = await asked.stop()
    assert stopped.status == "cancelled"
    await asked.perform()
    assert [event.type for event in await asked.read()] == [b"run.queued", CANCELLED]
    assert (await asked.run()).attempt == 0


async def test_a_stop_that_no_worker_heard_is_told_again(
    house: House, configure: Configure, monkeypatch: pytest.MonkeyPatch, upstream: Standin
) -> None:
    real, deaf = Hands._stop, 2

    def once_deaf(self: Hands, run_id: Any) -> None:
        nonlocal deaf
        deaf -= 1
        if deaf < 0:
            real(self, run_id)

    monkeypatch.setattr(Hands, "_stop", once_deaf)
    asked = await ask(house, ENDLESS)
    performing, reader, seen = await begun(asked)
    assert (await asked.stop()).status == "cancelled"
    await asyncio.wait_for(asyncio.gather(performing, reader), 30)
    await hung_up(upstream)
    assert seen[-1].type == CANCELLED


async def test_nonsense_on_the_channel_of_stops_does_not_make_a_worker_deaf(house: House, configure: Configure) -> None:
    asked = await ask(house, ENDLESS)
    performing, reader, _ = await begun(asked)
    channel = f"{house.settings.key_prefix}:{desk.STOP_CHANNEL}"
    for nonsense in ("", "everything", b"\xff\xfe"):
        await house.valkey.publish(channel, nonsense)
    assert (await asked.stop()).status == "cancelled"
    await asyncio.wait_for(asyncio.gather(performing, reader), 30)


@pytest.mark.parametrize("moment", range(8))
async def test_a_stop_at_any_moment_ends_a_run_once(
    house: House, configure: Configure, upstream: Standin, soon: None, moment: int
) -> None:
    asked = await ask(house, "openai/bench?tokens=12&rate=400")
    seen: list[Event] = []
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(asked.perform())
        group.create_task(asked.read(seen=seen))
        await asyncio.sleep(moment * 0.012)
        stopped = group.create_task(asked.stop())
    run = await asked.run()
    assert stopped.result().status == run.status
    assert run.status in {"cancelled", "finished"}
    assert is_whole(seen)
    assert seen == await asked.read()
    assert sum(event.type in {CANCELLED, b"run.finished", b"run.failed"} for event in seen) == 1
    await hung_up(upstream)


@pytest.mark.parametrize("beyond", [1, 1000, 2**53])
async def test_a_reader_who_says_it_has_seen_more_than_there_is_hears_the_end(
    asked: Asked, soon: None, beyond: int
) -> None:
    early = asyncio.get_running_loop().create_task(asked.read(after=50 + beyond))
    await asyncio.sleep(0.1)
    await asked.perform()
    whole = await asked.read()
    assert whole[-1].type == b"run.finished"
    assert await asyncio.wait_for(early, 30) == whole[-1:]
    assert await asked.read(after=len(whole) + beyond) == whole[-1:]
    assert await asked.read(after=len(whole)) == []


async def test_whoever_waits_for_what_valkey_has_lost_gets_it_from_the_row(
    asked: Asked, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker died between storing the end and telling it, or the log was lost since: the readers mend it."""
    opened = asyncio.Event()
    real = reading._ended

    async def waiting(*given: Any) -> list[Event] | None:
        opened.set()
        await asyncio.sleep(0.05)
        return await real(*given)

    monkeypatch.setattr(reading, "_ended", waiting)
    readers = [asyncio.get_running_loop().create_task(asked.read(after)) for after in (0, 2)]
    await opened.wait()
    monkeypatch.setattr(asked.house.streams, "_write", nothing)
    await asked.perform()
    whole = await asked.read()
    assert [await asyncio.wait_for(reader, 30) for reader in readers] == [whole, whole[2:]]


async def nothing(writers: list[Any]) -> None:
    """A worker that dies before it has written anything to the log."""


async def test_an_attempt_here_goes_on_with_the_numbers_that_readers_have_seen_though_valkey_lost_the_log(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen, tries = performance.run_agent, list[Event](), 0

    async def interrupted(house: House, turn: Any, emit: Any, attempt: int) -> object:
        nonlocal tries
        tries += 1
        if tries > 1:
            return await real(house, turn, emit, attempt)
        emit.delta("half a ")
        emit.delta("sentence")
        await asked.heard(seen, DELTA, 2)
        await house.valkey.unlink(*house.streams._keys(str(asked.run_id)))
        raise AWAY

    monkeypatch.setattr(performance, "run_agent", interrupted)
    reader = asyncio.get_running_loop().create_task(asked.read(seen=seen))
    await asyncio.wait_for(asked.perform(), 30)
    await asyncio.wait_for(reader, 30)
    assert is_whole(seen)
    assert seen == await asked.read()
    assert RESTARTED in {event.type for event in seen}
    assert ((await asked.run()).status, (await asked.run()).attempt) == ("finished", 2)


@pytest.mark.parametrize("error", [psycopg.OperationalError(), ValkeyTimeoutError("\n"), ValkeyConnectionError()])
async def test_an_error_without_words_is_an_interruption_like_any_other(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real, errors = performance.run_agent, [error]

    async def interrupted(*given: Any) -> object:
        if errors:
            raise errors.pop()
        return await real(*given)

    monkeypatch.setattr(performance, "run_agent", interrupted)
    await asyncio.wait_for(asked.perform(), 30)
    assert ((await asked.run()).status, (await asked.run()).attempt) == ("finished", 2)


@pytest.mark.parametrize("reason", ["lost", "stopped"])
async def test_work_is_cancelled_once_however_often_its_end_is_told(asked: Asked, reason: Any) -> None:
    hand = await (await asked.house.resource(open_hands)).take(
        RunOrder(asked.run_id), Delivery(new_id(), "job", PERFORM.name, {}, None)
    )
    assert hand is not None
    closed = asyncio.Event()

    async def closing() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            closed.set()

    hand.begin(asyncio.get_running_loop().create_task(closing()))
    for _ in range(4):
        await asyncio.sleep(0.01)
        hand.end(reason)
    assert hand.work is not None
    await asyncio.wait({hand.work})
    assert closed.is_set()
    hand.begin(late := asyncio.get_running_loop().create_task(asyncio.sleep(60)))
    await asyncio.wait({late})
    assert late.cancelled()
    (await asked.house.resource(open_hands)).drop(hand)


def once(real: Any, error: Exception) -> Any:
    """The same, but the first reply is lost: it is done, and the caller hears an error."""
    lost = False

    async def doing(*given: Any) -> Any:
        nonlocal lost
        found = await real(*given)
        if not lost:
            lost = True
            raise error
        return found

    return doing


async def test_an_end_of_which_only_the_reply_was_lost_is_told_and_announced_once(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performance, "_store", once(performance._store, AWAY))
    monkeypatch.setattr(reading, "load", lambda: RunSettings(heartbeat_seconds=60))
    reader = asyncio.get_running_loop().create_task(asked.read())
    await asyncio.wait_for(asked.perform(), 30)
    whole = await asyncio.wait_for(reader, 30)  # before it would look at the row
    assert whole == await asked.read()
    told = "SELECT count(*) FROM supervisor.outbox WHERE name = 'runs.ended' AND payload ->> 'run_id' = :id"
    async with asked.house.db.transaction() as tx:
        assert await tx.scalar(text(told), {"id": str(asked.run_id)}) == 1


async def test_a_next_attempt_of_which_only_the_reply_was_lost_is_made(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performance, "run_agent", once(performance.run_agent, AWAY))
    real = Hands._hold

    def hold(self: Hands, row: Any, written: Any = (), **more: Any) -> Any:
        if row.attempt == 2:
            raise AWAY
        return real(self, row, written, **more)

    monkeypatch.setattr(Hands, "_hold", hold)
    await asyncio.wait_for(asked.perform(), 30)
    run = await asked.run()
    assert (run.status, run.attempt) == ("finished", 3)
    assert is_whole(await asked.read())


async def test_a_worker_that_ends_while_it_waits_for_the_database_gives_the_run_back(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()

    async def away(_: Hands, hand: Any) -> None:
        waits.set()
        raise AWAY

    monkeypatch.setattr(performance, "run_agent", once(performance.run_agent, AWAY))
    monkeypatch.setattr(Hands, "retake", away)
    performing = asked.performing()
    await asyncio.wait_for(waits.wait(), 30)
    await given_up(performing)
    assert (await asked.run()).status == "queued"


async def test_leases_are_renewed_after_any_failure_to(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "load", lambda: RunSettings(lease_seconds=0.03))
    hands, tries = Hands(house, runs={uuid4(): object()}), 0  # type: ignore[dict-item]  # only that there is one counts

    async def failing(_: Hands) -> None:
        nonlocal tries
        tries += 1
        raise [TimeoutError(), RuntimeError("a driver's own"), AWAY][tries % 3]

    monkeypatch.setattr(Hands, "renew", failing)
    keeping = asyncio.get_running_loop().create_task(hands.keep())

    async def went_on() -> bool:
        return tries > 6

    await eventually(went_on)
    assert not keeping.done()
    keeping.cancel()


async def test_a_character_that_text_cannot_have_does_not_keep_an_answer_from_its_end(
    house: House, configure: Configure
) -> None:
    asked = await ask(house, "openai/bench?text=a%00b%20c")
    await asyncio.wait_for(asked.perform(), 30)
    run = await asked.run()
    assert (run.status, run.text) == ("finished", "ab c")
    assert b"".join(event.data for event in await asked.read() if event.type == DELTA).count(b"u0000") == 0


async def test_an_end_that_cannot_be_stored_becomes_one_that_can(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cites(_: House, _turn: Any, emit: Any, _attempt: int) -> None:
        emit.delta("As it says [1].")
        emit.cite(Citation(1, uuid4(), "a\x00title", 1, "snippet"))

    monkeypatch.setattr(performance, "run_agent", cites)
    await asyncio.wait_for(asked.perform(), 30)
    run = await asked.run()
    assert (run.status, run.text, run.attempt) == ("failed", "As it says [1].", 1)
    assert run.error is not None
    assert run.error["code"] == "agent_failed"
    assert is_whole(await asked.read())


async def test_a_request_that_nobody_can_read_fails_and_can_be_stopped(house: House, configure: Configure) -> None:
    for is_stopped in (False, True):
        asked = await ask(house)
        await asked.change(request={"messages": 7}, cancel_requested_at=in_seconds(0) if is_stopped else None)
        await asyncio.wait_for(asked.perform(), 30)
        assert (await asked.run()).status == ("cancelled" if is_stopped else "failed")


async def performed_with(asked: Asked, monkeypatch: pytest.MonkeyPatch, error: Exception) -> tuple[Run, int]:
    """The run as it ended, and how often it was worked on, by an agent that says a word and fails."""
    tries = 0

    async def failing(_house: House, _turn: Any, emit: Any, _attempt: int) -> None:
        nonlocal tries
        tries += 1
        emit.delta("paid")
        raise error

    monkeypatch.setattr(performance, "run_agent", failing)
    await asyncio.wait_for(asked.perform(), 30)
    return await asked.run(), tries


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError("prompt.txt"), "agent_failed"),
        (TimeoutError(), "agent_failed"),
        (ProgrammingError("SELECT", {}, psycopg.errors.UndefinedTable("no such table")), "agent_failed"),
        (PoolTimeoutError("no connection was free"), "service_unavailable"),
        (OperationalError("SELECT", {}, psycopg.errors.QueryCanceled("statement timeout")), "service_unavailable"),
    ],
)
async def test_a_failure_that_waiting_does_not_mend_is_paid_once_and_ends_the_run(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    run, tries = await performed_with(asked, monkeypatch, error)
    assert (run.status, run.attempt, tries) == ("failed", 1, 1)
    assert (run.text, (run.error or {})["code"]) == ("paid", code)


async def test_an_end_that_is_refused_for_good_becomes_a_failure_without_another_answer(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, endings = performance._store, list[str]()

    async def refusing(house: House, hand: Any, recorder: Any, ending: Any, tally: Any) -> Any:
        endings.append(ending.status)
        if ending.status == "finished":
            raise ProgrammingError("UPDATE", {}, psycopg.errors.UndefinedColumn("no such column"))
        return await real(house, hand, recorder, ending, tally)

    monkeypatch.setattr(performance, "_store", refusing)
    monkeypatch.setattr(performance, "_REFUSED_WAIT_SECONDS", 0)
    monkeypatch.setattr(performance, "_UNSTORABLE_WAIT_SECONDS", 0)
    await asyncio.wait_for(asked.perform(), 30)
    run = await asked.run()
    assert (run.status, run.attempt) == ("failed", 1)
    assert endings == ["finished"] * 6 + ["failed"]
    assert run.text
