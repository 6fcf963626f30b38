"""Reservations that grow: budgets pay for what fits, and an answer that meets the end of one is cut there."""

import asyncio

import pytest

from madang.features.usage.contracts import BudgetExhausted, Call, Spender
from madang.features.usage.service.budgets import require_budget
from madang.features.usage.service.meter import booked, metered
from madang.features.usage.settings import load
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.usage.conftest import CHEAP, Ledger, call, only

ANSWER = 210
ASKED = Call("chat", "m", CHEAP, 10)


async def test_200_questions_at_once_are_answered_as_far_as_the_budget_goes_and_never_beyond(
    house: House, ledger: Ledger
):
    spender = Spender(new_id())
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 20_000, unit="tokens")
    finished = 0

    async def ask() -> None:
        nonlocal finished
        try:
            async with metered(house, spender, ASKED) as metering:
                for written in range(20, ANSWER - 9, 20):
                    await asyncio.sleep(0.002)
                    metering.took(10, written)
                    if not await metering.affords(written):
                        return
                finished += 1
        except BudgetExhausted:
            pass

    async with asyncio.TaskGroup() as tasks:
        for _ in range(200):
            tasks.create_task(ask())
    await booked(house)
    spent, reserved = await ledger.windows(budget)
    assert finished >= 85
    assert spent <= 20_000
    assert reserved == 0


async def test_an_answer_grows_past_its_first_step_and_is_cut_off_where_the_budget_ends(
    house: House, ledger: Ledger, spender: Spender
):
    assert spender.account_id is not None
    budget = await ledger.budget("account", spender.account_id, 1_500, unit="tokens")
    other = await ledger.budget("account", spender.account_id, 10**12)
    written = 0
    async with metered(house, spender, ASKED) as metering:
        assert metering.max_output == 1_490
        while True:
            written += 10
            metering.took(10, written)
            if not await metering.affords(written):
                break
    await booked(house)
    (row,) = await ledger.calls(spender.account_id)
    assert row.outcome == "cut_off"
    assert 1_400 < row.output_tokens <= 1_500
    assert await ledger.windows(budget) == (10 + written, 0)
    assert await ledger.windows(other) == (row.cost, 0)


async def test_what_others_hold_is_waited_for_and_what_nobody_can_pay_is_refused_at_once(
    house: House, ledger: Ledger, spender: Spender, monkeypatch: pytest.MonkeyPatch
):
    assert spender.account_id is not None
    await ledger.budget("account", spender.account_id, 150_000)
    began = asyncio.Event()

    async def hold() -> None:
        async with metered(house, spender, call()) as metering:
            began.set()
            await asyncio.sleep(0.05)
            metering.took(1, 1)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hold())
        await began.wait()
        async with house.db.transaction() as tx:  # what is only held does not refuse a question
            await require_budget(house, tx, spender, lambda: None)
        async with metered(house, spender, call()) as metering:
            metering.took(10, 45)
    await booked(house)
    only(monkeypatch, budget_wait_seconds=load().budget_wait_seconds * 100)
    async with asyncio.timeout(5):
        with pytest.raises(BudgetExhausted):
            async with metered(house, spender, call()):
                pytest.fail("47,000 are left, and nobody holds any")
