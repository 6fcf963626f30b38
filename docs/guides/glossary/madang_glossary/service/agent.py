"""The agent that explains the person's own words: one step, no model."""

from typing import Any, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from madang.features.agents.public import AgentContext
from madang_glossary.service.terms import terms_in


class Explained(TypedDict, total=False):
    """What is kept between steps; this agent has only one and keeps nothing."""

    done: bool


async def explain(state: Explained, runtime: Runtime[AgentContext]) -> Explained:
    """Say what the words of the question mean; people see each line as it is emitted."""
    context = runtime.context
    context.emit.step("explain")
    async with context.house.db.transaction(context.who) as tx:
        found = await terms_in(tx, context.who, context.turn.messages[-1].content)
    for term in found:
        context.emit.delta(f"**{term.word}**: {term.meaning}\n\n")
    if not found:
        context.emit.delta("Your glossary has no word of this question.")
    return {"done": True}


def build(checkpointer: BaseCheckpointSaver[Any] | None) -> CompiledStateGraph[Explained, AgentContext, Any, Any]:
    """The compiled graph."""
    graph = StateGraph(Explained, context_schema=AgentContext)
    graph.add_node("explain", explain)
    graph.add_edge(START, "explain")
    graph.add_edge("explain", END)
    return graph.compile(checkpointer=checkpointer)
