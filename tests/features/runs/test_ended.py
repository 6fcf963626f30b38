"""What is left of a run: its readers lose nothing when its log leaves Valkey, and it grows small with age."""

import asyncio
import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters import valkey_streams
from madang.features.runs.contracts import SAID, TAKEN_BACK
from madang.features.runs.service import desk
from madang.features.runs.service.compacting import compact
from madang.features.runs.service.packing import compacted, pack, said, unpack
from madang.kernel.db import in_seconds
from madang.kernel.house import House
from madang.kernel.streams import Event
from tests.features.providers.conftest import Configure
from tests.features.runs.conftest import Asked, ask
from tests.live import eventually

DELTA = b"message.delta"


@pytest.mark.parametrize("seed", range(4))
async def test_readers_at_every_place_lose_nothing_when_the_log_is_dropped_at_any_moment_after_the_end(
    house: House, configure: Configure, soon: None, seed: int
) -> None:
    dice = random.Random(seed)
    asked = await ask(house, "openai/bench?tokens=60&rate=200")
    seen: list[Event] = []
    first = asyncio.get_running_loop().create_task(asked.read(seen=seen))
    performing = asked.performing()
    await asked.heard(seen, DELTA, 2)
    cursors = [dice.randrange(len(seen) + 1) for _ in range(6)]
    readers = [asyncio.get_running_loop().create_task(asked.read(after)) for after in cursors]
    await asyncio.wait_for(performing, 30)
    await asyncio.sleep(dice.choice((0, 0, 0.01, 0.05)))
    await house.valkey.unlink(*house.streams._keys(str(asked.run_id)))
    late = [asyncio.get_running_loop().create_task(asked.read(after)) for after in cursors]
    whole = await asyncio.wait_for(first, 30)
    assert [event.seq for event in whole] == [*range(1, len(whole) + 1)]
    for after, reader in zip([*cursors, *cursors], [*readers, *late], strict=True):
        assert await asyncio.wait_for(reader, 30) == whole[after:]


async def test_an_ended_log_leaves_valkey_soon_and_its_fence_a_little_later(
    asked: Asked, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_streams, "RETIRE_GAP_SECONDS", 0.01)
    await asyncio.wait_for(asked.perform(), 30)
    stream, head = house.streams._keys(str(asked.run_id))

    async def ends() -> bool:
        return 0 < await house.valkey.ttl(stream) <= house.settings.stream_linger_seconds

    await eventually(ends)
    assert await house.valkey.ttl(head) > house.settings.stream_linger_seconds
    assert (await asked.run()).request == {}


async def test_an_old_run_is_kept_once_and_told_from_there(house: House, configure: Configure) -> None:
    asked = await ask(house, "openai/bench?tokens=40&rate=100")
    await asyncio.wait_for(asked.perform(), 30)
    before = await asked.run()
    async with house.db.transaction() as tx:
        told = (await desk.results(tx, [asked.run_id]))[asked.run_id]
    await compact(house)
    assert (await asked.run()).text == before.text, "it is not old yet"
    await asked.change(finished_at=in_seconds(-8 * 86_400))
    await compact(house)
    after = await asked.run()
    assert after.text is None
    assert after.log is not None
    assert before.log is not None
    assert len(after.log) < len(before.log)
    async with house.db.transaction() as tx:
        again = (await desk.results(tx, [asked.run_id]))[asked.run_id]
    assert (again.text, again.citations, again.usage) == (told.text, told.citations, told.usage)
    seen = await asked.read()
    assert [event.type for event in seen].count(DELTA) == 1
    assert seen[-1].type == b"run.finished"
    assert await asked.read(after=10_000) == seen[-1:]


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
MOMENTS = st.lists(st.one_of(WORDS, st.just(None), st.integers(0, 40)), max_size=40)


@given(MOMENTS)
def test_a_compacted_log_says_what_readers_of_the_whole_one_see(moments: list[str | int | None]) -> None:
    """A word is said, a step begins, or all since an event is taken back."""
    events: list[Event] = [Event(1, b"run.queued", b"{}")]
    for moment in moments:
        seq = len(events) + 1
        if moment is None:
            events.append(Event(seq, b"step.started", b'{"name":"answer"}'))
        elif isinstance(moment, int):
            events.append(Event(seq, TAKEN_BACK, msgspec.json.encode({"from_seq": min(moment + 1, seq)})))
        else:
            events.append(Event(seq, DELTA, msgspec.json.encode({"text": moment})))
    shown: list[Event] = []
    for event in events:
        if event.type == TAKEN_BACK:
            since = msgspec.json.decode(event.data)["from_seq"]
            shown = [one for one in shown if one.seq < since or one.type not in SAID]
        else:
            shown.append(event)
    wanted = "".join(msgspec.json.decode(one.data)["text"] for one in shown if one.type == DELTA)
    small = compacted(pack(events))
    assert said(small) == wanted
    kinds = [event.type for event in unpack(small)]
    assert kinds.count(b"step.started") == moments.count(None)
    assert not any(pair == (DELTA, DELTA) for pair in pairwise(kinds))
    assert compacted(small) == small
