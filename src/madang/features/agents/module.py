"""What agents plug in."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

    from madang.features.agents.contracts import AgentContext, Graph
    from madang.kernel.jobs import Schedule


class Agents(Module):
    """The runner of agents, and the assistant."""

    name: ClassVar[str] = "agents"

    def schedules(self) -> "Sequence[Schedule]":
        """Forgetting checkpoints that a dying worker left."""
        from madang.features.agents.service.tidying import forget_leftovers
        from madang.kernel.jobs import Schedule

        return (Schedule("agents.forget_leftovers", timedelta(hours=6), forget_leftovers),)

    def offers(self) -> Sequence[Offer[object]]:
        """The assistant."""
        from madang.features.agents.contracts import AGENT, AgentSpec

        return (AGENT.offer(AgentSpec("assistant", "Assistant", _assistant, _at_once)),)


def _assistant(checkpointer: "BaseCheckpointSaver[str] | None") -> "Graph":
    from madang.features.agents.service.assistant_graph import build

    return build(checkpointer)


async def _at_once(context: "AgentContext") -> bool:
    from madang.features.agents.service.assistant import answer_at_once

    return await answer_at_once(context)
