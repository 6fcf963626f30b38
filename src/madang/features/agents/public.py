"""The door of agents: run one for a turn, and what one must be to be offered."""

import importlib
from typing import TYPE_CHECKING
from uuid import UUID

from madang.features.agents.contracts import (
    AGENT,
    AgentContext,
    AgentSpec,
    AgentUnknown,
    Citation,
    Emitter,
    Outcome,
    Turn,
)
from madang.features.agents.service.registry import agent_of, list_agents

if TYPE_CHECKING:
    from madang.kernel.house import House

__all__ = [
    "AGENT",
    "AgentContext",
    "AgentSpec",
    "AgentUnknown",
    "Citation",
    "Emitter",
    "Outcome",
    "Turn",
    "agent_of",
    "forget_run",
    "list_agents",
    "prepare_checkpoints",
    "run_agent",
    "warm_up",
]

_RUNNING = "madang.features.agents.service.running"
_CHECKPOINTS = "madang.features.agents.service.checkpoints"


async def run_agent(house: "House", turn: Turn, emit: Emitter, attempt: int = 1) -> Outcome:
    """Answer the turn with its agent, telling `emit` everything on the way; no transaction may be open.

    A second `attempt` does not run the nodes again that an earlier one had finished before it began to speak; the
    text of the answer is said from its start. An earlier attempt that still runs somewhere cannot disturb it.
    Cancelling the task closes the connection to the model at once and reports the usage so far. Raises `AgentUnknown`
    and the errors of `providers`. LangGraph is imported by the first turn that needs a graph.
    """
    running = importlib.import_module(_RUNNING)
    outcome: Outcome = await running.run_agent(house, turn, emit, attempt)
    return outcome


async def warm_up(house: "House") -> None:
    """Import LangGraph and compile the agents if turns will need it, so that none has to wait for it (2 s)."""
    await importlib.import_module(_RUNNING).warm_up(house)


async def forget_run(house: "House", run_id: UUID, attempts: int) -> None:
    """Delete what attempts left for the next one; an attempt that succeeded left nothing of its own."""
    await importlib.import_module(_RUNNING).forget_run(house, run_id, attempts)


async def prepare_checkpoints(connection_url: str) -> None:
    """Make the schema `checkpoints` and LangGraph's tables in it, as the owner of the database. Part of migrating.

    `connection_url` is `postgresql://…`. Safe to repeat.
    """
    await importlib.import_module(_CHECKPOINTS).prepare_checkpoints(connection_url)
