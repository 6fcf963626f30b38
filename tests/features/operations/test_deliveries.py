"""`madang deliveries`: what fails in the background is listed, tried again and dropped by whoever runs the server."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

from madang.cli import main
from madang.features.operations.service.metrics import metrics
from madang.kernel import settings
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.jobs import Job, JobKind
from madang.kernel.settings import Settings
from tests.kernel.conftest import Workshop, open_workshop


@dataclass(frozen=True)
class Letter:
    to: str


LETTER = JobKind("test.letter", Letter)


class Post:
    """A job that fails for whom it is told."""

    def __init__(self) -> None:
        self.refused = {"nobody", "no-one"}
        self.sent: list[str] = []

    async def handle(self, _house: House, letter: Letter) -> None:
        if letter.to in self.refused:
            raise RuntimeError("there is no such house")
        self.sent.append(letter.to)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
async def shop(house_settings: Settings, post: Post) -> AsyncIterator[Workshop]:
    """Two letters are set aside, one waits for its next try, one is sent."""
    async with open_workshop(house_settings, [Job(LETTER, post.handle, max_attempts=2)]) as shop:
        async with shop.house.db.transaction() as tx:
            for to in ("nobody", "no-one", "somebody"):
                await tx.enqueue(LETTER, Letter(to))
        await shop.settled()
        await shop.swept()
        async with shop.house.db.transaction() as tx:
            await tx.enqueue(LETTER, Letter("nobody"))
        await shop.settled()
        assert post.sent == ["somebody"]
        yield shop


@pytest.fixture
def run(house_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in the tests' house, beside the loop of the test."""
    monkeypatch.setattr(settings, "load", lambda: house_settings)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, ["deliveries", *words])

    return run


async def listed(run: Any, *words: str) -> list[dict[str, Any]]:
    done = await run("list", "--json", *words)
    assert done.exit_code == 0, done.output
    return list(json.loads(done.output))


async def test_what_fails_is_listed_with_its_reason_and_without_what_it_carries(shop: Workshop, run: Any):
    found = await listed(run)
    assert [(one["attempts"], one["dead_at"] is not None) for one in found] == [(2, True), (2, True), (1, False)]
    assert {one["last_error"] for one in found} == {"RuntimeError: there is no such house"}
    assert await listed(run, "--set-aside") == found[:2]
    said = (await run("list")).output
    assert said.count("test.letter (job)  tried") == 3
    assert said.count("set aside ") == 2
    assert "nobody" not in said + json.dumps(found)


async def test_they_are_counted_for_the_one_who_watches(shop: Workshop):
    told = (await metrics(shop.house)).decode().splitlines()
    assert [line for line in told if line.startswith("madang_outbox_")] == [
        "madang_outbox_waiting 1.0",
        "madang_outbox_failing 1.0",
        "madang_outbox_dead 2.0",
    ]


async def test_what_was_set_aside_is_tried_again_with_all_its_attempts(shop: Workshop, post: Post, run: Any):
    first, second, waiting = (one["id"] for one in await listed(run))
    done = await run("retry", first, waiting)
    assert (done.exit_code, done.output) == (0, "2 will be tried again within seconds.\n")
    assert await shop.swept() == 2
    assert [one["attempts"] for one in await listed(run)] == [1, 2, 1]
    post.refused.clear()
    assert json.loads((await run("retry", "--all", "--json")).output) == {"retried": 1}
    await shop.swept()
    assert sorted(post.sent) == ["no-one", "nobody", "nobody", "somebody"]
    assert await shop.outbox() == []
    assert (await run("list")).output == "Nothing fails.\n"
    deeds = await shop.sql(
        "SELECT details FROM supervisor.audit WHERE action = 'operations.delivery_retried' AND target_id = :id",
        id=second,
    )
    assert deeds == [{"details": {"name": "test.letter"}}]


async def test_only_what_was_set_aside_is_dropped_and_all_or_nothing(shop: Workshop, run: Any):
    first, second, waiting = (one["id"] for one in await listed(run))
    refused = await run("drop", first, waiting)
    assert refused.exit_code == 1
    assert waiting in refused.output
    assert len(await shop.outbox()) == 3
    assert (await run("drop", first, second)).output == "Dropped: 2.\n"
    assert [str(row["id"]) for row in await shop.outbox()] == [waiting]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("retry",), 2),
        (("retry", "--all", str(new_id())), 2),
        (("retry", str(new_id())), 1),
        (("drop",), 2),
        (("drop", str(new_id())), 1),
        (("drop", "everything"), 2),
    ],
)
async def test_a_slip_changes_nothing(shop: Workshop, run: Any, words: tuple[str, ...], code: int):
    before = await shop.outbox()
    assert (await run(*words)).exit_code == code
    assert await shop.outbox() == before


async def test_what_a_worker_has_in_hand_is_not_given_to_another(shop: Workshop, run: Any):
    *_, waiting = (one["id"] for one in await listed(run))
    await shop.sql(
        "UPDATE supervisor.outbox SET claimed_until = now() + interval '1 minute' WHERE id = :id", id=waiting
    )
    assert (await run("retry", waiting)).exit_code == 1
