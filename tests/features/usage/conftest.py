"""Spenders, budgets and what the ledger says of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, true

from madang.features.usage import settings
from madang.features.usage.contracts import NOBODY, Call, Period, Price, Spender, SubjectKind, Unit
from madang.features.usage.service import ledger as books
from madang.kernel.house import House
from madang.kernel.ids import new_id

CHEAP = Price(input=1_000_000, output=2_000_000, cached=500_000)
"""1,000 billionths of a dollar for an input token, 2,000 for an output token."""


def only(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """Run the test with these settings of usage changed, wherever they were imported to."""
    chosen = settings.load().model_copy(update=changed)
    for module in ("service.ledger", "service.meter", "service.allowances", "service.budgets", "service.rates", "jobs"):
        monkeypatch.setattr(f"madang.features.usage.{module}.load", lambda: chosen)


def call(input_tokens: int = 10, most: int | None = 45, *, price: Price | None = CHEAP, model: str = "test/m") -> Call:
    """A call that costs 100,000 billionths at most: 10 tokens in, 45 out."""
    return Call("chat", model, price, input_tokens, most)


@dataclass(frozen=True)
class Ledger:
    """What is written down."""

    house: House

    async def budget(
        self, kind: SubjectKind, subject: UUID, amount: int, *, unit: Unit = "money", period: Period = "total",
        path: tuple[UUID, ...] = (),
    ) -> UUID:  # fmt: skip
        """A budget, as the house itself makes it."""
        statement = text("""
            INSERT INTO partner.budgets (id, subject_kind, subject_id, path, unit, amount, period, time_zone, since)
            VALUES (:id, :kind, :subject, :path, :unit, :amount, :period, 'Asia/Seoul',
                CASE :period WHEN 'total' THEN now() ELSE date_trunc(:period, now(), 'Asia/Seoul') END)
        """)
        budget_id = new_id()
        async with self.house.db.transaction() as tx:
            values = {"id": budget_id, "kind": kind, "subject": subject, "path": list(path), "unit": unit}
            await tx.execute(statement, {**values, "amount": amount, "period": period})
        return budget_id

    async def scope(self, *above: UUID) -> UUID:
        """An organisation, or what lies beneath the scopes given from the top."""
        scope_id = new_id()
        kind = ("organisation", "partner", "class")[len(above)]
        statement = text("""
            INSERT INTO partner.scopes (id, kind, parent_id, path, name) VALUES (:id, :kind, :parent, :path, 'A school')
        """)
        values = {"id": scope_id, "kind": kind, "parent": above[-1] if above else None, "path": [*above, scope_id]}
        async with self.house.db.transaction() as tx:
            await tx.execute(statement, values)
        return scope_id

    async def windows(self, budget_id: UUID) -> tuple[int, int]:
        """What is spent and what is reserved of a budget."""
        sums = "SELECT sum(spent)::bigint, sum(reserved)::bigint FROM partner.budget_windows WHERE budget_id = :id"
        statement = text(sums)
        async with self.house.db.transaction() as tx:
            spent, reserved = (await tx.execute(statement, {"id": budget_id})).one()
        return spent, reserved

    async def calls(self, account_id: UUID) -> list[Any]:
        """Every row of an account."""
        statement = text("SELECT * FROM partner.usage WHERE account_id = :id ORDER BY id")
        async with self.house.db.transaction() as tx:
            return list((await tx.execute(statement, {"id": account_id})).all())

    async def expire(self, account_id: UUID) -> None:
        """Let the time of all the account's reservations pass."""
        statement = text("UPDATE partner.reservations SET expires_at = now() - interval '1 s' WHERE account_id = :id")
        async with self.house.db.transaction() as tx:
            await tx.execute(statement, {"id": account_id})


@pytest.fixture
async def ledger(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ledger]:
    """The ledger, which believes every expiry at once; no budget of the platform stays behind."""
    monkeypatch.setattr(books, "expiry_trusted", true)
    yield Ledger(house)
    async with house.db.transaction() as tx:
        await tx.execute(text("DELETE FROM partner.budgets WHERE subject_id = :nobody"), {"nobody": NOBODY})


@pytest.fixture
def spender() -> Spender:
    """An account that nobody else in the test run is."""
    return Spender(new_id(), ())
