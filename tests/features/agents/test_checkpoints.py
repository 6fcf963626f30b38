"""Checkpoints: only those of use, whole, and never in the way of an answer."""

import asyncio
import random
from datetime import timedelta
from itertools import pairwise
from typing import TypedDict
from uuid import UUID

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text

from madang.adapters.opening import open_house
from madang.features.agents.public import (
    AGENT,
    AgentSpec,
    agent_of,
    forget_run,
    prepare_checkpoints,
    run_agent,
    warm_up,
)
from madang.features.agents.service.checkpoints import COLUMNS, RunSaver, Thread, open_saver, threads_of
from madang.features.agents.service.running import open_graphs
from madang.features.agents.service.tidying import forget_leftovers
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.ids import new_id
from madang.kernel.jobs import spawn
from madang.kernel.module import Module
from tests.features.agents.conftest import Remembered, turn_of


class State(TypedDict, total=False):
    notes: list[str]
    answer: str


def graph_of(*nodes):
    graph = StateGraph(State)
    for node in nodes:
        graph.add_node(node.__name__, node)
    names = [START, *[node.__name__ for node in nodes], END]
    for before, after in pairwise(names):
        graph.add_edge(before, after)
    return graph


async def gather(state: State) -> State:
    return {"notes": [*state.get("notes", []), "one"]}


async def wait(state: State) -> State:
    return {"answer": interrupt("may I?")}


async def nothing(state: State) -> State:
    return {}


async def stored(house, run_id):
    """How many checkpoints there are, by the number of the attempt that has them."""
    async with house.db.transaction() as tx:
        query = text(
            "SELECT split_part(thread_id, '/', 2)::int, count(*) FROM checkpoints.checkpoints"
            " WHERE thread_id LIKE :run GROUP BY 1"
        )
        return dict((await tx.execute(query, {"run": f"{run_id}/%"})).all())


async def test_a_run_that_waits_can_be_taken_up_by_another_process(house):
    first = await house.resource(open_saver)
    run_id = new_id()
    waiting = await first.open_thread(run_id, 1)
    await graph_of(nothing, gather, wait).compile(checkpointer=first).ainvoke({}, waiting.config)
    other = RunSaver(first.conn)
    thread = await other.open_thread(run_id, 2)
    graph = graph_of(nothing, gather, wait).compile(checkpointer=other)
    assert await graph.ainvoke(Command(resume="yes"), thread.config) == {"notes": ["one"], "answer": "yes"}
    await other.close_thread(thread, keep=False)
    assert await stored(house, run_id) == {1: 2}
    await other.forget(threads_of(run_id, 2))
    assert await stored(house, run_id) == {}


async def test_an_interrupt_writes_what_was_held_back(house):
    saver = await house.resource(open_saver)
    thread = await saver.open_thread(new_id(), 1)
    await graph_of(wait).compile(checkpointer=saver).ainvoke({}, thread.config)
    assert await stored(house, thread.run_id) == {1: 1}
    await saver.forget([thread.id])


async def test_what_no_attempt_could_use_is_not_written(house):
    saver = await house.resource(open_saver)
    thread = await saver.open_thread(new_id(), 1)
    await graph_of(nothing, gather).compile(checkpointer=saver).ainvoke({}, thread.config)
    await saver.close_thread(thread, keep=True)
    assert await stored(house, thread.run_id) == {}


@pytest.mark.parametrize("earlier", [[1], [2], [1, 2, 3], [2, 10]])
async def test_an_attempt_begins_with_a_copy_of_the_latest_before_it(house, earlier):
    saver = await house.resource(open_saver)
    run_id = new_id()
    graph = graph_of(gather, wait).compile(checkpointer=saver)
    for attempt in earlier:
        await graph.ainvoke({"notes": [str(attempt)]}, Thread(run_id, attempt).config)
    before = await stored(house, run_id)
    mine = await saver.open_thread(run_id, 11)
    assert await stored(house, run_id) == {**before, 11: before[earlier[-1]]}
    await saver.forget(threads_of(run_id, 10))
    answer = await graph.ainvoke(Command(resume="yes"), mine.config)
    assert answer == {"notes": [str(earlier[-1]), "one"], "answer": "yes"}
    await saver.close_thread(mine, keep=False)
    assert await stored(house, run_id) == {}


async def test_a_copy_has_every_column(house):
    async with house.db.transaction() as tx:
        query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'checkpoints'"
        there = {tuple(row) for row in (await tx.execute(text(query))).all() if row.table_name in COLUMNS}
    ours = {(table, column) for table, columns in COLUMNS.items() for column in ("thread_id", *columns)}
    assert there == ours


async def test_a_run_goes_on_while_the_database_is_away():
    pool = AsyncConnectionPool("postgresql://x@127.0.0.1:1/x", min_size=0, max_size=1, open=False, timeout=0.2)
    async with pool:
        saver = RunSaver(pool)
        thread = await saver.open_thread(new_id(), 1)
        graph = graph_of(gather, gather_more).compile(checkpointer=saver)
        assert await graph.ainvoke({}, thread.config) == {"notes": ["one", "two"]}
        await saver.close_thread(thread, keep=False)


async def gather_more(state: State) -> State:
    return {"notes": [*state["notes"], "two"]}


async def test_leftovers_of_last_week_are_forgotten(house):
    saver = await house.resource(open_saver)
    old = now() - timedelta(days=8)
    milliseconds = f"{int(old.timestamp() * 1000):012x}"
    runs = [UUID(f"{milliseconds[:8]}-{milliseconds[8:]}-7000-8000-000000000000"), new_id()]
    for run_id in runs:
        thread = await saver.open_thread(run_id, 1)
        await graph_of(gather, nothing).compile(checkpointer=saver).ainvoke({}, thread.config)
        await saver.close_thread(thread, keep=True)
    await forget_leftovers(house)
    assert [await stored(house, run_id) for run_id in runs] == [{}, {1: 1}]
    await saver.forget(threads_of(runs[1], 1))


async def test_preparing_again_changes_nothing(house, house_settings):
    await prepare_checkpoints(house_settings.owner_url)


class Parrots(Module):
    name = "parrots"

    def offers(self):
        return (AGENT.offer(AgentSpec("parrot", "Parrot", build_parrot)),)


def build_parrot(checkpointer):
    async def speak(state: State, runtime) -> State:
        runtime.context.emit.delta(runtime.context.turn.messages[-1].content)
        return {}

    return graph_of(speak).compile(checkpointer=checkpointer)


@pytest.mark.parametrize("attempt", [1, 2])
async def test_anybody_can_offer_an_agent(house_settings, emit, attempt):
    async with open_house(house_settings, [Parrots()], "test", deliver=lambda _: None) as house:
        await warm_up(house)
        assert agent_of(house, "parrot").title == "Parrot"
        turn = turn_of(Principal(new_id()), "echo?", agent="parrot")
        assert (await run_agent(house, turn, emit, attempt)).text == "echo?"


class Talkers(Module):
    """An agent that answers what begins with "hi" at once, and has a graph for the rest."""

    name = "talkers"

    def offers(self):
        return (AGENT.offer(AgentSpec("talker", "Talker", build_parrot, self.at_once)),)

    async def at_once(self, context):
        if not context.turn.messages[-1].content.startswith("hi"):
            return False
        context.emit.delta("hello")
        return True


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize(("question", "answer"), [("hi there", "hello"), ("echo?", "echo?")])
async def test_an_agent_may_answer_at_once_what_needs_no_graph(house_settings, emit, question, answer, attempt):
    async with open_house(house_settings, [Talkers()], "test", deliver=lambda _: None) as house:
        turn = turn_of(Principal(new_id()), question, agent="talker")
        assert (await run_agent(house, turn, emit, attempt)).text == answer
        needs_graphs = attempt > 1 or answer != "hello"
        assert house.has_opened(open_graphs) is needs_graphs
        await forget_run(house, turn.run_id, attempt)
        assert house.has_opened(open_graphs) is needs_graphs


class Sleepers(Module):
    """An agent that thinks, then says what it thought; how long each of it takes, the dice know."""

    name = "sleepers"

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def offers(self):
        return (AGENT.offer(AgentSpec("sleeper", "Sleeper", self.build)),)

    def build(self, checkpointer):
        async def think(state: State) -> State:
            await self.sleep()
            return {"notes": ["thought"]}

        async def say(state: State, runtime) -> State:
            for word in (*state["notes"], "said"):
                await self.sleep()
                runtime.context.emit.delta(f"{word} ")
            return {}

        async def think_back(state: State) -> State:
            await self.sleep()
            return {"answer": "said"}

        return graph_of(think, say, think_back).compile(checkpointer=checkpointer)

    async def sleep(self):
        await asyncio.sleep(self.dice.choice([0, 0, 0.001, 0.01, 0.03]))


@pytest.mark.parametrize("seed", range(12))
async def test_attempts_that_sleep_and_wake_up_never_disturb_the_ones_after_them(house_settings, seed):
    """Two processes take turns with one run, and no attempt ever ends before the next begins."""
    sleepers = Sleepers(seed)
    async with (
        open_house(house_settings, [sleepers], "one", deliver=lambda _: None) as one,
        open_house(house_settings, [sleepers], "two", deliver=lambda _: None) as two,
    ):
        turn = turn_of(Principal(new_id()), "?", agent="sleeper")
        attempts = []
        for attempt in range(1, 13):
            house = sleepers.dice.choice([one, two])
            attempts.append(spawn(run_agent(house, turn, Remembered(), attempt), f"attempt {attempt}"))
            await sleepers.sleep()
        for outcome in await asyncio.gather(*attempts):
            assert outcome.text == "thought said "
