"""Performing a run in a worker: claim, agent, end; whatever dies in between, another attempt says the rest."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from redis.exceptions import RedisError
from sqlalchemy import bindparam, func, select, update

from madang.features.agents.public import Turn, forget_run, run_agent
from madang.features.providers.public import estimate_usage, model_info, upstream_message
from madang.features.runs.contracts import EventType, RunEnded, RunOrder, RunRequest, Status, Totals
from madang.features.runs.service.desk import receipt
from madang.features.runs.service.leases import Hand, Hands, Taken, open_hands
from madang.features.runs.service.packing import pack
from madang.features.runs.service.recorder import Recorder
from madang.features.runs.service.tally import count_ended, totals_of
from madang.features.runs.settings import load
from madang.features.runs.tables import RUNS
from madang.features.usage.public import BudgetExhausted, Tally, tallied
from madang.kernel import log
from madang.kernel.auth import Principal
from madang.kernel.db import Delivery, posting
from madang.kernel.errors import Problem
from madang.kernel.failures import FAILURES_OF_OURS, TEMPORARY, Failure, classify, is_temporary
from madang.kernel.house import House
from madang.kernel.jobs import spawn
from madang.kernel.streams import Event, FencedError, LogWriter

logger = log.get_logger(__name__)

WORTH_ANOTHER_ATTEMPT = frozenset({Failure.UNAVAILABLE, Failure.CONTENDED})
"""What a run waits out and then says its answer again, which is paid again; anything else ends it."""

STORED = ("status", "text", "citations", "usage", "unbooked", "error", "log", "finish_reason")
"""What a run's end writes; what was asked is not needed any more."""

END = posting(
    update(RUNS)
    .where(RUNS.c.id == bindparam("run"), RUNS.c.status == "running", RUNS.c.attempt == bindparam("attempt_of"))
    .values(
        **{name: bindparam(f"new_{name}") for name in STORED},
        request={},
        lease_owner=None,
        lease_expires_at=None,
        finished_at=func.now(),
    )
    .returning(RUNS.c.id)
    .cte("ended")
)
"""Ends a run, if the attempt that says so is still its writer, and announces it."""

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, _MOST_DOUBLINGS = 0.1, 2.0, 5
_REFUSALS, _REFUSED_WAIT_SECONDS, _UNSTORABLE_WAIT_SECONDS = 5, 1.0, 30.0
"""An end that PostgreSQL refuses for no fault of its values is tried so often as it is, as a schema may be changing."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends: its status, its last event, why when it failed, and how its answer ended when it did not.

    `error` may have more than the event tells: an `upstream` is for the operator alone.
    """

    status: Status
    event: EventType
    data: dict[str, Any]
    error: dict[str, str] | None = None
    finish_reason: str | None = None


_BROKEN = {
    "code": "agent_failed",
    "message": "The agent could not finish this answer. Ask again, or tell the operator.",
}
BROKEN = Ending("failed", EventType.FAILED, _BROKEN, _BROKEN)

_BUSY = {
    "code": "service_unavailable",
    "message": "The server had too much to do to finish this answer. Ask again in a moment.",
}
BUSY = Ending("failed", EventType.FAILED, _BUSY, _BUSY)


async def perform(house: House, order: RunOrder, delivery: Delivery) -> None:
    """The job handler: take the run and bring it to an end, or leave it to whoever took it over."""
    hands = await house.resource(open_hands)
    hand = await hands.take(order, delivery)
    while hand is not None:
        with log.bind(run_id=str(order.run_id), attempt=hand.attempt):
            hand = await _attempt(house, hands, hand)


async def _attempt(house: House, hands: Hands, hand: Hand) -> Hand | None:
    """One attempt; the next one to make when PostgreSQL or Valkey went away under it.

    Whatever else goes wrong in it has ended the run, so that nobody pays for the same again.
    """
    try:
        recorder = await _open_log(house, hand)
        hand.written = recorder.log.events
        async with tallied(house, hand.run.id) as tally:
            ending = await _answer(house, hand, recorder)
            await _end(house, hand, recorder, ending, tally)
        if ending.status != "finished" or hand.attempt > 1:
            await forget_run(house, hand.run.id, hand.attempt)
    except FencedError:
        logger.warning("run_lost")
    except asyncio.CancelledError:
        if hand.reason != "lost":
            await hands.give_back(hand)
            raise
    except Exception as error:
        if classify(error) not in WORTH_ANOTHER_ATTEMPT:
            raise
        logger.warning("run_interrupted", failure=classify(error), error=log.first_line(error))
        return await _try_again(hands, hand)
    finally:
        hands.drop(hand)
    return None


async def _open_log(house: House, hand: Hand) -> Recorder:
    """Become the writer of the run's log, however long Valkey is away. Raises `FencedError`."""
    key = str(hand.run.id)
    tries = 0
    while hand.reason != "lost":
        try:
            is_new = hand.attempt == 1
            writer = house.streams.writer(key, 1) if is_new else await _claim(house, hand)
        except (RedisError, OSError) as error:
            logger.warning("log_not_claimed", error=log.first_line(error))
            await _pause(tries)
            tries += 1
        else:
            recorder = Recorder(writer)
            recorder.begin(hand.attempt, hand.run.labels)
            return recorder
    raise FencedError(key)


async def _claim(house: House, hand: Hand) -> LogWriter:
    return await house.streams.claim(str(hand.run.id), hand.attempt, hand.written)


async def _answer(house: House, hand: Hand, recorder: Recorder) -> Ending:
    """Let the agent answer. Raises `FencedError`, what says that something is away, and CancelledError."""
    if hand.run.cancel_requested_at is not None or hand.was_stopped:
        return _stopped(house, hand, recorder)
    if hand.attempt > load().max_attempts:
        return _failed("attempts_exhausted", "The answer was interrupted too often. Ask again.")
    work = spawn(_run(house, hand, recorder), "runs.agent")
    hand.begin(work)
    try:
        refusal = await asyncio.shield(work)
    except asyncio.CancelledError:
        work.cancel()
        await asyncio.wait({work})
        if hand.was_stopped:
            return _stopped(house, hand, recorder)
        raise
    except FencedError:
        raise
    except Exception as error:  # an agent may raise anything; its person gets a clear end all the same
        failure = classify(error)
        if failure in WORTH_ANOTHER_ATTEMPT:
            raise
        logger.exception("agent_failed", failure=failure)
        return BUSY if failure is Failure.EXHAUSTED else BROKEN
    return _finished(hand.run, recorder.finish_reason) if refusal is None else _refused(refusal)


async def _run(house: House, hand: Hand, recorder: Recorder) -> Problem | None:
    """What is in the way of the answer, if its person can be told; that is no failure of this work."""
    try:
        await run_agent(house, _turn(hand.run), recorder, hand.attempt)
    except Problem as problem:
        return problem
    return None


def _turn(run: Taken) -> Turn:
    request = msgspec.convert(run.request, RunRequest)
    return Turn(
        run_id=run.id,
        who=Principal(run.account_id),
        messages=request.messages,
        agent=request.agent,
        model=request.model,
        document_ids=request.document_ids,
        language=request.language,
        scope_path=request.scope_path,
    )


def _finished(run: Taken, reason: str) -> Ending:
    told = {"message_id": run.labels.get("answer_id"), "finish_reason": reason}
    return Ending("finished", EventType.FINISHED, told, finish_reason=reason)


def _refused(problem: Problem) -> Ending:
    """The end of a run that met a problem; of a budget that is used up it says which and when it renews."""
    logger.warning("run_refused", code=problem.code, detail=problem.detail)
    more = problem.extra if isinstance(problem, BudgetExhausted) else {}
    failed = _failed(problem.code, problem.detail, {name: str(value) for name, value in more.items() if value})
    said = upstream_message(problem)
    return replace(failed, error={**failed.data, "upstream": said}) if said else failed


def _failed(code: str, message: str, more: dict[str, str] | None = None) -> Ending:
    error = {"code": code, "message": message, **(more or {})}
    return Ending("failed", EventType.FAILED, error, error)


def _stopped(house: House, hand: Hand, recorder: Recorder) -> Ending:
    """The end of a run that a person stopped; a call that told nothing is counted by its length.

    The receipt is added when all calls have ended.
    """
    said = "".join(recorder.text)
    if said and not recorder.calls:
        turn = _turn(hand.run)
        recorder.calls.append(estimate_usage(model_info(house, turn.model), turn.messages, said))
    return Ending("cancelled", EventType.CANCELLED, {})


async def _end(house: House, hand: Hand, recorder: Recorder, ending: Ending, tally: Tally) -> None:
    """Store the end, however long PostgreSQL is away, then tell it. Raises `FencedError`.

    An end that PostgreSQL does not take for good is replaced by a plainer one. If it takes none, the run is held and
    the plainest tried now and then: to let it go would have the same answer made, and paid, by another.
    """
    tries = 0
    while True:
        try:
            last, totals = await _store(house, hand, recorder, ending, tally)
        except FencedError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is: nobody else can end this run without answering anew
            ending = await _after_refusal(error, recorder, ending, tries)
            tries += 1
        else:
            recorder.log.append(last.type, last.data)
            house.streams.retire(recorder.log)
            count_ended(ending.status, totals)
            logger.info("run_ended", status=ending.status)
            return


async def _after_refusal(error: Exception, recorder: Recorder, ending: Ending, tries: int) -> Ending:
    """Wait as long as the error asks for; the end to store then."""
    failure = classify(error)
    if failure in TEMPORARY:
        logger.warning("end_not_stored", failure=failure, error=log.first_line(error))
        await _pause(tries)
        return ending
    logger.error("end_not_storable", failure=failure, exc_info=error)
    if failure is Failure.INPUT:
        if ending is BROKEN and not recorder.citations:
            recorder.text.clear()  # the last that is not ours
        recorder.citations.clear()
        return BROKEN
    await asyncio.sleep(_REFUSED_WAIT_SECONDS if tries < _REFUSALS else _UNSTORABLE_WAIT_SECONDS)
    return ending if tries < _REFUSALS else BROKEN


async def _store(
    house: House, hand: Hand, recorder: Recorder, ending: Ending, tally: Tally
) -> tuple[Event, Totals | None]:
    spent = tally.here() if hand.attempt == 1 else await tally.everywhere()
    totals = totals_of(spent, recorder.totals())
    data = {"receipt": receipt(totals)} if ending.status == "cancelled" else ending.data
    last = Event(recorder.log.last + 1, ending.event.encode(), msgspec.json.encode(data))
    end = {
        "run": hand.run.id,
        "attempt_of": hand.attempt,
        "new_status": ending.status,
        "new_text": "".join(recorder.text),
        "new_citations": msgspec.to_builtins(recorder.citations),
        "new_usage": msgspec.to_builtins(totals) if totals else None,
        "new_unbooked": tally.unwritten(),
        "new_error": ending.error,
        "new_log": pack([*recorder.log.events, last]),
        "new_finish_reason": ending.finish_reason,
    }
    labels = {key: str(value) for key, value in hand.run.labels.items()}
    ended = RunEnded(hand.run.id, hand.run.account_id, ending.status, labels)
    if await house.db.once(END, end, ended) is None and not await _has_ended(house, hand, ending):
        raise FencedError(str(hand.run.id))
    return last, totals


async def _has_ended(house: House, hand: Hand, ending: Ending) -> bool:
    """Whether this attempt has stored this end before, and only the reply to it was lost."""
    ours = select(RUNS.c.id).where(RUNS.c.id == hand.run.id, RUNS.c.attempt == hand.attempt)
    return await house.db.once(ours.where(RUNS.c.status == ending.status), {}) is not None


async def _try_again(hands: Hands, hand: Hand) -> Hand | None:
    """Wait until PostgreSQL answers, then begin the next attempt if the run is still ours."""
    tries = 0
    while True:
        try:
            await _pause(tries)
            return await hands.retake(hand)
        except asyncio.CancelledError:
            with suppress(*FAILURES_OF_OURS):
                await hands.give_back(hand)
            raise
        except FAILURES_OF_OURS as error:
            if not is_temporary(error):
                raise
            tries += 1


async def _pause(tries: int) -> None:
    """Wait, twice as long after each try and for some moment of that time, so that not all come back at once."""
    longest = min(_FIRST_WAIT_SECONDS * 2 ** min(tries, _MOST_DOUBLINGS), _LONGEST_WAIT_SECONDS)
    await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311  # no secret
