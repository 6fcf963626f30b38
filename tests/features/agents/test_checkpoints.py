"""Checkpoints: only those of use, whole, and never in the way of an answer."""

from datetime import timedelta
from itertools import pairwise
from typing import TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text

from madang.features.agents.public import AGENT, AgentSpec, agent_of, prepare_checkpoints, run_agent, warm_up
from madang.features.agents.service.checkpoints import RunSaver, open_saver
from madang.features.agents.service.tidying import forget_leftovers
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.house import open_house
from madang.kernel.ids import new_id
from madang.kernel.module import Module
from tests.features.agents.conftest import turn_of


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


async def stored(house, thread):
    async with house.db.transaction() as tx:
        query = text("SELECT count(*) FROM checkpoints.checkpoints WHERE thread_id = :thread")
        return await tx.scalar(query, {"thread": thread})


def config_of(thread):
    return {"configurable": {"thread_id": thread}}


async def test_a_run_that_waits_can_be_taken_up_by_another_process(house):
    first = await house.resource(open_saver)
    thread = str(new_id())
    first.open_thread(thread, resume=False)
    await graph_of(nothing, gather, wait).compile(checkpointer=first).ainvoke({}, config_of(thread))
    other = RunSaver(first.conn)
    other.open_thread(thread, resume=True)
    graph = graph_of(nothing, gather, wait).compile(checkpointer=other)
    assert await graph.ainvoke(Command(resume="yes"), config_of(thread)) == {"notes": ["one"], "answer": "yes"}
    await other.close_thread(thread, keep=False)
    assert await stored(house, thread) == 0


async def test_an_interrupt_writes_what_was_held_back(house):
    saver = await house.resource(open_saver)
    thread = str(new_id())
    saver.open_thread(thread, resume=False)
    await graph_of(wait).compile(checkpointer=saver).ainvoke({}, config_of(thread))
    assert await stored(house, thread) == 1
    await saver.forget(thread)


async def test_what_no_attempt_could_use_is_not_written(house):
    saver = await house.resource(open_saver)
    thread = str(new_id())
    saver.open_thread(thread, resume=False)
    await graph_of(nothing, gather).compile(checkpointer=saver).ainvoke({}, config_of(thread))
    await saver.close_thread(thread, keep=True)
    assert await stored(house, thread) == 0


async def test_a_run_goes_on_while_the_database_is_away():
    pool = AsyncConnectionPool("postgresql://x@127.0.0.1:1/x", min_size=0, max_size=1, open=False, timeout=0.2)
    async with pool:
        saver = RunSaver(pool)
        saver.open_thread("x", resume=False)
        graph = graph_of(gather, gather_more).compile(checkpointer=saver)
        assert await graph.ainvoke({}, config_of("x")) == {"notes": ["one", "two"]}
        await saver.close_thread("x", keep=False)


async def gather_more(state: State) -> State:
    return {"notes": [*state["notes"], "two"]}


async def test_leftovers_of_last_week_are_forgotten(house):
    saver = await house.resource(open_saver)
    old = now() - timedelta(days=8)
    milliseconds = f"{int(old.timestamp() * 1000):012x}"
    threads = [f"{milliseconds[:8]}-{milliseconds[8:]}-7000-8000-000000000000", str(new_id())]
    for thread in threads:
        saver.open_thread(thread, resume=False)
        await graph_of(gather, nothing).compile(checkpointer=saver).ainvoke({}, config_of(thread))
        await saver.close_thread(thread, keep=True)
    await forget_leftovers(house)
    assert [await stored(house, thread) for thread in threads] == [0, 1]
    await saver.forget(threads[1])


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


@pytest.mark.parametrize("resume", [False, True])
async def test_anybody_can_offer_an_agent(house_settings, emit, resume):
    async with open_house(house_settings, [Parrots()], "test", deliver=lambda _: None) as house:
        await warm_up(house)
        assert agent_of(house, "parrot").title == "Parrot"
        turn = turn_of(Principal(new_id()), "echo?", agent="parrot")
        assert (await run_agent(house, turn, emit, resume=resume)).text == "echo?"
