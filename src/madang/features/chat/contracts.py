"""What chat takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from madang.features.runs.public import Opening
from madang.kernel.errors import Conflict, NotFound

type MessageStatus = Literal["complete", "streaming", "stopped", "failed"]
type Role = Literal["user", "assistant"]

LONGEST_TITLE = 200
DERIVED_TITLE = 60


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asks, with whom and what they chose for it; None is the default.

    `scope_id` is whom a new session is charged to; a session that there is has its own.
    """

    text: str
    document_ids: Sequence[UUID] = ()
    model: str | None = None
    agent: str | None = None
    scope_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A question that is stored and will be answered. `opening` begins the reading of the run's events."""

    session_id: UUID
    message_id: UUID
    answer_id: UUID
    run_id: UUID

    @property
    def opening(self) -> Opening:
        """Where a reader of the answer begins."""
        return Opening(self.run_id, {"run_id": str(self.run_id), **self.labels})

    @property
    def labels(self) -> dict[str, str]:
        """The ids that the run carries."""
        return {
            "session_id": str(self.session_id),
            "message_id": str(self.message_id),
            "answer_id": str(self.answer_id),
        }


class SessionNotFound(NotFound):
    """There is no such session for this account."""

    def __init__(self) -> None:
        super().__init__("session_not_found", "There is no such conversation; it may have been deleted.")


class MessageNotFound(NotFound):
    """There is no such message in this session."""

    def __init__(self) -> None:
        super().__init__("message_not_found", "There is no such question in this conversation.")


class SessionBusy(Conflict):
    """An answer is still being written in this session."""

    def __init__(self, run_id: UUID) -> None:
        super().__init__(
            "session_busy", "Wait for the answer that is being written, or stop it first.", run_id=str(run_id)
        )


class PayerGone(Conflict):
    """The session is charged to a scope that its person does not belong to any more."""

    def __init__(self) -> None:
        super().__init__(
            "payer_gone",
            "This conversation is charged to an organisation that you do not belong to any more. Begin a new one.",
        )


class PayerFixed(Conflict):
    """A session is charged to what it was begun with."""

    def __init__(self) -> None:
        super().__init__(
            "payer_fixed", "This conversation is charged to something else. Begin a new one, or leave scope_id out."
        )


class KeyReused(Conflict):
    """The idempotency key came with another question before."""

    def __init__(self) -> None:
        super().__init__("idempotency_key_reused", "Use a new Idempotency-Key for a new question.")
