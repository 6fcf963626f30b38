"""`madang usage` and `madang budgets`, as whoever runs the server types them."""

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from madang.cli import main
from madang.features.usage.contracts import Spender
from madang.features.usage.service.meter import booked, metered
from madang.kernel import settings
from madang.kernel.house import House
from madang.kernel.settings import Settings
from tests.features.usage.conftest import Ledger, call
from tests.features.usage.test_api import person


@pytest.fixture
def run(house_settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """Run a command in the tests' house, beside the loop of the test."""
    monkeypatch.setattr(settings, "load", lambda: house_settings)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, list(words))

    return run


async def test_a_budget_is_made_changed_and_listed(house: House, ledger: Ledger, run: Any):
    somebody = await person(house)
    address = f"{somebody}@example.org"
    made = await run("budgets", "set", address, "--limit", "12.50", "--json")
    assert made.exit_code == 0, made.output
    first = json.loads(made.output)
    assert (first["amount"], first["period"], first["subject_kind"]) == (12_500_000_000, "month", "account")
    changed = await run("budgets", "set", address, "--limit", "20")
    assert changed.output == "20.00 USD a month, 0.00 USD of it spent.\n"
    listed = json.loads((await run("budgets", "list", "--json")).output)
    assert [one["amount"] for one in listed if one["budget_id"] == first["budget_id"]] == [20_000_000_000]
    scope = str(await ledger.scope())
    endless = await run("budgets", "set", scope, "--limit", "500", "--unit", "tokens", "--window", "total")
    assert (endless.exit_code, "500 tokens in total" in endless.output) == (0, True), endless.output
    assert f"scope {scope}" in (await run("budgets", "list")).output
    async with house.db.transaction() as tx:
        deeds = text("SELECT count(*) FROM supervisor.audit WHERE action LIKE 'usage.budget%' AND actor_id IS NULL")
        assert (await tx.execute(deeds)).scalar_one() >= 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody@nowhere.example", "--limit", "1"), "There is no account"),
        (("7", "--limit", "1"), "Name `platform`"),
        (("01890000-0000-7000-8000-000000000000", "--limit", "1"), "no such organisation"),
        (("platform", "--limit", "nan"), "--limit"),
        (("platform", "--limit", "-1"), "--limit"),
        (("platform", "--limit", "1.5", "--unit", "tokens"), "--limit"),
    ],
)
async def test_what_cannot_be_set_is_said(run: Any, words: tuple[str, ...], said: str):
    refused = await run("budgets", "set", *words)
    assert refused.exit_code != 0
    assert said in refused.output


async def test_what_was_spent_is_told_by_model_and_organisation(house: House, ledger: Ledger, run: Any):
    somebody, school = await person(house, "Mina"), await ledger.scope()
    async with metered(house, Spender(somebody, (school,)), call(model="test/only-here")) as metering:
        metering.took(10, 45)
    await booked(house)
    told = json.loads((await run("usage", "--json")).output)
    assert {"key": "test/only-here", "label": "test/only-here"}.items() <= next(
        one for one in told["groups"]["model"] if one["key"] == "test/only-here"
    ).items()
    assert next(one for one in told["groups"]["scope"] if one["key"] == str(school))["cost"] == 100_000
    table = await run("usage", "--by", "account")
    assert "Mina" in table.output
    assert table.output.rstrip().endswith("USD")
