"""What follows from an answer's end."""

from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, select, update

from madang.features.chat.contracts import (
    MessageStatus,
)
from madang.features.chat.tables import MESSAGES, SESSIONS
from madang.features.runs.public import (
    RunEnded,
    RunResult,
    Status,
    results,
)
from madang.kernel.db import Tx

ANSWERED = ("status", "text", "citations", "error", "usage", "finish_reason")
"""The columns of a message that a run's end fills."""

_STATUS: dict[Status, MessageStatus] = {"finished": "complete", "cancelled": "stopped", "failed": "failed"}
_FREE = (
    update(SESSIONS)
    .where(SESSIONS.c.id == bindparam("session"), SESSIONS.c.active_run_id == bindparam("run"))
    .values(active_run_id=None, updated_at=func.now())
    .returning(SESSIONS.c.id)
    .cte("freed")
)
_FILL = (
    update(MESSAGES)
    .where(MESSAGES.c.id == bindparam("answer"), MESSAGES.c.run_id == bindparam("run"))
    .where(MESSAGES.c.status == "streaming")
    .values(**{name: bindparam(f"new_{name}") for name in ANSWERED})
)
_FREED = select(func.count()).select_from(_FREE).scalar_subquery()
_FREE_AND_FILL = _FILL.where(_FREED >= 0)
"""Both at once. What is counted comes first, and so the session before its messages, as everywhere.

A retry that comes just now would otherwise lock them crosswise.
"""


async def take_answer(tx: Tx, ended: RunEnded) -> None:
    """Store what a run of ours said as its message, and free its session. Doing it twice changes nothing."""
    answer_id, session_id = (ended.labels.get(name) for name in ("answer_id", "session_id"))
    result = (await results(tx, [ended.run_id])).get(ended.run_id)
    if answer_id is None or session_id is None or result is None:
        return
    await tx.execute(_FREE_AND_FILL, {"session": UUID(session_id), **_filled(UUID(answer_id), result)})


async def fill(tx: Tx, answer_id: UUID, result: RunResult) -> None:
    """Store how its run ended as the message; once it is there, nothing changes it."""
    await tx.execute(_FILL, _filled(answer_id, result))


def _filled(answer_id: UUID, result: RunResult) -> dict[str, object]:
    filled = {f"new_{name}": value for name, value in answer_of(result).items()}
    return {"answer": answer_id, "run": result.run_id, **filled}


def answer_of(result: RunResult) -> dict[str, object]:
    """The columns of a message that a run's end fills."""
    return {
        "status": _STATUS[result.status],
        "text": result.text,
        "citations": msgspec.to_builtins(result.citations),
        "error": result.error,
        "usage": msgspec.to_builtins(result.usage) if result.usage else None,
        "finish_reason": result.finish_reason,
    }
