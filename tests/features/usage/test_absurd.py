"""Whatever a server, a tool or an agent tells of a call: the ledger takes it, and takes all others with it."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from madang.features.usage.contracts import (
    MOST_AMOUNT,
    MOST_TOKENS,
    NOBODY,
    BudgetExhausted,
    Call,
    Price,
    Spender,
    tool_call,
)
from madang.features.usage.service.meter import booked, metered
from madang.kernel.errors import GatewayTimeout, Unavailable
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn
from tests.features.usage.conftest import Ledger, call

LIMIT = 37 * 100_000
ANYTHING = st.one_of(st.integers(-(2**70), 2**70), st.sampled_from([0, -1, 2**31, 2**63 - 1, 2**63, -(2**63)]))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(told=st.tuples(ANYTHING, ANYTHING, ANYTHING), flat=ANYTHING, price=st.sampled_from([0, 1, 10**12]))
async def test_whatever_a_call_tells_is_booked_as_something_possible(
    house: House, ledger: Ledger, told: tuple[int, int, int], flat: int, price: int
):
    spender = Spender(new_id())
    assert spender.account_id is not None
    budgets = [await ledger.budget("account", spender.account_id, MOST_AMOUNT)]
    budgets.append(await ledger.budget("account", spender.account_id, MOST_AMOUNT, unit="tokens"))
    asked = Call("chat", "m", Price(price, price), 1, 1)
    async with metered(house, spender, asked) as metering:
        metering.took(*told)
        metering.flat = flat
    await booked(house)
    (row,) = await ledger.calls(spender.account_id)
    assert row.input_tokens == min(max(told[0], 0), MOST_TOKENS)
    assert row.output_tokens == min(max(told[1], 0), MOST_TOKENS)
    assert 0 <= row.cost <= MOST_AMOUNT
    assert await ledger.windows(budgets[0]) == (row.cost, 0)
    assert await ledger.windows(budgets[1]) == (row.input_tokens + row.output_tokens, 0)


@pytest.mark.parametrize("most", [2**31, 2**63, 10**40])
async def test_an_answer_without_a_bound_is_only_granted_what_there_is(house: House, ledger: Ledger, most: int):
    spender = Spender(new_id())
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 1000, unit="tokens")
    async with metered(house, spender, call(10, most)) as metering:
        assert metering.max_output == 990
        metering.took(10, 5)
    await booked(house)
    assert await ledger.windows(budget) == (15, 0)
    with pytest.raises(BudgetExhausted):
        async with metered(house, spender, call(most, 1)):
            pytest.fail("no budget affords that")


@pytest.mark.parametrize("agent", ["a\0b", "a\ud800b"])
async def test_what_cannot_be_written_keeps_nothing_else_back(house: House, ledger: Ledger, agent: str):
    """One booking that PostgreSQL can never take: what waits with it is booked all the same."""
    spender = Spender(new_id())
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 10_000_000)
    for _ in range(9):
        async with metered(house, spender, call()) as metering:
            metering.took(10, 10)
    poison = Spender(new_id(), (), None, agent)
    async with metered(house, poison, call()) as metering:
        metering.took(1, 1)
    async with metered(house, spender, call()) as metering:
        metering.took(10, 10)
    async with asyncio.timeout(20):
        await booked(house)
    assert await ledger.windows(budget) == (300_000, 0)
    assert await ledger.calls(poison.account_id or NOBODY) == []


ASKED = (call(), Call("embedding", "e", Price(20_000), 60, 0), tool_call("web.search", 40_000))
ENDS = {
    "well": None,
    "fails": Unavailable("away", "Away."),
    "times out": GatewayTimeout("slow", "Slow."),
    "mistake": ZeroDivisionError(),
}


async def _one(house: House, spender: Spender, turn: random.Random, ends: Counter[str]) -> None:
    """A call of some kind that ends in some way, or hangs until somebody stops it."""
    asked, end = turn.choice(ASKED), turn.choice([*ENDS, "well", "hangs"])
    await asyncio.sleep(turn.random() * 0.02)
    with suppress(BudgetExhausted, Unavailable, GatewayTimeout, ZeroDivisionError):
        async with metered(house, spender, asked) as metering:
            metering.sent = turn.random() < 0.8
            ends[end] += 1
            await asyncio.sleep(3600 if end == "hangs" else turn.random() * 0.02)
            if (error := ENDS[end]) is not None:
                raise error
            metering.took(turn.randint(0, asked.input_tokens), turn.randint(0, asked.max_output or 0))


async def _meddle(house: House, turn: random.Random, changed: UUID, deleted: UUID) -> None:
    """Lower and raise a budget, and delete another, while both hold something."""
    for amount in (LIMIT // 2, 10**12, LIMIT // 3, LIMIT):
        await asyncio.sleep(turn.random() * 0.02)
        async with house.db.transaction() as tx:
            statement = text("UPDATE partner.budgets SET amount = :amount WHERE id = :id")
            await tx.execute(statement, {"amount": amount, "id": changed})
    async with house.db.transaction() as tx:
        await tx.execute(text("DELETE FROM partner.budgets WHERE id = :id"), {"id": deleted})


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_becomes_of_200_calls_under_five_budgets_nothing_is_overshot_or_lost(
    house: House, ledger: Ledger, seed: int
):
    """Answers, embeddings and tools that end well, fail, time out or are stopped, while limits come and go."""
    turn = random.Random(seed)
    school = await ledger.scope()
    class_ = await ledger.scope(school)
    spender = Spender(new_id(), (school, class_))
    assert spender.account_id is not None
    platform = await ledger.budget("platform", NOBODY, 10**12)
    tokens = await ledger.budget("scope", school, 5_000, unit="tokens", path=(school,))
    money = [
        await ledger.budget("scope", school, LIMIT, path=(school,)),
        await ledger.budget("scope", class_, 10**12, period="week", path=(school, class_)),
        await ledger.budget("account", spender.account_id, LIMIT + 50_000, period="month"),
    ]
    ends = Counter[str]()
    tasks = [spawn(_one(house, spender, turn, ends), "one") for _ in range(200)]
    await _meddle(house, turn, money[1], tokens)
    async with asyncio.timeout(60):
        while sum(not task.done() for task in tasks) > ends["hangs"]:  # noqa: ASYNC110  # all others are to end
            await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    done, _ = await asyncio.wait(tasks)
    assert not [task for task in done if not task.cancelled() and task.exception()]
    await booked(house)
    cost = sum(row.cost for row in await ledger.calls(spender.account_id))
    assert [await ledger.windows(budget) for budget in money] == [(cost, 0)] * 3
    assert (await ledger.windows(platform))[1] == 0
    assert 0 < cost <= LIMIT
    assert len(ends) == 5
