"""Sessions and messages, loaded and permitted in one step."""

from uuid import UUID

from sqlalchemy import select

from madang.features.chat.contracts import MessageNotFound, SessionNotFound
from madang.features.chat.tables import ChatMessage, ChatSession
from madang.kernel.auth import Principal
from madang.kernel.db import Tx


async def own_session(tx: Tx, who: Principal, session_id: UUID, *, lock: bool = False) -> ChatSession:
    """The account's session. Raises `SessionNotFound`."""
    query = select(ChatSession).where(ChatSession.id == session_id, ChatSession.account_id == who.account_id)
    session = await tx.scalar(query.with_for_update() if lock else query)
    if session is None:
        raise SessionNotFound
    return session


async def own_question(tx: Tx, who: Principal, session_id: UUID, message_id: UUID) -> ChatMessage:
    """A question in the account's session. Raises `MessageNotFound`."""
    message = await tx.scalar(
        select(ChatMessage).where(
            ChatMessage.id == message_id,
            ChatMessage.session_id == session_id,
            ChatMessage.account_id == who.account_id,
            ChatMessage.role == "user",
        )
    )
    if message is None:
        raise MessageNotFound
    return message
