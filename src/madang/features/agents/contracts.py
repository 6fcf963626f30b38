"""What an agent is given and gives back."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from madang.features.providers.public import Message, Usage
from madang.features.usage.public import Spender
from madang.kernel.auth import Principal
from madang.kernel.errors import Invalid
from madang.kernel.module import Slot

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

    from madang.kernel.house import House


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation to be answered; the last of `messages` is the question.

    `agent` and `model` are names, None for the default. `document_ids` are what the person chose, empty for all of
    theirs. `language` is "ko" or "en" if the person set one; otherwise the question decides. `scope_path` are the
    scopes, from the organisation down, that the turn is charged to.
    """

    run_id: UUID
    who: Principal
    messages: Sequence[Message]
    agent: str | None = None
    model: str | None = None
    document_ids: Sequence[UUID] = ()
    language: str | None = None
    scope_path: tuple[UUID, ...] = ()

    @property
    def spender(self) -> Spender:
        """Who pays for the turn."""
        return Spender(self.who.account_id, self.scope_path, self.run_id, self.agent)


@dataclass(frozen=True, slots=True)
class Citation:
    """Where `[number]` in the text comes from. `page` counts from 1; `snippet` is a short part of that page."""

    number: int
    document_id: UUID
    title: str
    page: int
    snippet: str


class Emitter(Protocol):
    """Where an agent says what happens. Every call is cheap and returns at once; the run's log does the rest."""

    def step(self, name: str) -> None:
        """A step of the work begins."""
        ...

    def delta(self, text: str) -> None:
        """More text of the answer."""
        ...

    def reasoning(self, text: str) -> None:
        """More of what the model thinks aloud."""
        ...

    def retract(self) -> None:
        """All text so far turned out to be reasoning: readers take it back, and what it cited with it."""
        ...

    def finish(self, reason: str) -> None:
        """How the answer ended, in the words of `ChatChunk.finish_reason`; "stop" when nothing is said."""
        ...

    def cite(self, citation: Citation) -> None:
        """The answer uses this source."""
        ...

    def tool_called(self, call_id: str, name: str, arguments: object) -> None:
        """A tool is called; `arguments` is JSON-compatible."""
        ...

    def tool_returned(self, call_id: str, *, result: object = None, error: str | None = None) -> None:
        """The tool came back with a JSON-compatible result or an error."""
        ...

    def usage(self, usage: Usage) -> None:
        """What one model call took."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished turn: the whole text as it was emitted, its citations by number, every model call's usage, its end."""

    text: str
    citations: tuple[Citation, ...] = ()
    usage: tuple[Usage, ...] = ()
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class AgentContext:
    """What a graph's nodes find in LangGraph's `runtime.context`."""

    house: "House"
    who: Principal
    turn: Turn
    emit: Emitter


type Graph = "CompiledStateGraph[Any, AgentContext, Any, Any]"
type Build = "Callable[[BaseCheckpointSaver[Any] | None], Graph]"
type AtOnce = Callable[[AgentContext], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent that can be chosen by `name`.

    `build(checkpointer)` compiles its LangGraph graph once a process. The graph starts from an empty state, finds the
    turn in its runtime context, emits what people see through `context.emit`, and may checkpoint after each node; a
    node that is run again must emit its text from the start.

    `at_once(context)`, where there is one, is asked before the graph is begun and answers turns in which nothing is
    worked out that another attempt could use: they cost less without a graph. It returns False, and has emitted
    nothing, for those that are the graph's.
    """

    name: str
    title: str
    build: Build
    at_once: AtOnce | None = None


AGENT: Slot[AgentSpec] = Slot("agent")


class AgentUnknown(Invalid):
    """There is no such agent here."""

    def __init__(self, name: str) -> None:
        super().__init__("agent_unknown", f"There is no agent {name!r} here; leave it out for the assistant.")
