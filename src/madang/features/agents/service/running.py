"""Running an agent's graph for a turn."""

import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from madang.features.agents.contracts import AgentContext, AgentSpec, Citation, Emitter, Graph, Outcome, Turn
from madang.features.agents.service.registry import agent_of, list_agents
from madang.features.providers.public import Usage
from madang.kernel.without import without

with without("pygments", "charset_normalizer"):  # 8 MB, for command lines and encodings that nothing here asks for
    importlib.import_module("langgraph.pregel")  # every agent needs it, and whoever imports it first decides
    from langchain_core.runnables import RunnableConfig

    from madang.features.agents.service.checkpoints import RunSaver, Thread, open_saver, threads_of

if TYPE_CHECKING:
    from madang.kernel.house import House

MOST_STEPS = 50
"""Nodes a turn may run; a graph that wants more is going in circles."""


@dataclass(frozen=True, slots=True)
class Crew:
    """What a process runs agents with: the saver, and each graph once it was compiled."""

    saver: RunSaver
    graphs: dict[str, Graph] = field(default_factory=dict[str, Graph])

    def graph(self, spec: AgentSpec) -> Graph:
        """The agent's graph, compiled at its first use."""
        if spec.name not in self.graphs:
            self.graphs[spec.name] = spec.build(self.saver)
        return self.graphs[spec.name]


@asynccontextmanager
async def open_crew(house: "House") -> AsyncGenerator[Crew]:
    """The process's crew, for `house.resource`."""
    yield Crew(await house.resource(open_saver))


async def warm_up(house: "House") -> None:
    """Compile every agent."""
    crew = await house.resource(open_crew)
    for spec in list_agents(house):
        crew.graph(spec)


async def run_agent(house: "House", turn: Turn, emit: Emitter, attempt: int) -> Outcome:
    """See `public.run_agent`."""
    spec = agent_of(house, turn.agent)
    crew = await house.resource(open_crew)
    graph = crew.graph(spec)
    thread = await crew.saver.open_thread(turn.run_id, attempt)
    record = Record(emit, thread)
    context = AgentContext(house, turn.who, replace(turn, agent=spec.name), record)
    config: RunnableConfig = {**thread.config, "recursion_limit": MOST_STEPS}
    finished = False
    try:
        start: dict[str, object] | None = None if thread.is_written and await _has_more_to_do(graph, config) else {}
        await graph.ainvoke(start, config, context=context, durability="async")  # pyright: ignore[reportUnknownMemberType]  # LangGraph leaves a parameter of Command open
        finished = True
    finally:
        await crew.saver.close_thread(thread, keep=not finished)
    return record.outcome()


async def forget_run(house: "House", run_id: UUID, attempts: int) -> None:
    """See `public.forget_run`."""
    crew = await house.resource(open_crew)
    await crew.saver.forget(threads_of(run_id, attempts))


async def _has_more_to_do(graph: Graph, config: RunnableConfig) -> bool:
    """Whether an earlier attempt left a checkpoint with work after it."""
    return bool((await graph.aget_state(config)).next)


@dataclass(slots=True)
class Record:
    """An emitter that passes everything on, keeps what the outcome needs and tells the thread when it speaks."""

    emit: Emitter
    thread: Thread
    texts: list[str] = field(default_factory=list[str])
    citations: list[Citation] = field(default_factory=list[Citation])
    usages: list[Usage] = field(default_factory=list[Usage])
    finish_reason: str = "stop"

    def outcome(self) -> Outcome:
        """What was emitted, as a whole."""
        return Outcome("".join(self.texts), tuple(self.citations), tuple(self.usages), self.finish_reason)

    def step(self, name: str) -> None:
        """Pass on."""
        self.emit.step(name)

    def delta(self, text: str) -> None:
        """Keep and pass on."""
        self.thread.has_spoken = True
        self.texts.append(text)
        self.emit.delta(text)

    def reasoning(self, text: str) -> None:
        """Pass on."""
        self.thread.has_spoken = True
        self.emit.reasoning(text)

    def retract(self) -> None:
        """Forget and pass on."""
        self.texts.clear()
        self.citations.clear()
        self.emit.retract()

    def finish(self, reason: str) -> None:
        """Keep and pass on."""
        self.finish_reason = reason
        self.emit.finish(reason)

    def cite(self, citation: Citation) -> None:
        """Keep and pass on."""
        self.thread.has_spoken = True
        self.citations.append(citation)
        self.emit.cite(citation)

    def tool_called(self, call_id: str, name: str, arguments: object) -> None:
        """Pass on."""
        self.emit.tool_called(call_id, name, arguments)

    def tool_returned(self, call_id: str, *, result: object = None, error: str | None = None) -> None:
        """Pass on."""
        self.emit.tool_returned(call_id, result=result, error=error)

    def usage(self, usage: Usage) -> None:
        """Keep and pass on."""
        self.usages.append(usage)
        self.emit.usage(usage)
