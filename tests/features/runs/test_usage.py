"""What a run says it took is what the ledger says, however many attempts there were."""

import asyncio
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from madang.features.accounts.service import registration
from madang.features.providers.contracts import Message
from madang.features.runs.contracts import PERFORM, RunOrder, RunRequest
from madang.features.runs.service import desk, performance
from madang.features.runs.tables import Run
from madang.features.usage.contracts import Call, Price, Spender
from madang.features.usage.public import booked
from madang.features.usage.service import ledger as books
from madang.features.usage.service import tallies
from madang.kernel.auth import Principal
from madang.kernel.db import Delivery
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn
from tests.features.providers.conftest import Configure, configure, upstream
from tests.features.usage.conftest import Ledger, ledger
from tests.live import eventually

__all__ = ["configure", "ledger", "upstream"]

PRICES = {"openai/bench": {"input": 1_000_000, "output": 2_000_000}}


@dataclass(frozen=True)
class Asked:
    """A question that waits to be answered."""

    house: House
    who: Principal
    run_id: UUID

    async def perform(self) -> None:
        delivery = Delivery(new_id(), "job", PERFORM.name, {}, None)
        await performance.perform(self.house, RunOrder(self.run_id), delivery)

    async def run(self) -> Run:
        async with self.house.db.transaction() as tx:
            return (await tx.scalars(select(Run).where(Run.id == self.run_id))).one()

    async def change(self, **values: Any) -> None:
        async with self.house.db.transaction() as tx:
            await tx.execute(update(Run).where(Run.id == self.run_id).values(values))

    async def spent(self) -> tuple[int, int, int]:
        """Tokens in, tokens out and millionths of a dollar, from the ledger's rows."""
        await booked(self.house)
        statement = text("""
            SELECT sum(input_tokens)::bigint, sum(output_tokens)::bigint, ceil(sum(cost) / 1000)::bigint
            FROM partner.usage WHERE run_id = :id AND kind = 'chat'
        """)
        async with self.house.db.transaction() as tx:
            row = (await tx.execute(statement, {"id": self.run_id})).one()
        return row[0], row[1], row[2]

    async def told(self) -> tuple[int, int, int | None]:
        """The same as the run tells it."""
        totals = desk.usage_of((await self.run()).usage)
        assert totals is not None
        return totals.input_tokens, totals.output_tokens, totals.cost_micros


@pytest.fixture
async def asked(house: House, configure: Configure) -> Asked:
    configure(model_prices=PRICES)
    return await ask(house)


async def ask(house: House, model: str = "openai/bench") -> Asked:
    account = await registration.create_supervisor(house, f"{new_id().hex}@example.org", "", "courtyard rain 7")
    who = Principal(account.id)
    async with house.db.transaction(who) as tx:
        request = RunRequest([Message("user", "What is a courtyard for?")], model=model)
        return Asked(house, who, await desk.start_run(tx, who, request))


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
            raise OSError("the database went away")
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
    assert await books.reserve(asked.house, new_id(), spender, held) == 40
    await asked.change(attempt=1)
    await asked.perform()
    told = await asked.told()
    assert desk.usage_of((await asked.run()).usage).estimated  # type: ignore[union-attr]  # told() has looked
    await ledger.expire(asked.who.account_id)
    await books.book_expired(asked.house)
    assert told == await asked.spent()
    assert told[1] == 40 + 5


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
