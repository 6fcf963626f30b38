"""Many at once: a budget never gives more than it has, whoever dies, and the ledger adds up to the last billionth."""

import asyncio
import json
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import text

from madang.features.usage.contracts import NOBODY, BudgetExhausted, Call, Price, Spender
from madang.features.usage.service import ledger as books
from madang.features.usage.service.meter import booked, metered
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.usage.conftest import Ledger, call

AFFORDS = 37
COST = 100_000


async def _spent(house: House, account_id: UUID) -> int:
    async with house.db.transaction() as tx:
        statement = text("SELECT coalesce(sum(cost), 0)::bigint FROM partner.usage WHERE account_id = :id")
        return int((await tx.execute(statement, {"id": account_id})).scalar_one())


@pytest.mark.parametrize("seed", range(8))
async def test_of_200_calls_at_once_exactly_those_pass_that_the_budget_affords(house: House, ledger: Ledger, seed: int):
    turn = random.Random(seed)
    spender = Spender(new_id(), (await ledger.scope(),))
    assert spender.account_id is not None
    budget = await ledger.budget("scope", spender.scope_path[0], AFFORDS * COST + COST - 1, path=spender.scope_path)
    loose = await ledger.budget("account", spender.account_id, 10**12, period="month")
    passed = 0

    async def one() -> None:
        nonlocal passed
        await asyncio.sleep(turn.random() * 0.01)
        try:
            async with metered(house, spender, call()) as metering:
                passed += 1
                await asyncio.sleep(turn.random() * 0.01)
                metering.took(10, 45)
        except BudgetExhausted:
            pass

    async with asyncio.TaskGroup() as calls:
        for _ in range(200):
            calls.create_task(one())
    await booked(house)
    assert passed == AFFORDS
    assert await ledger.windows(budget) == await ledger.windows(loose) == (AFFORDS * COST, 0)
    assert await _spent(house, spender.account_id) == AFFORDS * COST


async def _start(house: House, **order: object) -> Process:
    settings = house.settings
    urls = {
        "database_url": settings.database_url.get_secret_value(),
        "valkey_url": settings.valkey_url.get_secret_value(),
        "secret_key": settings.secret_key.get_secret_value(),
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.features.usage.hammer", stdin=PIPE, stdout=PIPE
    )
    assert started.stdin is not None
    assert started.stdout is not None
    started.stdin.write(json.dumps({**urls, **order}).encode() + b"\n")
    assert await started.stdout.readline() == b"ready\n"
    return started


async def _results(processes: Sequence[Process]) -> int:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
    said = await asyncio.gather(*(process.communicate() for process in processes))
    return sum(output.count(b"passed") for output, _ in said)


@pytest.mark.parametrize("seed", range(3))
async def test_of_four_processes_two_are_killed_while_they_hold_money_and_still_no_more_pass(
    house: House, ledger: Ledger, seed: int
):
    account_id, school = new_id(), await ledger.scope()
    budget = await ledger.budget("scope", school, AFFORDS * COST, path=(school,))
    month = await ledger.budget("account", account_id, 10**12, period="month")
    shared = {"account": str(account_id), "path": [str(school)], "calls": 50}
    processes = [
        await _start(
            house, **shared, seed=seed * 10 + at, die_after=random.Random(seed + at).randint(1, 6) if at < 2 else 0
        )
        for at in range(4)
    ]
    passed = await _results(processes)
    assert [process.returncode for process in processes] == [-9, -9, 0, 0]
    spent, reserved = await ledger.windows(budget)
    assert spent + reserved == AFFORDS * COST
    assert reserved > 0
    await ledger.expire(account_id)
    await books.book_expired(house)
    assert await ledger.windows(budget) == await ledger.windows(month) == (AFFORDS * COST, 0)
    assert await _spent(house, account_id) == AFFORDS * COST
    # A process may be killed after a reservation was committed and before it could say that it passed.
    assert passed <= AFFORDS
    rows = await ledger.calls(account_id)
    assert len(rows) == AFFORDS
    assert {row.outcome for row in rows} == {"ok", "lost"}
    with pytest.raises(BudgetExhausted):
        async with metered(house, Spender(account_id, (school,)), call()):
            pytest.fail("all of it is spent")


_TOTALS = text("""
    SELECT b.id, (SELECT coalesce(sum(w.spent), 0) FROM partner.budget_windows w WHERE w.budget_id = b.id),
        (SELECT coalesce(sum(CASE b.unit WHEN 'money' THEN u.cost ELSE u.input_tokens + u.output_tokens END), 0)
         FROM partner.usage u
         WHERE u.created_at >= b.since AND b.subject_id = ANY (partner.subjects_of(u.account_id, u.scope_path)))
    FROM partner.budgets b WHERE b.id = ANY (:ids)
""")


async def _agree(house: House, budgets: Sequence[UUID]) -> None:
    """Each budget's windows hold what the calls that it binds cost together."""
    async with house.db.transaction() as tx:
        rows = (await tx.execute(_TOTALS, {"ids": budgets})).all()
    assert len(rows) == len(budgets)
    for _, windows, calls in rows:
        assert windows == calls


async def _gap(house: House, budget: UUID) -> int:
    """What a budget's windows hold beyond its calls: rows that other tests plant are in no window of the platform's."""
    async with house.db.transaction() as tx:
        _, windows, calls = (await tx.execute(_TOTALS, {"ids": [budget]})).one()
    return int(windows - calls)


async def _meddle(house: House, ledger: Ledger, turn: random.Random, accounts: Sequence[UUID]) -> None:
    """Make and delete budgets of the accounts."""
    for _ in range(15):
        extra = await ledger.budget("account", turn.choice(accounts), 10**12, unit="tokens")
        await asyncio.sleep(turn.random() * 0.03)
        async with house.db.transaction() as tx:
            await tx.execute(text("DELETE FROM partner.budgets WHERE id = :id"), {"id": extra})


async def test_chains_that_overlap_crosswise_never_lock_each_other_out(house: House, ledger: Ledger):
    """Budgets made in every order, calls booked in every mixture: PostgreSQL must never find a deadlock."""
    turn = random.Random(7)
    schools = [await ledger.scope() for _ in range(3)]
    classes = {school: [await ledger.scope(school) for _ in range(2)] for school in schools}
    accounts = [new_id() for _ in range(4)]
    platform = await ledger.budget("platform", NOBODY, 10**15, unit="tokens")
    gap = await _gap(house, platform)
    budgets: list[UUID] = []
    wanted = [("account", one, ()) for one in accounts]
    wanted += [("scope", one, (one,)) for one in schools]
    wanted += [("scope", one, (school, one)) for school in schools for one in classes[school]]
    turn.shuffle(wanted)
    for kind, subject, path in wanted:
        period = turn.choice(["day", "week", "month", "total"])
        budgets.append(await ledger.budget(kind, subject, 10**12, period=period, path=path))  # type: ignore[arg-type]  # chosen from the literals

    async def one() -> None:
        school = turn.choice(schools)
        spender = Spender(turn.choice(accounts), (school, turn.choice(classes[school])))
        async with metered(house, spender, call(turn.randint(1, 50), turn.randint(1, 50))) as metering:
            await asyncio.sleep(turn.random() * 0.03)
            metering.took(turn.randint(0, 50), turn.randint(0, 50))

    async with asyncio.TaskGroup() as work:
        work.create_task(_meddle(house, ledger, turn, accounts))
        for _ in range(300):
            work.create_task(one())
    await booked(house)
    for budget in (platform, *budgets):
        assert (await ledger.windows(budget))[1] == 0
    await _agree(house, budgets)
    assert await _gap(house, platform) == gap
    async with house.db.transaction() as tx:
        deadlocks = await tx.scalar(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
    assert deadlocks == 0


async def test_embeddings_are_bound_by_their_input(house: House, ledger: Ledger, spender: Spender):
    assert spender.account_id is not None
    await ledger.budget("account", spender.account_id, 100, unit="tokens")
    embedding = Call("embedding", "m", Price(20_000), 60, 0)
    async with metered(house, spender, embedding) as metering:
        assert metering.max_output == 0
        with pytest.raises(BudgetExhausted):
            async with metered(house, spender, embedding):
                pytest.fail("40 are left")
