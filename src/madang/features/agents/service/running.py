"""Having a turn answered: by the agent at once if it needs no graph, else by its graph.

LangGraph comes with the first turn that needs a graph, in a thread beside the loop, so that a worker whose people have
no documents does without its memory, and no other answer stands still for it.
"""

import asyncio
import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from madang.features.agents.contracts import AgentContext, Emitter, Outcome, Turn
from madang.features.agents.service.record import Record, answer_at_once
from madang.features.agents.service.registry import agent_of, list_agents
from madang.features.knowledge.public import any_documents

if TYPE_CHECKING:
    from madang.kernel.house import House

_GRAPHS = "madang.features.agents.service.graphs"


@asynccontextmanager
async def open_graphs(house: "House") -> AsyncGenerator[Any]:
    """The module `graphs`, with every agent's graph compiled, for `house.resource`."""
    graphs = await asyncio.to_thread(importlib.import_module, _GRAPHS)
    await house.resource(graphs.open_crew)
    yield graphs


async def warm_up(house: "House") -> None:
    """Have graphs ready if turns will need any: an agent always does, or somebody has documents."""
    if any(spec.at_once is None for spec in list_agents(house)) or await _has_documents(house):
        await house.resource(open_graphs)


async def _has_documents(house: "House") -> bool:
    """Whether anybody has; also while PostgreSQL is away and cannot say."""
    try:
        async with house.db.transaction() as tx:
            return await any_documents(tx)
    except (SQLAlchemyError, OSError):
        return True


async def run_agent(house: "House", turn: Turn, emit: Emitter, attempt: int) -> Outcome:
    """See `public.run_agent`."""
    spec = agent_of(house, turn.agent)
    record = Record(emit)
    context = AgentContext(house, turn.who, replace(turn, agent=spec.name), record)
    if attempt > 1 or not await answer_at_once(spec, context):
        graphs = await house.resource(open_graphs)
        await graphs.run_graph(house, spec, context, record, attempt)
    return record.outcome()


async def forget_run(house: "House", run_id: UUID, attempts: int) -> None:
    """See `public.forget_run`."""
    if attempts > 1 or house.has_opened(open_graphs):  # without it this process has written nothing
        await (await house.resource(open_graphs)).forget(house, run_id, attempts)
