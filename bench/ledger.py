"""Whether budgets hold: thousands of seeded histories against PostgreSQL's functions.

`./dev bench ledger [--histories N] [--first SEED]`. A history reserves, extends, books, cancels, freezes, dies, speaks
late, repeats itself, and has processes of the version before among its own. After each step no budget may be overdrawn;
at the end the ledger is the sum of what was truly taken, and what is left is granted. Ends with an error at the first
history that fails, naming its seed.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from authentication import fresh_house
from machine import machine_line, table
from sqlalchemy import true

sys.path.insert(0, str(Path(__file__).parent.parent))

from madang.features.usage import settings
from madang.features.usage.service import ledger as books
from tests.features.usage.histories import Totals, play

AT_ONCE = 8


async def measure(first: int, histories: int) -> Totals:
    """Play them all, a few at once."""
    chosen = settings.load().model_copy(update={"budget_step_tokens": 64, "budget_least_answer_tokens": 16})
    books.load = lambda: chosen  # type: ignore[assignment,attr-defined]  # this process alone plays with short steps
    books.expiry_trusted = true
    totals = Totals()
    seeds = iter(range(first, first + histories))

    async def some() -> None:
        for seed in seeds:
            try:
                await play(house, seed, totals)
            except Exception as error:
                error.add_note(f"in the history of seed {seed}")
                raise

    with tempfile.TemporaryDirectory() as folder:
        async with fresh_house(Path(folder)) as house, asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(some())
    return totals


def main() -> None:
    """Read the command line, play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    began = time.perf_counter()
    totals = asyncio.run(measure(given.first, given.histories))
    rows = [(name.replace("_", " "), f"{value:,}") for name, value in vars(totals).items()]
    rows.append(("granted of what fitted", f"{100 * totals.granted / totals.fitted:.1f} %"))
    rows.append(("time", f"{time.perf_counter() - began:.0f} s"))
    print(table(("what", "number"), rows), end="\n\n")
    print(machine_line())


if __name__ == "__main__":
    main()
