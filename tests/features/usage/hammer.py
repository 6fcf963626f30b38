"""A process that spends: `python -m tests.features.usage.hammer` takes what to do as JSON on standard input.

It prints one line for each reservation that it got, and dies by SIGKILL between reserving and settling when told to.
"""

import asyncio
import json
import os
import random
import signal
import sys
from typing import cast
from uuid import UUID

from madang.adapters.opening import open_house
from madang.features.usage.contracts import BudgetExhausted, Call, Price, Spender
from madang.features.usage.service.meter import booked, metered
from madang.kernel.house import House
from madang.kernel.settings import Settings


async def spend(house: House, order: dict[str, object], turn: random.Random) -> None:
    """Make all the calls of an order at once."""
    path = cast("list[str]", order["path"])
    spender = Spender(UUID(str(order["account"])), tuple(UUID(one) for one in path))
    asked = Call("chat", "test/m", Price(1_000_000, 2_000_000), 10, 45)
    passed = 0

    async def one() -> None:
        nonlocal passed
        await asyncio.sleep(turn.random() * 0.02)
        try:
            async with metered(house, spender, asked) as metering:
                print("passed", flush=True)  # noqa: T201  # this is what the test reads
                passed += 1
                if passed == order["die_after"]:
                    os.kill(os.getpid(), signal.SIGKILL)
                await asyncio.sleep(turn.random() * 0.02)
                metering.took(10, 45)
        except BudgetExhausted:
            pass

    async with asyncio.TaskGroup() as calls:
        for _ in range(int(str(order["calls"]))):
            calls.create_task(one())
    await booked(house)


async def main() -> None:
    """Open a house, say so, and begin when told to."""
    order = json.loads(sys.stdin.readline())
    urls = {name: order[name] for name in ("database_url", "valkey_url", "secret_key")}
    async with open_house(Settings(**urls, environment="test"), [], "hammer", lambda _: None) as house:
        async with house.db.transaction():
            print("ready", flush=True)  # noqa: T201  # the test waits for it
        await asyncio.to_thread(sys.stdin.readline)
        await spend(house, order, random.Random(order["seed"]))


if __name__ == "__main__":
    asyncio.run(main())
