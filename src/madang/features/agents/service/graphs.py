"""Running the graph of an agent. Whoever imports this imports LangGraph: 2 s of processor and 37 MB."""

import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from madang.features.agents.contracts import AgentContext, AgentSpec, Graph
from madang.features.agents.service.record import Record, answer_at_once
from madang.features.agents.service.registry import list_agents
from madang.kernel.without import without

with without("pygments", "charset_normalizer"):  # 8 MB, for command lines and encodings that nothing here asks for
    importlib.import_module("langgraph.pregel")  # every graph needs it, and whoever imports it first decides
    from langchain_core.runnables import RunnableConfig

    from madang.features.agents.service.checkpoints import RunSaver, open_saver, threads_of

if TYPE_CHECKING:
    from madang.kernel.house import House

MOST_STEPS = 50
"""Nodes a turn may run; a graph that wants more is going in circles."""


@dataclass(frozen=True, slots=True)
class Crew:
    """What a process runs graphs with: the saver, and each graph once it was compiled."""

    saver: RunSaver
    graphs: dict[str, Graph] = field(default_factory=dict[str, Graph])

    def graph(self, spec: AgentSpec) -> Graph:
        """The agent's graph, compiled at its first use."""
        if spec.name not in self.graphs:
            self.graphs[spec.name] = spec.build(self.saver)
        return self.graphs[spec.name]


@asynccontextmanager
async def open_crew(house: "House") -> AsyncGenerator[Crew]:
    """The process's crew with every graph compiled, for `house.resource`."""
    crew = Crew(await house.resource(open_saver))
    for spec in list_agents(house):
        crew.graph(spec)
    yield crew


async def run_graph(house: "House", spec: AgentSpec, context: AgentContext, record: Record, attempt: int) -> None:
    """Go on from what an earlier attempt has worked out, or begin the turn."""
    crew = await house.resource(open_crew)
    graph = crew.graph(spec)
    thread = record.thread = await crew.saver.open_thread(context.turn.run_id, attempt)
    config: RunnableConfig = {**thread.config, "recursion_limit": MOST_STEPS}
    finished = False
    try:
        goes_on = thread.is_written and await _has_more_to_do(graph, config)
        was_asked = attempt == 1
        if goes_on or was_asked or not await answer_at_once(spec, context):
            start: dict[str, object] | None = None if goes_on else {}
            await graph.ainvoke(start, config, context=context, durability="async")  # pyright: ignore[reportUnknownMemberType]  # LangGraph leaves a parameter of Command open
        finished = True
    finally:
        await crew.saver.close_thread(thread, keep=not finished)


async def forget(house: "House", run_id: UUID, attempts: int) -> None:
    """See `public.forget_run`."""
    crew = await house.resource(open_crew)
    await crew.saver.forget(threads_of(run_id, attempts))


async def _has_more_to_do(graph: Graph, config: RunnableConfig) -> bool:
    """Whether an earlier attempt left a checkpoint with work after it."""
    return bool((await graph.aget_state(config)).next)
