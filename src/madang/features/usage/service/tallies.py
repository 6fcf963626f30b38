"""What the calls for one run took: of this process from memory, of all its attempts from the ledger."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from madang.features.usage.contracts import RunTotals
from madang.features.usage.queries import run_totals
from madang.features.usage.service.ledger import Booking
from madang.features.usage.service.meter import Meter, open_meter
from madang.kernel.house import House


@dataclass(slots=True, eq=False)
class Tally:
    """The calls for a run while it is watched; embeddings are left out, as everywhere in a run's totals."""

    run_id: UUID
    _house: House = field(repr=False)
    _meter: Meter = field(repr=False)
    bookings: list[Booking] = field(default_factory=list[Booking])

    def here(self) -> RunTotals | None:
        """What calls of this process took since the tally began, exactly as they are booked; None without any."""
        counted = [one for one in self.bookings if one.counts_for_run]
        if not counted:
            return None
        return RunTotals(
            calls=len(counted),
            input_tokens=sum(one.input_tokens for one in counted),
            cached_tokens=sum(one.cached_tokens for one in counted),
            output_tokens=sum(one.output_tokens for one in counted),
            cost=sum(one.cost for one in counted),
            model=next((one.model for one in reversed(counted) if one.kind == "chat"), counted[-1].model),
            is_priced=all(one.is_priced for one in counted),
            is_estimated=any(one.outcome != "ok" for one in counted),
        )

    def unwritten(self) -> list[object] | None:
        """Those of the calls that the ledger does not have yet, as `book_unwritten` takes them; None without any.

        Whoever writes a run's end writes them beside it: a process that dies before it books them loses nothing then.
        """
        left = [one for one in self.bookings if self._meter.has_waiting(one) and (one.model + one.agent).isprintable()]
        return list(msgspec.to_builtins(left)) if left else None

    async def everywhere(self) -> RunTotals | None:
        """What the ledger says of the run, whichever process made the calls, after booking those of this one.

        What a dead worker had reserved counts as it will be booked. One round trip more than `here`.
        """
        await self._meter.flush()
        async with self._house.db.transaction() as tx:
            return await run_totals(tx, self.run_id)


@asynccontextmanager
async def tallied(house: House, run_id: UUID) -> AsyncGenerator[Tally]:
    """Watch the calls for a run that end in this process while the block runs."""
    meter = await house.resource(open_meter)
    tally = Tally(run_id, house, meter)
    meter.tallies[run_id] = tally.bookings
    try:
        yield tally
    finally:
        if meter.tallies.get(run_id) is tally.bookings:  # not when another attempt at the run watches by now
            del meter.tallies[run_id]
