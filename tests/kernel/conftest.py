"""A house whose worker is in the same process, so that a test can wait for all that was ordered."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from madang.adapters.opening import open_house
from madang.kernel.db import Delivery
from madang.kernel.events import Reaction, Reactions
from madang.kernel.house import House
from madang.kernel.jobs import Job, by_name
from madang.kernel.outbox import sweep
from madang.kernel.settings import Settings
from madang.processes.dispatcher import Deliverer


@dataclass
class Workshop:
    """A house and its worker. What is delivered is remembered; `lost` deliveries never arrive, as after a crash."""

    house: House
    worker: Deliverer
    delivered: list[Delivery]
    lost: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def settled(self, seconds: float = 30.0) -> None:
        """Wait until the worker has nothing in hand."""
        async with asyncio.timeout(seconds):
            while working := {task for task in asyncio.all_tasks() if task.get_name().startswith(("job:", "event:"))}:
                await asyncio.wait(working)

    async def hurry(self) -> None:
        """Let all that waits for its time be due now."""
        await self.sql("UPDATE supervisor.outbox SET due_at = now() - interval '1 second'")

    async def swept(self) -> int:
        """Send again what is due, and wait until it is done."""
        await self.hurry()
        found = await sweep(self.house)
        await self.settled()
        return found

    async def sql(self, statement: str, **values: object) -> list[dict[str, object]]:
        async with self.house.db.transaction() as tx:
            result = await tx.execute(text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    async def clock(self) -> datetime:
        """The moment by the database's clock."""
        (row,) = await self.sql("SELECT clock_timestamp() AS moment")
        moment = row["moment"]
        assert isinstance(moment, datetime)
        return moment

    async def waits(self, seconds: float, since: datetime) -> bool:
        """Whether the one row waits for so long from a moment between `since` and now, however slow the machine is."""
        (row,) = await self.sql("SELECT due_at FROM supervisor.outbox")
        due, wait = row["due_at"], timedelta(seconds=seconds)
        assert isinstance(due, datetime)
        return since <= due - wait <= await self.clock()

    async def outbox(self) -> list[dict[str, object]]:
        return await self.sql("SELECT * FROM supervisor.outbox ORDER BY id")


@asynccontextmanager
async def open_workshop(
    settings: Settings, jobs: Sequence[Job] = (), reactions: Sequence[Reaction] = ()
) -> AsyncIterator[Workshop]:
    """A workshop with an empty outbox."""
    delivered: list[Delivery] = []
    shops: list[Workshop] = []

    def deliver(deliveries: list[Delivery]) -> None:
        delivered.extend(deliveries)
        for shop in shops:
            for delivery in [] if shop.lost else deliveries:
                shop.worker.take(delivery)

    async with open_house(settings, [], "test", deliver) as house:
        shops.append(Workshop(house, Deliverer(house, by_name(jobs), Reactions(reactions)), delivered))
        await shops[0].sql("DELETE FROM supervisor.outbox")
        try:
            yield shops[0]
        finally:
            await shops[0].settled()
            await shops[0].sql("DELETE FROM supervisor.outbox")


@pytest.fixture
async def prefix(house_settings: Settings, request: pytest.FixtureRequest) -> str:
    """A part of Valkey that is this test's own."""
    return f"{house_settings.key_prefix}-{abs(hash(request.node.nodeid)):x}"
