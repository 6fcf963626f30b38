"""A database that stands still in the middle of an answer, for less than the lease, costs no word and no token.

What stands still at every other step, for longer, and everything else that can: `bench/freezes.py`.
"""

import random
from pathlib import Path

import aiohttp
import pytest

from tests.faults.asking import SETTINGS, agreeing, check_rows, settled
from tests.faults.freezing import double_bookings, freeze, make_budget
from tests.faults.readers import People
from tests.live import eventually, open_live, sign_in

FROZEN_SECONDS = 3
LIMITS = {
    "MADANG_DATABASE_REQUEST_SECONDS": "1",
    "MADANG_DATABASE_WORK_SECONDS": "2",
    "MADANG_RUN_LEASE_SECONDS": "60",
}
"""The database is asked again within the freeze; the lease outlasts it on a machine that has much else to do."""

pytestmark = pytest.mark.timeout(300)


async def test_what_stands_still_for_less_than_the_lease_has_nothing_said_again_or_paid_twice(tmp_path: Path) -> None:
    with open_live(tmp_path, "api", "worker-1", "scheduler", settings={**SETTINGS, **LIMITS}) as live:
        await live.ready()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            people = People(live, http, await sign_in(live, http), random.Random(9))
            await make_budget(live)
            for part in ("postgres", "valkey"):
                seen = await freeze(live, people, part, FROZEN_SECONDS, ["in the middle"])
                assert not seen.faults, (seen, live.logs())
                assert seen.statuses == ["complete"], seen
                assert seen.again == 0, seen
                assert seen.served + seen.refused, seen
        people.check()
        await settled(live)
        check_rows(live, people)
        await agreeing(live)

        async def is_right() -> bool:
            return not await double_bookings(live)

        await eventually(is_right)
