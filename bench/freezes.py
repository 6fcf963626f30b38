"""What a part that stands still costs everybody: `python bench/freezes.py [SECONDS …] [--parts PART,…]`.

Each part in turn is frozen (SIGSTOP) under four runs that are each at another step, without and with a budget that
binds them. The suite freezes the databases alone, for three seconds in the middle of an answer: all other parts and
steps take too long for it on a busy machine, and are looked at here. Not measured as a speed: a table of what people
met, and whether every word and token was right.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.faults.asking import agreeing, check_rows, settled
from tests.faults.freezing import PARTS, Frozen, double_bookings, freeze, make_budget
from tests.faults.readers import People
from tests.live import open_live, sign_in

PROCESSES = ("api", "worker-1", "worker-2", "scheduler")
LIMITLESS = {"MADANG_REQUESTS_PER_MINUTE": "0", "MADANG_QUESTIONS_PER_MINUTE": "0"}
HEAD = "part      frozen  budget  ends                        said again  recovery  served  503  longest  faults"


async def measure(seconds: list[float], parts: list[str]) -> int:
    """Print a line for each freeze; how many faults there were."""
    faults = 0
    print(HEAD, flush=True)
    for has_budget in (False, True):
        with tempfile.TemporaryDirectory() as folder, open_live(Path(folder), *PROCESSES, settings=LIMITLESS) as live:
            await live.ready()
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
                people = People(live, http, await sign_in(live, http), random.Random(1))
                if has_budget:
                    await make_budget(live)
                for part in parts:
                    for length in seconds:
                        seen = await freeze(live, people, part, length)
                        faults += len(seen.faults)
                        print(line(seen, length, has_budget=has_budget), flush=True)
            people.check()
            await settled(live)
            check_rows(live, people)
            await agreeing(live)
            wrong = await double_bookings(live)
            faults += len(wrong)
            print(f"{len(people.chats)} runs, {len(wrong)} with a wrong ledger", flush=True)
    return faults


def line(seen: Frozen, seconds: float, *, has_budget: bool) -> str:
    """One freeze as a line of the table."""
    ends = ", ".join(f"{seen.statuses.count(one)} {one}" for one in sorted(set(seen.statuses)))
    budget = "yes" if has_budget else "no"
    said = f"{seen.part:<9} {seconds:>4.0f} s  {budget:<6}  {ends:<26}  {seen.again:>10}  {seen.recovery:>6.1f} s"
    return f"{said}  {seen.served:>6}  {seen.refused:>3}  {seen.longest:>5.1f} s  {'; '.join(seen.faults) or '-'}"


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seconds", nargs="*", type=float, default=[20, 120])
    arguments.add_argument("--parts", default=",".join(PARTS))
    given = arguments.parse_args()
    sys.exit(bool(asyncio.run(measure(given.seconds, given.parts.split(",")))))
