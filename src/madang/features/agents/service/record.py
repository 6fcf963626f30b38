"""What an attempt at a turn says, kept on its way to whoever listens."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from madang.features.agents.contracts import AgentContext, AgentSpec, Citation, Emitter, Outcome
from madang.features.providers.public import Usage

if TYPE_CHECKING:
    from madang.features.agents.service.checkpoints import Thread


async def answer_at_once(spec: AgentSpec, context: AgentContext) -> bool:
    """Have the agent answer without its graph, if it can."""
    return spec.at_once is not None and await spec.at_once(context)


@dataclass(slots=True)
class Record:
    """An emitter that passes everything on, keeps what the outcome needs and tells the thread, if any, when it speaks.

    Only a turn that is answered by a graph has a thread.
    """

    emit: Emitter
    thread: "Thread | None" = None
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
        self._speak()
        self.texts.append(text)
        self.emit.delta(text)

    def reasoning(self, text: str) -> None:
        """Pass on."""
        self._speak()
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
        self._speak()
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

    def _speak(self) -> None:
        if self.thread is not None:
            self.thread.has_spoken = True
