"""Budgets through seeded histories; `./dev bench ledger` plays ten thousand."""

import pytest

from madang.kernel.house import House
from tests.features.usage.conftest import Ledger, only
from tests.features.usage.histories import Totals, play

HISTORIES = 200


async def test_no_history_overdraws_a_budget_and_every_ledger_ends_true(
    house: House, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    only(monkeypatch, budget_step_tokens=64, budget_least_answer_tokens=16)
    totals = Totals()
    for seed in range(HISTORIES):
        await play(house, seed, totals)
    assert totals.late_words > HISTORIES / 4
    assert totals.refused > HISTORIES / 2
    assert totals.granted >= 0.9 * totals.fitted
