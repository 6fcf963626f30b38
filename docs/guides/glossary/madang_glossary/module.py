"""What the glossary plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from madang.features.agents.public import AGENT, AgentSpec
from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from fastapi import APIRouter
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

    from madang.kernel.events import Reaction


class Glossary(Module):
    """People's own words, and an agent that explains them."""

    name: ClassVar[str] = "glossary"

    def routes(self) -> "Sequence[APIRouter]":
        """`/glossary`."""
        from madang_glossary.routes import router

        return (router,)

    def reactions(self) -> "Sequence[Reaction]":
        """A first word for everybody."""
        from madang_glossary.reactions import REACTIONS

        return REACTIONS

    def offers(self) -> Sequence[Offer[object]]:
        """The agent `glossary`."""
        return (AGENT.offer(AgentSpec("glossary", "My words", _build)),)


def _build(checkpointer: "BaseCheckpointSaver[Any] | None") -> "CompiledStateGraph[Any, Any, Any, Any]":
    from madang_glossary.service.agent import build

    return build(checkpointer)
