"""Any order of reserving, booking, dying and changing budgets: the ledger agrees with a plain model of it."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text, true

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.usage.contracts import BudgetExhausted, Spender, Unit
from madang.features.usage.service import ledger as books
from madang.features.usage.settings import UsageSettings
from madang.kernel.clock import now
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.settings import Settings
from tests.features.usage.conftest import Ledger, call

TOKENS = st.integers(1, 60)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Purse:
    """What a budget should hold: its limit, what was spent, and what each reservation holds."""

    id: UUID
    unit: Unit
    limit: int
    spent: int = 0
    held: dict[UUID, int] = field(default_factory=dict[UUID, int])
    subject: tuple[Any, ...] = ()
    since: datetime = LONG_AGO

    def weigh(self, input_tokens: int, output_tokens: int) -> int:
        """What tokens mean in this budget's unit."""
        return input_tokens + output_tokens if self.unit == "tokens" else input_tokens * 1000 + output_tokens * 2000

    @property
    def left(self) -> int:
        """What may still be reserved."""
        return self.limit - self.spent - sum(self.held.values())


@dataclass(frozen=True)
class Held:
    """A reservation that is alive."""

    id: UUID
    input_tokens: int
    output_tokens: int


class LedgerMachine(RuleBasedStateMachine):
    """One spender with budgets of the account and of a school; `least` is as long as the whole answer."""

    runner: asyncio.Runner
    house: House

    reservations: Bundle[Held] = Bundle("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(self.house)
        school = self.do(self.ledger.scope())
        self.account = new_id()
        self.spender = Spender(self.account, (school,))
        self.booked: list[books.Booking] = []
        subjects: list[tuple[Any, ...]] = [("account", self.account, 400_000, "money", ())]
        subjects += [("scope", school, 350, "tokens", (school,)), ("scope", school, 900_000, "money", (school,))]
        self.purses = [
            Purse(
                self.do(self.ledger.budget(kind, subject, limit, unit=unit, path=path)),
                unit,
                limit,
                subject=(kind, subject, path),
            )
            for kind, subject, limit, unit, path in subjects
        ]

    def do[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for it."""
        return self.runner.run(work)

    @rule(target=reservations, input_tokens=TOKENS, output_tokens=TOKENS)
    def reserve(self, input_tokens: int, output_tokens: int) -> Any:
        """It is granted exactly when every budget affords the whole of it, since the least is the most here."""
        one = Held(new_id(), input_tokens, output_tokens)
        fits = all(purse.weigh(input_tokens, output_tokens) <= purse.left for purse in self.purses)
        try:
            granted = self.do(books.reserve(self.house, one.id, self.spender, call(input_tokens, output_tokens)))
        except BudgetExhausted:
            assert not fits
            return multiple()
        assert fits
        assert granted == books.Grant(output_tokens, output_tokens)
        for purse in self.purses:
            purse.held[one.id] = purse.weigh(input_tokens, output_tokens)
        return one

    @rule(one=consumes(reservations), share=st.floats(0, 1.2))
    def settle(self, one: Held, share: float) -> None:
        """A call ends with less than it held, or with more than it was told to take."""
        self._book(one, round(one.input_tokens * share), round(one.output_tokens * share), one.id)

    @rule(input_tokens=TOKENS, output_tokens=TOKENS)
    def book_unreserved(self, input_tokens: int, output_tokens: int) -> None:
        """A call ends that began when no budget was known."""
        self._book(None, input_tokens, output_tokens, None)

    def _book(self, one: Held | None, input_tokens: int, output_tokens: int, reservation_id: UUID | None) -> None:
        cost = input_tokens * 1000 + output_tokens * 2000
        booking = books.Booking(
            new_id(), now(), self.account, self.spender.scope_path, None, "", "chat", "m", "ok", True, input_tokens, 0,
            output_tokens, cost, 1, reservation_id,
        )  # fmt: skip
        self.do(books.book(self.house, [booking]))
        self.booked.append(booking)
        for purse in self.purses:
            if one is None or purse.held.pop(one.id, None) is not None:
                purse.spent += purse.weigh(input_tokens, output_tokens)

    @rule(one=consumes(reservations), late=st.booleans())
    def die(self, one: Held, late: bool) -> None:
        """A worker dies, its reservation runs out, and sometimes it has a late word to say."""
        statement = text("UPDATE partner.reservations SET expires_at = now() - interval '1 s' WHERE id = :id")

        async def run_out() -> None:
            async with self.house.db.transaction() as tx:
                await tx.execute(statement, {"id": one.id})
            await books.book_expired(self.house)

        self.do(run_out())
        lost = [purse for purse in self.purses if purse.held.pop(one.id, None) is not None]
        for purse in lost:
            purse.spent += purse.weigh(one.input_tokens, one.output_tokens)
        if late:
            self._correct(one, lost)

    def _correct(self, one: Held, lost: list[Purse]) -> None:
        word = books.Booking(
            new_id(), now(), self.account, self.spender.scope_path, None, "", "chat", "m", "ok", True, 1, 0, 2, 5000,
            1, one.id,
        )  # fmt: skip
        self.do(books.book(self.house, [word]))
        self.booked.append(word)
        for purse in lost:
            purse.spent += purse.weigh(1, 2) - purse.weigh(one.input_tokens, one.output_tokens)

    @rule()
    def say_everything_twice(self) -> None:
        """The answer to a booking was lost, so all of it comes again."""
        self.do(books.book(self.house, self.booked))

    @rule(at=st.integers(0, 2), limit=st.integers(0, 1_000_000))
    def change(self, at: int, limit: int) -> None:
        """Somebody sets another limit, even one below what is spent."""

        async def set_limit() -> None:
            statement = text("UPDATE partner.budgets SET amount = :limit WHERE id = :id")
            async with self.house.db.transaction() as tx:
                await tx.execute(statement, {"limit": limit, "id": self.purses[at].id})

        self.do(set_limit())
        self.purses[at].limit = limit

    @rule(at=st.integers(0, 2), limit=st.integers(100, 1_000_000))
    def lift_and_set_again(self, at: int, limit: int) -> None:
        """Somebody deletes a budget while calls hold some of it, and makes another: what it held is nobody's."""
        purse = self.purses[at]
        kind, subject, path = purse.subject

        async def delete() -> None:
            async with self.house.db.transaction() as tx:
                await tx.execute(text("DELETE FROM partner.budgets WHERE id = :id"), {"id": purse.id})

        async def since(budget_id: UUID) -> datetime:
            async with self.house.db.transaction() as tx:
                statement = text("SELECT since FROM partner.budgets WHERE id = :id")
                found: datetime = (await tx.execute(statement, {"id": budget_id})).scalar_one()
                return found

        self.do(delete())
        again = self.do(self.ledger.budget(kind, subject, limit, unit=purse.unit, path=path))
        self.purses[at] = Purse(again, purse.unit, limit, subject=purse.subject, since=self.do(since(again)))

    @invariant()
    def windows_are_as_the_model_says(self) -> None:
        """Spent and reserved are what they should be, in each budget."""
        for purse in self.purses:
            assert self.do(self.ledger.windows(purse.id)) == (purse.spent, sum(purse.held.values()))

    @invariant()
    def spent_is_the_sum_of_the_calls(self) -> None:
        """The ledger adds up."""
        calls = self.do(self.ledger.calls(self.account))
        for purse in self.purses:
            counted = [one for one in calls if one.created_at >= purse.since]
            assert purse.spent == sum(purse.weigh(one.input_tokens, one.output_tokens) for one in counted)


def test_any_order_of_events_leaves_the_ledger_right(house_settings: Settings, monkeypatch: pytest.MonkeyPatch):
    whole = UsageSettings(budget_least_answer_tokens=200_000)
    monkeypatch.setattr(books, "load", lambda: whole)
    monkeypatch.setattr(books, "expiry_trusted", true)
    with asyncio.Runner() as runner:
        opened = open_house(house_settings, installed(), "test", lambda _: None)
        LedgerMachine.runner = runner
        LedgerMachine.house = runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                LedgerMachine,
                settings=settings(
                    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
