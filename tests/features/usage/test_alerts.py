"""A budget is heard of at 50, 80 and 100 percent, once in each window."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from madang.features.usage.contracts import BudgetExhausted, BudgetReached, Price, Spender, Standing, SubjectKind
from madang.features.usage.reactions import on_budget_reached
from madang.features.usage.service.budgets import require_budget
from madang.features.usage.service.meter import booked, metered, open_meter
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.usage.conftest import CHEAP, Ledger, call


async def _spend(house: House, spender: Spender, output: int) -> None:
    async with metered(house, spender, call(0, output)) as metering:
        metering.took(0, output)
    await booked(house)


async def _told(house: House, budget: Any) -> list[int]:
    statement = text("""
        SELECT payload FROM supervisor.outbox
        WHERE name = 'usage.budget_reached' AND payload ->> 'budget_id' = :id ORDER BY id
    """)
    async with house.db.transaction() as tx:
        return [payload["percent"] for payload in (await tx.execute(statement, {"id": str(budget)})).scalars()]


async def test_each_threshold_is_told_once(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 100_000)
    await _spend(house, spender, 24)
    assert await _told(house, budget) == []
    await _spend(house, spender, 1)
    await _spend(house, spender, 1)
    assert await _told(house, budget) == [50]
    await _spend(house, spender, 14)
    assert await _told(house, budget) == [50, 80]
    await _spend(house, spender, 10)
    with pytest.raises(BudgetExhausted):
        await _spend(house, spender, 1)
    assert await _told(house, budget) == [50, 80, 100]


async def test_a_budget_that_affords_nothing_more_is_at_its_end(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 100_000)
    await _spend(house, spender, 45)
    for _ in range(2):
        with pytest.raises(BudgetExhausted):
            await _spend(house, spender, 45)
    assert await _told(house, budget) == [80, 100]


async def test_a_larger_limit_is_told_of_anew(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 100_000)
    await _spend(house, spender, 50)
    async with house.db.transaction() as tx:
        await tx.execute(text("UPDATE partner.budgets SET amount = 200000 WHERE id = :id"), {"id": budget})
    await _spend(house, spender, 1)
    await _spend(house, spender, 49)
    assert await _told(house, budget) == [100, 100]


async def test_a_question_is_refused_before_anything_is_queued(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    who = Principal(spender.account_id)
    async with house.db.transaction(who) as tx:
        await require_budget(house, tx, spender, lambda: CHEAP)
    await ledger.budget("account", spender.account_id, 1000, unit="tokens", period="month")
    (await house.resource(open_meter)).forget()
    async with house.db.transaction(who) as tx:
        await require_budget(house, tx, spender, lambda: CHEAP)
    async with metered(house, spender, call(0, 900, price=Price(0))) as metering:
        metering.took(0, 900)
    await booked(house)

    async def ask() -> None:
        async with house.db.transaction(who) as tx:
            await require_budget(house, tx, spender, lambda: CHEAP)

    with pytest.raises(BudgetExhausted, match="budget of your account has too little left for an answer") as refused:
        await ask()
    assert int(refused.value.headers["Retry-After"]) > 60
    assert str(refused.value.extra["renews_at"]) > "2026"


def standing(kind: SubjectKind, subject_id: UUID, path: tuple[UUID, ...], *, spent: int, reserved: int) -> Standing:
    return Standing(
        budget_id=new_id(),
        subject_kind=kind,
        subject_id=subject_id,
        path=path,
        unit="tokens",
        period="day",
        amount=100,
        spent=spent,
        reserved=reserved,
        reached=0,
        starts_at=now(),
        ends_at=now(),
    )


@pytest.mark.parametrize(
    ("spent", "reserved", "said"),
    [(0, 0, "has too little left"), (99, 0, "has too little left"), (99, 1, "is used up"), (100, 0, "is used up")],
)
def test_a_refusal_says_whether_anything_is_left(spent: int, reserved: int, said: str):
    """A budget that nothing was spent of is not used up; it is too small for an answer."""
    budget = standing("account", new_id(), (), spent=spent, reserved=reserved)
    assert said in BudgetExhausted(budget).detail


def test_a_refusal_says_whose_budget_it_is():
    organisation, partner = new_id(), new_id()
    whole = standing("scope", organisation, (organisation,), spent=100, reserved=0)
    part = standing("scope", partner, (organisation, partner), spent=100, reserved=0)
    assert "of your organisation is" in BudgetExhausted(whole).detail
    assert "of your partner or class is" in BudgetExhausted(part).detail


@pytest.mark.parametrize(
    ("percent", "spent", "said", "not_said"),
    [
        (80, 2_000_000_000, "80%", "too little"),
        (100, 2_600_000_000, "100%", "too little"),
        (100, 1_100_000_000, "what is left is too little for an answer", "100%"),
    ],
)
async def test_those_who_can_change_the_budget_get_a_letter(
    percent: int, spent: int, said: str, not_said: str, house: House, ledger: Ledger, spender: Spender
):
    assert spender.account_id is not None
    settings = house.settings.model_copy(update={"smtp_url": SecretStr("smtp://localhost")})
    event = BudgetReached(
        budget_id=new_id(),
        subject_kind="account",
        subject_id=spender.account_id,
        path=(),
        unit="money",
        period="month",
        amount=2_500_000_000,
        spent=spent,
        starts_at=now(),
        ends_at=None,
        percent=percent,
    )
    async with house.db.transaction() as tx:
        await tx.execute(
            text("""
                INSERT INTO "user".accounts (id, email, name, password_hash)
                VALUES (:id, :email, '', '') ON CONFLICT DO NOTHING
            """),
            {"id": spender.account_id, "email": f"{spender.account_id}@example.org"},
        )
        await on_budget_reached(house, tx, event)
        await on_budget_reached(replace(house, settings=settings), tx, event)
        statement = text("""
            SELECT payload ->> 'text' FROM supervisor.outbox WHERE name = 'kernel.send_mail' AND payload ->> 'to' =
                (SELECT email FROM "user".accounts WHERE id = :id)
        """)
        letters = (await tx.scalars(statement, {"id": spender.account_id})).all()
    assert len(letters) == 1, "none where mail is not set up"
    assert "2.50 USD" in letters[0]
    assert said in letters[0]
    assert not_said not in letters[0]
