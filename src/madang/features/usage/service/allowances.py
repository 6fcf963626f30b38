"""What a call has reserved of its budgets, growing with its answer; and who waits for what others hold."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from madang.features.usage.contracts import BudgetExhausted, Call
from madang.features.usage.service import ledger
from madang.features.usage.service.ledger import Extension, Grant
from madang.features.usage.settings import load
from madang.kernel import log
from madang.kernel.house import House
from madang.kernel.jobs import spawn

logger = log.get_logger(__name__)

MARGIN_TOKENS = 8
"""About what a model writes between being asked to stop and stopping."""

EXTEND_SECONDS = 0.02
"""Calls that want more within so long ask in one statement."""

AGAIN_SECONDS = 0.25
"""How soon a budget that refused more, or a place in line, is asked again if nobody here let go of any."""


class Extensions:
    """Everything in this process that wants to hold more, asked for together."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._wanted: list[tuple[Extension, asyncio.Future[int]]] = []

    async def ask(self, wanted: Extension) -> int:
        """How many output tokens more are held now; 0 for none, also when PostgreSQL is away."""
        answer = asyncio.get_running_loop().create_future()
        if not self._wanted:
            asyncio.get_running_loop().call_later(EXTEND_SECONDS, self._begin)
        self._wanted.append((wanted, answer))
        granted: int = await answer
        return granted

    def _begin(self) -> None:
        wanted, self._wanted = self._wanted, []
        spawn(self._extend(wanted), "usage.extend")

    async def _extend(self, wanted: list[tuple[Extension, asyncio.Future[int]]]) -> None:
        granted: dict[UUID, int] = {}
        try:
            granted = await ledger.extend(self._house, [extension for extension, _ in wanted])
        except (SQLAlchemyError, OSError) as error:
            logger.warning("reservations_not_extended", calls=len(wanted), error=log.first_line(error))
        finally:
            for extension, answer in wanted:
                if not answer.done():
                    answer.set_result(granted.get(extension.id, 0))


@dataclass(slots=True)
class GrowingAllowance:
    """What one call holds. The next step is asked for when half of the last is used, so that the answer never waits."""

    id: UUID
    call: Call
    grant: Grant
    extensions: Extensions
    held: int = field(init=False)
    _step: int = field(init=False)
    _asking: asyncio.Task[None] | None = field(default=None, init=False)
    _not_before: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.held = self._step = self.grant.output_tokens

    async def covers(self, output_tokens: int) -> bool:
        """See `Allowance`."""
        if self.held - output_tokens > self._step // 2:
            return True
        asking = self._grow(output_tokens)
        if output_tokens + self._margin() <= self.held:
            return True
        if asking is not None:
            await asyncio.shield(asking)
        return output_tokens + self._margin() <= self.held

    def _margin(self) -> int:
        return 0 if self.held >= self.grant.most else MARGIN_TOKENS

    def _grow(self, used: int) -> asyncio.Task[None] | None:
        if self._asking is None or self._asking.done():
            if self.held >= self.grant.most or asyncio.get_running_loop().time() < self._not_before:
                return None
            self._asking = spawn(self._ask(used), "usage.grow")
        return self._asking

    async def _ask(self, used: int) -> None:
        more = min(max(load().budget_step_tokens, used // 2), self.grant.most - self.held)
        price = self.call.price
        prices = (price.input, price.output) if price else (0, 0)
        granted = await self.extensions.ask(Extension(self.id, more, *prices, self.call.flat))
        self.held += granted
        if granted:
            self._step = max(granted, 2 * MARGIN_TOKENS)
        else:
            self._not_before = asyncio.get_running_loop().time() + AGAIN_SECONDS


class Lines:
    """Those who wait for what others hold of a budget, one line a budget, served in their order."""

    def __init__(self) -> None:
        self._lines: dict[UUID, tuple[asyncio.Lock, list[int]]] = {}
        self._let_go = asyncio.Event()

    def notify(self) -> None:
        """Something that was held here has been booked."""
        self._let_go.set()
        self._let_go = asyncio.Event()

    async def retry[T](self, refused: BudgetExhausted, reserve: Callable[[], Awaitable[T]]) -> T:
        """Stand in line and reserve as soon as enough is free. Raises `BudgetExhausted` after the longest wait."""
        deadline = asyncio.get_running_loop().time() + load().budget_wait_seconds
        while True:
            budget_id = refused.budget.budget_id
            lock, waiting = self._lines.setdefault(budget_id, (asyncio.Lock(), []))
            waiting.append(1)
            try:
                async with asyncio.timeout_at(deadline):
                    await lock.acquire()
            except TimeoutError:
                raise refused from None
            finally:
                waiting.pop()
            try:
                return await self._at_head(refused, reserve, deadline)
            except _OtherBudgetError as other:
                refused = other.refused
            finally:
                lock.release()
                if not waiting:
                    self._lines.pop(budget_id, None)

    async def _at_head[T](self, refused: BudgetExhausted, reserve: Callable[[], Awaitable[T]], deadline: float) -> T:
        loop = asyncio.get_running_loop()
        while True:
            let_go = self._let_go
            try:
                return await reserve()
            except BudgetExhausted as again:
                if not again.is_held or loop.time() >= deadline:
                    raise
                if again.budget.budget_id != refused.budget.budget_id:
                    raise _OtherBudgetError(again) from again
            with suppress(TimeoutError):
                async with asyncio.timeout(min(AGAIN_SECONDS, max(deadline - loop.time(), 0.001))):
                    await let_go.wait()


class _OtherBudgetError(Exception):
    """Another budget is in the way now; its line is the one to stand in."""

    def __init__(self, refused: BudgetExhausted) -> None:
        self.refused = refused
