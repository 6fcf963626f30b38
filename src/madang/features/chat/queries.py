"""Lists of sessions and messages."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, or_, select, tuple_

from madang.features.chat.tables import ChatMessage, ChatSession
from madang.kernel.auth import Principal
from madang.kernel.db import Tx


async def list_sessions(
    tx: Tx, who: Principal, *, query: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[ChatSession]:
    """The account's sessions, the last used first; with `query` those whose title or messages contain it."""
    wanted = select(ChatSession).where(ChatSession.account_id == who.account_id)
    if query:
        said = exists().where(
            ChatMessage.session_id == ChatSession.id,
            ChatMessage.superseded_at.is_(None),
            ChatMessage.text.icontains(query, autoescape=True),
        )
        wanted = wanted.where(or_(ChatSession.title.icontains(query, autoescape=True), said))
    if after is not None:
        wanted = wanted.where(tuple_(ChatSession.updated_at, ChatSession.id) < after)
    return (await tx.scalars(wanted.order_by(ChatSession.updated_at.desc(), ChatSession.id.desc()).limit(limit))).all()


async def list_messages(tx: Tx, session_id: UUID, *, after: UUID | None, limit: int) -> Sequence[ChatMessage]:
    """The session's messages, the oldest first, without answers that were replaced."""
    wanted = select(ChatMessage).where(ChatMessage.session_id == session_id, ChatMessage.superseded_at.is_(None))
    if after is not None:
        wanted = wanted.where(ChatMessage.id > after)
    return (await tx.scalars(wanted.order_by(ChatMessage.id).limit(limit))).all()


async def history_of(tx: Tx, session_id: UUID, *, before: UUID | None, limit: int) -> list[tuple[str, str]]:
    """The last messages of the session as (role, text), the oldest first; only what was said to its end."""
    wanted = (
        select(ChatMessage.role, ChatMessage.text)
        .where(
            ChatMessage.session_id == session_id,
            ChatMessage.superseded_at.is_(None),
            ChatMessage.status.in_(("complete", "stopped")),
            ChatMessage.text != "",
        )
        .order_by(ChatMessage.id.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(ChatMessage.id < before)
    found = await tx.execute(wanted)
    return [(row.role, row.text) for row in reversed(found.all())]
