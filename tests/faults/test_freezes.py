"""Every part of a Madang stands still for a while under runs at every step, and everything goes on by itself."""

import random
from pathlib import Path

import aiohttp
import pytest

from tests.faults.asking import SETTINGS, agreeing, check_rows, settled
from tests.faults.freezing import PARTS, double_bookings, freeze, make_budget
from tests.faults.readers import People
from tests.live import eventually, open_live, sign_in

FROZEN_SECONDS = 4
LIMITS = {"MADANG_DATABASE_REQUEST_SECONDS": "1", "MADANG_DATABASE_WORK_SECONDS": "2"}
LONGEST_REQUEST_SECONDS = 20
"""One and two seconds of margin for the statement, as much for a place in the pool, and a slow machine."""

pytestmark = pytest.mark.timeout(300)


async def test_what_stands_still_for_a_while_costs_no_word_no_token_and_nobody_their_server(tmp_path: Path) -> None:
    parts = ("api", "worker-1", "worker-2", "scheduler")
    with open_live(tmp_path, *parts, settings={**SETTINGS, **LIMITS}) as live:
        await live.ready()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            people = People(live, http, await sign_in(live, http), random.Random(9))
            await make_budget(live)
            for part in PARTS:
                seen = await freeze(live, people, part, FROZEN_SECONDS)
                assert not seen.faults, (seen, live.logs())
                assert seen.statuses == ["complete"] * 4, seen
                assert seen.longest < LONGEST_REQUEST_SECONDS, seen
        people.check()
        await settled(live)
        check_rows(live, people)
        await agreeing(live)

        async def is_right() -> bool:
            return not await double_bookings(live)

        await eventually(is_right)
