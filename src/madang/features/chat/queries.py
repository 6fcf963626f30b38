"""Lists of sessions and messages."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import exists, or_, select, tuple_

from madang.features.accounts.public import ExportedFile
from madang.features.chat.tables import ChatMessage, ChatSession
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.house import House

PAGE = 200
TOLD = (
    "id",
    "role",
    "status",
    "text",
    "reply_to",
    "run_id",
    "citations",
    "error",
    "usage",
    "finish_reason",
    "created_at",
)


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


async def export(house: House, who: Principal) -> AsyncIterator[ExportedFile]:
    """Every conversation of the account twice, for programs (JSON) and for people (Markdown)."""
    after: tuple[datetime, UUID] | None = None
    while True:
        async with house.db.transaction(who) as tx:
            page = await list_sessions(tx, who, query=None, after=after, limit=PAGE)
        for session in page:
            name = f"conversations/{session.created_at:%Y-%m-%d}-{session.id}"
            yield ExportedFile(f"{name}.json", _as_json(house, who, session))
            yield ExportedFile(f"{name}.md", _as_markdown(house, who, session))
        if len(page) < PAGE:
            return
        after = page[-1].updated_at, page[-1].id


async def _messages(house: House, who: Principal, session: ChatSession) -> AsyncIterator[ChatMessage]:
    after: UUID | None = None
    while True:
        async with house.db.transaction(who) as tx:
            page = await list_messages(tx, session.id, after=after, limit=PAGE)
        for message in page:
            yield message
        if len(page) < PAGE:
            return
        after = page[-1].id


async def _as_json(house: House, who: Principal, session: ChatSession) -> AsyncIterator[bytes]:
    head = {name: getattr(session, name) for name in ("id", "title", "model", "agent", "created_at", "updated_at")}
    yield msgspec.json.encode(head)[:-1] + b', "messages": ['
    comma = b"\n"
    async for message in _messages(house, who, session):
        yield comma + msgspec.json.encode({name: getattr(message, name) for name in TOLD})
        comma = b",\n"
    yield b"]}\n"


async def _as_markdown(house: House, who: Principal, session: ChatSession) -> AsyncIterator[bytes]:
    yield f"# {session.title}\n".encode()
    async for message in _messages(house, who, session):
        yield f"\n## {message.role}, {message.created_at:%Y-%m-%d %H:%M} UTC\n\n{message.text}\n".encode()
