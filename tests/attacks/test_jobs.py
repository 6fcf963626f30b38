"""Jobs and reactions are given ids of the victim's together with an attacker's: nothing of the victim's changes."""

from uuid import UUID

import pytest

from madang.catalog import installed
from madang.kernel.db import Delivery
from madang.kernel.ids import new_id
from tests.attacks.cast import STRANGERS, Cast
from tests.attacks.planting import traces
from tests.attacks.table import JOBS, REACTIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL_JOBS = {job.kind.name: job for module in installed() for job in module.jobs()}
ALL_REACTIONS = [reaction for module in installed() for reaction in module.reactions()]


async def test_every_job_and_every_event_is_in_the_table() -> None:
    for what, known, there in (
        ("JOBS", set(JOBS), set(ALL_JOBS)),
        ("REACTIONS", set(REACTIONS), {one.event.name for one in ALL_REACTIONS}),
    ):
        assert known == there, (
            f"{what} in tests/attacks/table.py: add {sorted(there - known)}, remove {sorted(known - there)}. An entry"
            " makes the payload that names the victim's things beside the attacker's account."
        )


async def state(cast: Cast) -> dict[str, str | None]:
    async with cast.house.db.transaction() as tx:
        return await traces(tx, cast.tables, cast.ids)


@pytest.mark.parametrize("name", sorted(ALL_JOBS))
async def test_no_job_touches_what_is_the_victims(name: str, cast: Cast) -> None:
    before = await state(cast)
    for attacker in STRANGERS:
        payload = JOBS[name](cast.things, cast.accounts[attacker])
        job = ALL_JOBS[name]
        delivery = (Delivery(new_id(), "job", name, {}, None),) if job.self_leased else ()
        await job.handler(cast.house, payload, *delivery)
    assert await state(cast) == before
    assert await cast.house.storage.exists(cast.things["user.files"]["key"])


@pytest.mark.parametrize("name", sorted({one.event.name for one in ALL_REACTIONS}))
async def test_no_reaction_touches_what_is_the_victims(name: str, cast: Cast) -> None:
    before = await state(cast)
    stranger: UUID = new_id()
    event = REACTIONS[name](cast.things, stranger)
    for reaction in ALL_REACTIONS:
        if reaction.event.name == name:
            async with cast.house.db.transaction() as tx:
                await reaction.handler(cast.house, tx, event)
    assert await state(cast) == before
