"""Calls of tools: metered by their time, charged when they cost anything, bound by the same budgets."""

from dataclasses import replace
from uuid import UUID

import pytest

from madang.features.usage.contracts import BudgetExhausted, Spender
from madang.features.usage.public import booked, metered, tallied, tool_call
from madang.features.usage.service import meter
from madang.kernel.errors import Unavailable
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.usage.conftest import Ledger, call

SEARCH = tool_call("web.search", 5_000_000)
"""Half a cent a search."""


def whose(spender: Spender) -> UUID:
    assert spender.account_id is not None
    return spender.account_id


async def test_a_tool_that_costs_nothing_is_written_down_with_its_time(
    house: House, ledger: Ledger, spender: Spender, monkeypatch: pytest.MonkeyPatch
):
    moments = iter((10.0, 10.25))
    monkeypatch.setattr(meter, "perf_counter", lambda: next(moments))
    await ledger.budget("account", whose(spender), 0)
    await ledger.budget("account", whose(spender), 0, unit="tokens")
    async with metered(house, spender, tool_call("clock.now")):
        pass
    await booked(house)
    (row,) = await ledger.calls(whose(spender))
    assert (row.kind, row.model, row.outcome, row.is_priced, row.latency_ms) == ("tool", "clock.now", "ok", True, 250)
    assert (row.input_tokens, row.output_tokens, row.cost) == (0, 0, 0)


async def test_a_tool_that_costs_something_holds_it_and_then_costs_what_it_took(
    house: House, ledger: Ledger, spender: Spender
):
    budget = await ledger.budget("account", whose(spender), 12_000_000)
    async with metered(house, spender, SEARCH) as metering:
        assert await ledger.windows(budget) == (0, 5_000_000)
        metering.flat = 3_000_000
    async with metered(house, spender, SEARCH):
        pass
    await booked(house)
    assert await ledger.windows(budget) == (8_000_000, 0)
    with pytest.raises(BudgetExhausted):
        async with metered(house, spender, SEARCH):
            pytest.fail("four tenths of a cent are left")
    assert [row.cost for row in await ledger.calls(whose(spender))] == [3_000_000, 5_000_000]


@pytest.mark.parametrize(
    ("problem", "sent", "cost"),
    [
        (ConnectionError(), False, 0),
        (ConnectionError(), True, 5_000_000),
        (Unavailable("search_away", "The search is away."), True, 0),
    ],
    ids=["before it was sent", "after it was sent", "refused"],
)
async def test_a_tool_that_fails_costs_only_what_was_sent_and_worked_on(
    problem: Exception, sent: bool, cost: int, house: House, ledger: Ledger, spender: Spender
):
    async def search() -> None:
        async with metered(house, spender, SEARCH) as metering:
            metering.sent = sent
            raise problem

    budget = await ledger.budget("account", whose(spender), 12_000_000)
    with pytest.raises(type(problem)):
        await search()
    await booked(house)
    assert await ledger.windows(budget) == (cost, 0)
    (row,) = await ledger.calls(whose(spender))
    assert (row.outcome, row.cost) == ("failed", cost)


async def test_a_budget_in_tokens_that_is_overspent_refuses_no_tool(house: House, ledger: Ledger, spender: Spender):
    await ledger.budget("account", whose(spender), 60, unit="tokens")
    async with metered(house, spender, call(10, 45)) as metering:
        metering.took(90, 45)
    await booked(house)
    async with metered(house, spender, SEARCH):
        pass
    await booked(house)
    assert [row.kind for row in await ledger.calls(whose(spender))] == ["chat", "tool"]


async def test_flat_costs_and_tokens_come_together(house: House, ledger: Ledger, spender: Spender):
    budget = await ledger.budget("account", whose(spender), 150_000)
    async with metered(house, spender, replace(call(10, 45), flat=50_000)) as metering:
        assert (metering.max_output, await ledger.windows(budget)) == (45, (0, 150_000))
        metering.took(10, 20)
    await booked(house)
    assert await ledger.windows(budget) == (50_000 + 10_000 + 40_000, 0)


async def test_tools_are_in_the_totals_of_a_run_and_leave_it_its_model(house: House):
    spender = Spender(new_id(), (), new_id(), "assistant")
    assert spender.run_id is not None
    async with tallied(house, spender.run_id) as tally:
        assert (tally.here(), await tally.everywhere()) == (None, None)
        async with metered(house, spender, call()) as metering:
            metering.took(10, 3)
        async with metered(house, spender, SEARCH):
            pass
        here = tally.here()
        assert here is not None
        assert (here.calls, here.model, here.output_tokens, here.cost) == (2, "test/m", 3, 10_000 + 6_000 + 5_000_000)
        assert await tally.everywhere() == here
