"""The assistant's graph, for turns that need documents: what they say is found once, whatever happens to the answer."""

from typing import TYPE_CHECKING, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from madang.features.agents.contracts import AgentContext, Graph
from madang.features.agents.service import assistant
from madang.features.agents.service.prompts import Source

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver


class State(TypedDict, total=False):
    """What the answer needs of the search."""

    sources: list[Source]


async def look(state: State, runtime: Runtime[AgentContext]) -> State:  # LangGraph passes it by name
    """Find sources."""
    return {"sources": await assistant.look(runtime.context)}


async def reply(state: State, runtime: Runtime[AgentContext]) -> State:
    """Answer from what was found."""
    await assistant.reply(runtime.context, state.get("sources", []), looked=True)
    return {}


def build(checkpointer: "BaseCheckpointSaver[str] | None") -> Graph:
    """The graph: look, then reply."""
    graph = StateGraph(State, context_schema=AgentContext)
    graph.add_node("look", look)  # pyright: ignore[reportUnknownMemberType]  # its overloads are partly untyped
    graph.add_node("reply", reply)  # pyright: ignore[reportUnknownMemberType]  # the same
    graph.add_edge(START, "look")
    graph.add_edge("look", "reply")
    graph.add_edge("reply", END)
    return graph.compile(checkpointer=checkpointer, name="assistant")  # pyright: ignore[reportUnknownMemberType]  # the same
