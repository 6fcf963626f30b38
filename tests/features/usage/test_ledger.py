"""Reserving and booking: what is held, what is spent, and that the two always agree with the calls."""

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from madang.features.usage.contracts import NOBODY, BudgetExhausted, Call, ModelUnpriced, Price, RunTotals, Spender
from madang.features.usage.queries import run_totals
from madang.features.usage.service import ledger as books
from madang.features.usage.service.meter import Meter, booked, metered
from madang.kernel.auth import Principal
from madang.kernel.errors import GatewayTimeout, Unavailable
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn
from tests.features.usage.conftest import CHEAP, Ledger, call, only


async def test_a_call_holds_its_most_and_then_costs_what_it_took(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 1_000_000)
    async with metered(house, spender, call()) as metering:
        assert metering.max_output == 45
        assert await ledger.windows(budget) == (0, 100_000)
        metering.took(8, 20)
    await booked(house)
    assert await ledger.windows(budget) == (48_000, 0)
    (row,) = await ledger.calls(spender.account_id)
    assert (row.cost, row.input_tokens, row.output_tokens, row.outcome) == (48_000, 8, 20, "ok")


async def test_cached_input_is_cheaper_and_costs_are_rounded_up_once():
    assert CHEAP.nanos(100, 10, cached_tokens=40) == 60 * 1000 + 40 * 500 + 10 * 2000
    assert CHEAP.nanos(10, 0, cached_tokens=99) == 10 * 500
    assert Price(1).nanos(1, 0) == 1
    assert Price(150_000, 600_000).nanos(7, 3) == 7 * 150 + 3 * 600


async def test_without_a_budget_nothing_is_held_but_the_call_is_written_down(
    house: House, ledger: Ledger, spender: Spender
):
    assert spender.account_id is not None
    async with metered(house, spender, call(most=None)) as metering:
        assert metering.max_output is None
        metering.took(3, 4)
    await booked(house)
    (row,) = await ledger.calls(spender.account_id)
    assert row.cost == 3 * 1000 + 4 * 2000


async def test_the_tightest_of_the_chain_wins_and_is_named(
    house: House, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    only(monkeypatch, budget_least_answer_tokens=20)
    school = await ledger.scope()
    class_ = await ledger.scope(school)
    spender = Spender(new_id(), (school, class_))
    await ledger.budget("platform", NOBODY, 10_000_000)
    await ledger.budget("scope", school, 120_000, path=(school,))
    tight = await ledger.budget("scope", class_, 90, unit="tokens", path=(school, class_))
    async with metered(house, spender, call(10, 500)) as metering:
        assert metering.max_output == 55  # 120,000 less 10,000 for the input
        with pytest.raises(BudgetExhausted) as refused:
            async with metered(house, spender, call(10, 60)):
                pytest.fail("nothing is left")
    assert refused.value.extra["budget_id"] != str(tight)
    assert refused.value.headers["Retry-After"] == "5"
    assert refused.value.extra["subject_kind"] == "scope"


async def test_an_answer_is_kept_shorter_but_never_uselessly_short(
    house: House, ledger: Ledger, spender: Spender, monkeypatch: pytest.MonkeyPatch
):
    only(monkeypatch, budget_least_answer_tokens=20)
    assert spender.account_id is not None
    await ledger.budget("account", spender.account_id, 100, unit="tokens")
    async with metered(house, spender, call(10, 1000)) as metering:
        assert metering.max_output == 90
        metering.took(10, 60)
    await booked(house)
    with pytest.raises(BudgetExhausted):
        async with metered(house, spender, call(11, 1000)):
            pytest.fail("19 tokens are no answer")
    async with metered(house, spender, call(10, 1000)) as metering:
        assert metering.max_output == 20


async def test_what_a_server_reports_beyond_the_reservation_is_booked(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 100_000)
    async with metered(house, spender, call()) as metering:
        metering.took(10, 70)
    await booked(house)
    assert await ledger.windows(budget) == (150_000, 0)
    with pytest.raises(BudgetExhausted, match="used up"):
        async with metered(house, spender, call()):
            pytest.fail("nothing is left")


@pytest.mark.parametrize(
    ("error", "sent", "outcome", "cost"),
    [
        (Unavailable("away", "Away."), True, "failed", 0),
        (GatewayTimeout("slow", "Slow."), True, "failed", 10_000),
        (asyncio.CancelledError(), False, "cancelled", 0),
        (asyncio.CancelledError(), True, "cancelled", 10_000),
        (RuntimeError("a mistake"), False, "failed", 0),
    ],
)
async def test_a_call_that_fails_costs_what_it_used(
    house: House, ledger: Ledger, spender: Spender, error: BaseException, sent: bool, outcome: str, cost: int
):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 1_000_000)

    async def making() -> None:
        async with metered(house, spender, call()) as metering:
            metering.sent = sent
            raise error

    with pytest.raises(type(error)):
        await making()
    await booked(house)
    assert await ledger.windows(budget) == (cost, 0)
    (row,) = await ledger.calls(spender.account_id)
    assert (row.outcome, row.cost) == (outcome, cost)


async def test_a_model_without_a_price_is_refused_only_where_a_budget_in_money_binds(
    house: House, ledger: Ledger, spender: Spender
):
    assert spender.account_id is not None
    await ledger.budget("account", spender.account_id, 1000, unit="tokens")
    async with metered(house, spender, call(price=None)):
        pass
    await ledger.budget("account", spender.account_id, 1000)
    with pytest.raises(ModelUnpriced):
        async with metered(house, spender, call(price=None)):
            pytest.fail("nobody knows what this costs")


async def test_what_costs_nothing_needs_no_money(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    await ledger.budget("account", spender.account_id, 0)
    async with metered(house, spender, call(price=Price(0))) as metering:
        metering.took(5, 5)


async def test_what_the_dead_had_reserved_is_booked_once_and_their_late_word_corrects_it(
    house: House, ledger: Ledger, spender: Spender
):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 150_000)
    async with metered(house, spender, call()) as metering:
        await ledger.expire(spender.account_id)
        assert await books.book_expired(house) >= 1  # those that other tests left may have run out as well
        assert await ledger.windows(budget) == (100_000, 0)
        (row,) = await ledger.calls(spender.account_id)
        assert (row.outcome, row.output_tokens) == ("lost", 45)
        metering.took(1, 1)
    await booked(house)
    assert await ledger.windows(budget) == (3_000, 0)
    (row,) = await ledger.calls(spender.account_id)
    assert (row.outcome, row.input_tokens, row.output_tokens, row.cost) == ("ok", 1, 1, 3_000)
    statement = text("SELECT sum(calls), sum(cost), sum(output_tokens) FROM partner.usage_days WHERE account_id = :id")
    async with house.db.transaction() as tx:
        assert (await tx.execute(statement, {"id": spender.account_id})).one() == (1, 3_000, 1)


async def test_the_living_renew_what_they_hold(
    house: House, ledger: Ledger, spender: Spender, monkeypatch: pytest.MonkeyPatch
):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 1_000_000)
    ids = [new_id(), new_id()]
    for one in ids:
        await books.reserve(house, one, spender, call())
    await ledger.expire(spender.account_id)
    await books.renew(house, ids)
    await books.book_expired(house)
    assert await ledger.windows(budget) == (0, 200_000)


async def test_booking_again_what_was_booked_adds_nothing(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 1_000_000)
    meter = Meter(house)
    kept: list[books.Booking] = []
    meter.add = kept.append  # type: ignore[method-assign]  # to look at what would be booked
    hold = await meter.reserve(spender, call())
    assert hold is not None
    began = await _clock(house)
    row = books.Booking(new_id(), began, spender.account_id, (), None, "", "chat", "m", "ok", True, 5, 0, 5, 15_000, 1)
    held = replace(row, id=new_id(), reservation_id=hold.id)
    for _ in range(3):
        await books.book(house, [row, held])
    assert await ledger.windows(budget) == (30_000, 0)
    assert len(await ledger.calls(spender.account_id)) == 2


async def _clock(house: House) -> datetime:
    async with house.db.transaction() as tx:
        clock: datetime = (await tx.execute(text("SELECT now()"))).scalar_one()
    return clock


async def test_a_new_budget_knows_what_was_spent_in_its_window(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    async with metered(house, spender, call()) as metering:
        metering.took(10, 10)
    await booked(house)
    month = await ledger.budget("account", spender.account_id, 1_000_000, period="month")
    tokens = await ledger.budget("account", spender.account_id, 1_000_000, period="day", unit="tokens")
    total = await ledger.budget("account", spender.account_id, 1_000_000)
    assert await ledger.windows(month) == (30_000, 0)
    assert await ledger.windows(tokens) == (20, 0)
    assert await ledger.windows(total) == (0, 0)


async def test_a_call_that_began_before_its_budget_is_charged_to_it_when_it_ends(
    house: House, ledger: Ledger, spender: Spender
):
    assert spender.account_id is not None
    async with metered(house, spender, Call("chat", "m", CHEAP, 10)) as metering:
        budget = await ledger.budget("account", spender.account_id, 1_000_000, period="month")
        metering.took(10, 10)
    await booked(house)
    assert await ledger.windows(budget) == (30_000, 0)


async def test_a_reservation_that_nobody_knows_about_is_let_go(house: House, ledger: Ledger, spender: Spender):
    """Stopped between the commit and the answer: the call was never made and must cost nothing."""
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 1_000_000)
    meter = Meter(house)
    real, made = books.reserve, asyncio.Event()

    async def deaf(house: House, reservation_id: UUID, spender: Spender, asked: Call) -> books.Grant | None:
        await real(house, reservation_id, spender, asked)
        made.set()
        await asyncio.Event().wait()
        return None

    books.reserve = deaf
    try:
        asking = spawn(meter.reserve(spender, call()), "reserve")
        await made.wait()
        assert await ledger.windows(budget) == (0, 100_000)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    finally:
        books.reserve = real
    await meter.flush()
    assert await ledger.windows(budget) == (0, 0)


async def test_all_attempts_of_a_run_count(house: House, ledger: Ledger):
    run_id, account_id = new_id(), new_id()
    for attempt in (1, 2):
        async with metered(house, Spender(account_id, (), run_id, "assistant"), call()) as metering:
            metering.took(10, attempt)
    await booked(house)
    found = RunTotals(
        calls=2, input_tokens=20, cached_tokens=0, output_tokens=3, cost=26_000, model="test/m", is_priced=True,
        is_estimated=False,
    )  # fmt: skip
    async with house.db.transaction(Principal(account_id)) as tx:
        assert await run_totals(tx, run_id) == found
    async with house.db.transaction(Principal(new_id())) as tx:
        assert await run_totals(tx, run_id) is None


async def test_an_expiry_is_believed_only_after_postgresql_answered_for_as_long(
    house: House, ledger: Ledger, spender: Spender, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.undo()
    only(monkeypatch, reservation_seconds=10**7)
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 1_000_000)
    await books.reserve(house, new_id(), spender, call())
    await ledger.expire(spender.account_id)
    await books.book_expired(house)
    assert await ledger.windows(budget) == (0, 100_000)


async def test_a_reservation_that_cannot_be_booked_is_set_aside_and_keeps_back_no_other(
    house: House, ledger: Ledger, spender: Spender
):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 1_000_000)
    ids = [new_id() for _ in range(3)]
    for one in ids:
        await books.reserve(house, one, spender, call())
    await ledger.expire(spender.account_id)
    async with house.db.transaction() as tx:
        await tx.execute(text("UPDATE partner.reservations SET kind = 'dream' WHERE id = :id"), {"id": ids[1]})
    await books.book_expired(house)
    assert await ledger.windows(budget) == (200_000, 100_000)
    async with house.db.transaction() as tx:
        error = await tx.scalar(text("SELECT error FROM partner.reservations WHERE id = :id"), {"id": ids[1]})
        await tx.execute(text("DELETE FROM partner.reservations WHERE id = :id"), {"id": ids[1]})
    assert "ck_usage_kind" in error
