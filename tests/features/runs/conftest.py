"""A question that waits to be answered, and readers of its answer."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from madang.features.accounts.service import registration
from madang.features.providers.contracts import Message
from madang.features.runs.contracts import PERFORM, RunOrder, RunRequest
from madang.features.runs.service import desk, performance, reading
from madang.features.runs.settings import RunSettings
from madang.features.runs.tables import Run
from madang.features.usage.public import booked
from madang.kernel.auth import Principal
from madang.kernel.db import Delivery
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn
from madang.kernel.streams import Event
from tests.features.providers.conftest import Configure, configure, upstream
from tests.features.usage.conftest import Ledger, ledger

__all__ = ["Ledger", "configure", "ledger", "upstream"]

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

    def performing(self) -> "asyncio.Task[None]":
        return spawn(self.perform(), "performing")

    async def run(self) -> Run:
        async with self.house.db.transaction() as tx:
            return (await tx.scalars(select(Run).where(Run.id == self.run_id))).one()

    async def change(self, **values: Any) -> None:
        async with self.house.db.transaction() as tx:
            await tx.execute(update(Run).where(Run.id == self.run_id).values(values))

    async def stop(self) -> Run:
        return await desk.cancel(self.house, self.who, self.run_id)

    async def read(self, after: int = 0, seen: list[Event] | None = None) -> list[Event]:
        """All events above `after`, to the end; in `seen` as they come."""
        seen = [] if seen is None else seen
        async with self.house.db.transaction(self.who) as tx:
            opening = await reading.open_events(tx, self.who, self.run_id)
        async with aclosing(reading.events(self.house, opening, after)) as batches:
            async for batch in batches:
                seen.extend(batch)
        return seen

    async def heard(self, seen: list[Event], kind: bytes, times: int = 1) -> None:
        """Wait until a reader has seen so many events of a kind."""
        async with asyncio.timeout(20):
            while sum(event.type == kind for event in seen) < times:  # noqa: ASYNC110  # the reader is being watched
                await asyncio.sleep(0.005)

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


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers who hear nothing look at the row at once."""
    monkeypatch.setattr(reading, "load", lambda: RunSettings(heartbeat_seconds=0.05))


async def ask(house: House, model: str = "openai/bench") -> Asked:
    account = await registration.create_supervisor(house, f"{new_id().hex}@example.org", "", "courtyard rain 7")
    who = Principal(account.id)
    async with house.db.transaction(who) as tx:
        request = RunRequest([Message("user", "What is a courtyard for?")], model=model)
        return Asked(house, who, await desk.start_run(tx, who, request))
