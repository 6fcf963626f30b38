"""One takes along what one spent, and nothing of what others did."""

import io
import json
from uuid import UUID
from zipfile import ZipFile

import pytest

from madang.features.accounts.service import registration
from madang.features.accounts.service.export import archive
from madang.features.usage.contracts import Spender
from madang.features.usage.service import export
from madang.features.usage.service.meter import booked, metered
from madang.kernel.auth import Principal
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.usage.conftest import Ledger, call


async def _call(house: House, spender: Spender, model: str = "test/m") -> None:
    async with metered(house, spender, call(model=model)) as metering:
        metering.took(10, 3, 4)


async def _exported(house: House, account_id: UUID) -> dict[str, list[dict[str, object]]]:
    files = {}
    async for file in export.export(house, Principal(account_id)):
        lines = b"".join([piece async for piece in file.content]).splitlines()
        files[file.path] = [json.loads(line) for line in lines]
    return files


async def test_every_call_and_every_day_of_ones_own_whatever_the_page(
    house: House, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(export, "PAGE", 2)
    school, account, run_id = await ledger.scope(), new_id(), new_id()
    mine = [Spender(account, (), run_id, "assistant"), Spender(account, (school,), None, None)]
    for number in range(5):
        await _call(house, mine[number % 2], f"test/{number}")
    await _call(house, Spender(new_id(), (school,)))
    await booked(house)
    found = await _exported(house, account)
    calls, days = found["usage/calls.jsonl"], found["usage/days.jsonl"]
    assert [one["model"] for one in calls] == [f"test/{number}" for number in range(5)]
    assert sorted(str(one["model"]) for one in days) == [f"test/{number}" for number in range(5)]
    (row, *_) = await ledger.calls(account)
    assert calls[0] == {
        "id": str(row.id),
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "kind": "chat",
        "model": "test/0",
        "agent": "assistant",
        "run_id": str(run_id),
        "scope_path": [],
        "outcome": "ok",
        "input_tokens": 10,
        "cached_tokens": 4,
        "output_tokens": 3,
        "cost": 6 * 1000 + 4 * 500 + 3 * 2000,
        "latency_ms": row.latency_ms,
        "currency": "USD",
    }
    assert calls[1]["scope_path"] == [str(school)]
    assert {one["calls"] for one in days} == {1}


async def test_who_spent_nothing_takes_empty_files_along(house: House):
    assert await _exported(house, new_id()) == {"usage/days.jsonl": [], "usage/calls.jsonl": []}


async def test_it_is_in_the_archive_of_everything(house: House):
    account = await registration.create_supervisor(house, f"{new_id().hex}@example.org", "", "courtyard rain 7")
    await _call(house, Spender(account.id))
    await booked(house)
    packed = b"".join([piece async for piece in archive(house, Principal(account.id))])
    with ZipFile(io.BytesIO(packed)) as found:
        (told,) = found.read("usage/calls.jsonl").splitlines()
    assert json.loads(told)["output_tokens"] == 3
