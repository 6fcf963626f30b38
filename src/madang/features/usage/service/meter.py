"""The meter of a process: it knows which budgets there are, makes reservations, and books what ended, many at once."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import perf_counter
from uuid import UUID

from sqlalchemy import select

from madang.features.usage.contracts import (
    MOST_AMOUNT,
    MOST_TOKENS,
    NOBODY,
    BudgetExhausted,
    Call,
    Metering,
    Outcome,
    Spender,
)
from madang.features.usage.service import ledger
from madang.features.usage.service.allowances import Extensions, GrowingAllowance, Lines
from madang.features.usage.service.ledger import Booking
from madang.features.usage.settings import load
from madang.features.usage.tables import BUDGETS
from madang.kernel import log
from madang.kernel.clock import now
from madang.kernel.errors import Problem
from madang.kernel.failures import FAILURES_OF_OURS, Failure, classify, is_temporary
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn

logger = log.get_logger(__name__)

FRESH_SECONDS = 1.0
"""A budget that another process made binds this one's calls after so long at most."""

MOST_SUBJECTS = 10_000
"""With more budgets than that a process does not remember whose there are, and asks PostgreSQL for every call."""

HELD_BOOK_SECONDS = 0.02
BOOK_SECONDS = 0.25
"""Calls that end within so long are booked in one transaction: sooner where something is held for them."""

BATCH = 500
MOST_WAITING = 100_000
_WAITS = (0.2, 0.5, 1.0, 2.0, 5.0)


class Meter:
    """What one process has reserved and not yet booked."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._subjects: frozenset[UUID] | None = frozenset()
        self._known_at = self._forgotten_at = float("-inf")
        self._has_looked = False
        self._looking: asyncio.Task[None] | None = None
        self._booking = asyncio.Lock()
        self._waiting: list[Booking] = []
        self._timer: asyncio.TimerHandle | None = None
        self._held: set[UUID] = set()
        self._lines = Lines()
        self._extensions = Extensions(house)
        self._keeper: asyncio.Task[None] | None = None
        self.tallies: dict[UUID, list[Booking]] = {}
        """Where to write down a second time what ends for a run that somebody watches."""

    async def binds(self, spender: Spender) -> bool:
        """Whether any budget may bind what the spender spends. Call it with no transaction open."""
        if not self._is_fresh():
            await asyncio.shield(self._refresh())
        return self._may_bind(spender)

    def surely_free(self, spender: Spender) -> bool:
        """Whether it is known, without asking, that no budget binds; what is known is refreshed beside the caller."""
        if not self._is_fresh():
            self._refresh()
            return False
        return not self._may_bind(spender)

    def _is_fresh(self) -> bool:
        return asyncio.get_running_loop().time() - self._known_at <= FRESH_SECONDS

    def _refresh(self) -> asyncio.Task[None]:
        """The one look at the budgets that is under way; a task of its own, so nobody's transaction holds another."""
        if self._looking is None or self._looking.done():
            self._looking = spawn(self._look(), "usage.look")
        return self._looking

    def _may_bind(self, spender: Spender) -> bool:
        if not self._subjects:
            return self._subjects is None
        own = spender.account_id or NOBODY
        return NOBODY in self._subjects or own in self._subjects or not self._subjects.isdisjoint(spender.scope_path)

    async def _look(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            async with self._house.db.transaction() as tx:
                found = await tx.execute(select(BUDGETS.c.subject_id).distinct().limit(MOST_SUBJECTS + 1))
                subjects = frozenset(found.scalars())
        except FAILURES_OF_OURS as error:
            # An answer need not wait for PostgreSQL only to hear once more that no budget binds it.
            if not (self._has_looked and is_temporary(error)):
                raise
            logger.warning("budgets_not_looked_at")
        else:
            self._subjects = subjects if len(subjects) <= MOST_SUBJECTS else None
            self._has_looked = True
        if self._forgotten_at <= began:
            self._known_at = asyncio.get_running_loop().time()

    def forget(self) -> None:
        """Look again at the next call, since a budget was made here."""
        self._known_at = float("-inf")
        self._forgotten_at = asyncio.get_running_loop().time()

    async def reserve(self, spender: Spender, call: Call) -> GrowingAllowance | None:
        """What is reserved for the call, and grows with it; None when no budget binds.

        Waits a while for what others hold and let go of. Raises as `ledger.reserve`.
        """
        if not await self.binds(spender):
            return None
        try:
            return await self._reserve(spender, call)
        except BudgetExhausted as refused:
            if not refused.is_held:
                raise
            return await self._lines.retry(refused, lambda: self._reserve(spender, call))

    async def _reserve(self, spender: Spender, call: Call) -> GrowingAllowance | None:
        reservation_id = new_id()
        try:
            grant = await ledger.reserve(self._house, reservation_id, spender, call)
        except Problem:
            raise
        except BaseException:
            # Nobody knows whether it was committed; if it was, this lets go of it.
            self.add(_booking(spender, call, Metering(None), "cancelled", 0, reservation_id))
            raise
        if grant is None:
            return None
        self._held.add(reservation_id)
        if self._keeper is None:
            self._keeper = spawn(self._keep(), "usage.keep")
        return GrowingAllowance(reservation_id, call, grant, self._extensions)

    def add(self, booking: Booking) -> None:
        """Have the call booked in a moment."""
        self._waiting.append(booking)
        if booking.run_id is not None and booking.run_id in self.tallies:
            self.tallies[booking.run_id].append(booking)
        if booking.reservation_id is not None:
            self._held.discard(booking.reservation_id)
        self._wake(BOOK_SECONDS if booking.reservation_id is None else HELD_BOOK_SECONDS)

    def has_waiting(self, booking: Booking) -> bool:
        """Whether the call is not known to be booked yet."""
        return any(one is booking for one in self._waiting)

    def _wake(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self._begin)

    def _begin(self) -> None:
        spawn(self.flush(), "usage.book")

    async def flush(self) -> None:
        """Book all that waits; what cannot be booked now is tried again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        async with self._booking:
            tries = 0
            size = BATCH
            while self._waiting:
                batch = self._waiting[:size]
                try:
                    await ledger.book(self._house, batch)
                except Exception as error:  # whatever it is: what waits here is written nowhere else
                    if classify(error) is Failure.INPUT or isinstance(error, ledger.UNBOOKABLE):
                        # Something that can never be written must not keep back what can.
                        if len(batch) == 1:
                            logger.exception("usage_lost", calls=1, model=batch[0].model, error=log.first_line(error))
                            del self._waiting[0]
                        size = max(len(batch) // 2, 1)
                        continue
                    logger.warning("usage_not_booked", calls=len(self._waiting), error=log.first_line(error))
                    self._limit_waiting()
                    await asyncio.sleep(_WAITS[min(tries, len(_WAITS) - 1)] * random.uniform(0.5, 1))  # noqa: S311  # no secret
                    tries += 1
                else:
                    del self._waiting[: len(batch)]
                    if any(one.reservation_id is not None for one in batch):
                        self._lines.notify()
                    tries = 0
                    size = min(2 * size, BATCH)

    def _limit_waiting(self) -> None:
        if len(self._waiting) > MOST_WAITING:
            lost = len(self._waiting) - MOST_WAITING
            del self._waiting[BATCH : BATCH + lost]
            logger.error("usage_lost", calls=lost)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(load().reservation_seconds / 3)
            if self._held:
                try:
                    await ledger.renew(self._house, list(self._held))
                except Exception as error:  # noqa: BLE001  # whatever it is, without renewals all are lost
                    logger.warning("reservations_not_renewed", calls=len(self._held), error=log.first_line(error))

    async def close(self) -> None:
        """Book what is left, as long as the process has time for it."""
        if self._keeper is not None:
            self._keeper.cancel()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.flush()
        except TimeoutError:
            logger.exception("usage_lost", calls=len(self._waiting))


CLOSE_SECONDS = 3


@asynccontextmanager
async def open_meter(house: House) -> AsyncGenerator[Meter]:
    """The meter of the process, for `house.resource`."""
    meter = Meter(house)
    try:
        yield meter
    finally:
        await meter.close()


@asynccontextmanager
async def metered(house: House, spender: Spender, call: Call) -> AsyncGenerator[Metering]:
    """Reserve for the call, and write down what it took when the block ends, however it ends.

    Raises `BudgetExhausted` and `ModelUnpriced` before anything is sent.
    """
    meter = await house.resource(open_meter)
    held = await meter.reserve(spender, call)
    metering = Metering(held.grant.most if held else call.max_output, flat=call.flat, allowance=held)
    began = perf_counter()
    outcome: Outcome = "cancelled"
    try:
        yield metering
        outcome = "cut_off" if metering.was_cut_off else "ok"
    except Problem as problem:
        outcome = "cut_off" if metering.known else "failed"
        metering.sent = metering.sent and problem.status == 504  # only what timed out may have been worked on
        raise
    except Exception:
        outcome = "failed"
        raise
    finally:
        if metering.sent and not metering.known:
            metering.took(call.input_tokens, 0)
        took = round((perf_counter() - began) * 1000)
        meter.add(_booking(spender, call, metering, outcome, took, held.id if held else None))


def _booking(
    spender: Spender, call: Call, took: Metering, outcome: Outcome, latency_ms: int, reservation_id: UUID | None
) -> Booking:
    tokens = (_possible(took.input_tokens), _possible(took.output_tokens), _possible(took.cached_tokens))
    flat = min(max(took.flat, 0), MOST_AMOUNT) if took.sent or outcome == "ok" else 0
    return Booking(
        id=new_id(),
        created_at=now(),
        account_id=spender.account_id or NOBODY,
        scope_path=spender.scope_path,
        run_id=spender.run_id,
        agent=spender.agent or "",
        kind=call.kind,
        model=call.model,
        outcome=outcome,
        is_priced=call.price is not None,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        cached_tokens=tokens[2],
        cost=min(flat + (call.price.nanos(*tokens) if call.price else 0), MOST_AMOUNT),
        latency_ms=latency_ms,
        reservation_id=reservation_id,
    )


def _possible(tokens: int) -> int:
    return min(max(tokens, 0), MOST_TOKENS)


async def booked(house: House) -> None:
    """Return when all calls that ended in this process are written down."""
    await (await house.resource(open_meter)).flush()
