"""What a run says it took is what the ledger says, however many attempts there were."""

import asyncio
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from madang.features.runs.service import desk, performance, settling
from madang.features.usage.contracts import Call, Price, Spender
from madang.features.usage.service import ledger as books
from madang.features.usage.service import tallies
from madang.features.usage.service.meter import Meter
from madang.kernel.clock import now
from madang.kernel.failures import DatabaseUnavailableError
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn
from tests.features.providers.conftest import Configure
from tests.features.runs.conftest import PRICES, Asked, ask
from tests.features.usage.conftest import Ledger
from tests.live import eventually


async def test_a_first_attempt_agrees_with_the_ledger_and_never_asks_it(asked: Asked, monkeypatch):
    async def never(*_: object) -> NoReturn:
        pytest.fail("a round trip for nothing")

    monkeypatch.setattr(tallies, "run_totals", never)
    await asked.perform()
    assert (await asked.run()).status == "finished"
    assert await asked.told() == await asked.spent()
    assert (await asked.told())[1] == 5


async def test_an_attempt_that_was_interrupted_is_counted_with_the_one_that_answered(asked: Asked, monkeypatch):
    real, tries = performance.run_agent, 0

    async def interrupted(*given: Any, **more: Any) -> object:
        nonlocal tries
        outcome = await real(*given, **more)
        tries += 1
        if tries == 1:
            raise DatabaseUnavailableError("the database went away")
        return outcome

    monkeypatch.setattr(performance, "run_agent", interrupted)
    await asked.perform()
    run = await asked.run()
    assert (run.status, run.attempt) == ("finished", 2)
    assert await asked.told() == await asked.spent()
    assert (await asked.told())[1] == 10


async def test_what_a_dead_worker_had_reserved_is_counted_as_it_will_be_booked(asked: Asked, ledger: Ledger):
    await ledger.budget("account", asked.who.account_id, 10**12)
    spender = Spender(asked.who.account_id, (), asked.run_id, "assistant")
    held = Call("chat", "openai/bench", Price(1_000_000, 2_000_000), 30, 40)
    assert await books.reserve(asked.house, new_id(), spender, held) == books.Grant(40, 40)
    await asked.change(attempt=1)
    await asked.perform()
    told = await asked.told()
    assert desk.usage_of((await asked.run()).usage).estimated  # type: ignore[union-attr]  # told() has looked
    await ledger.expire(asked.who.account_id)
    await books.book_expired(asked.house)
    assert told == await asked.spent()
    assert told[1] == 40 + 5


async def test_what_a_killed_worker_had_not_booked_is_booked_from_beside_its_run(asked: Asked, monkeypatch):
    """Nothing that a run told of is missing from the ledger, and nothing is in it twice."""

    async def dead(_: Meter) -> None:
        """A worker that is no more writes nothing."""

    with monkeypatch.context() as killed:
        killed.setattr(Meter, "flush", dead)
        await asked.perform()
        told = await asked.told()
        assert await asked.spent() == (None, None, None)
        await settling.settle(asked.house)
        assert await asked.spent() == (None, None, None), "the living book for themselves"
        await asked.change(finished_at=now() - timedelta(minutes=1))
        await settling.settle(asked.house)
        assert await asked.spent() == told
    assert (await asked.run()).unbooked is None
    await settling.settle(asked.house)
    assert await asked.spent() == told, "the word of a worker that was only slow adds nothing"


async def test_a_run_whose_calls_are_all_booked_keeps_nothing_beside_it(asked: Asked):
    await asked.change(attempt=1)
    await asked.perform()
    assert (await asked.run()).unbooked is None
    assert await asked.told() == await asked.spent()


async def test_the_receipt_of_a_stop_is_what_the_ledger_says(house: House, configure: Configure):
    name = "openai/bench?tokens=100000&rate=200"
    configure(model_prices={name: PRICES["openai/bench"]})
    asked = await ask(house, name)
    work = spawn(asked.perform(), "performing")

    async def heard() -> bool:
        async for key in house.valkey.scan_iter(match=f"*{asked.run_id}*"):
            if await house.valkey.type(key) == b"stream" and await house.valkey.xlen(key) > 4:
                return True
        return False

    await eventually(heard)
    stopped = await desk.cancel(house, asked.who, asked.run_id)
    await asyncio.wait_for(work, 10)
    assert stopped.status == "cancelled"
    assert await asked.told() == await asked.spent()
    assert (await asked.told())[1] > 0
    receipt = desk.receipt(desk.usage_of(stopped.usage))
    assert receipt["output_tokens"] == (await asked.told())[1]
