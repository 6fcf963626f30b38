"""Sessions and messages, loaded and permitted in one step."""

from uuid import UUID

from sqlalchemy import select

from madang.features.chat.contracts import MessageNotFound, PayerFixed, PayerGone, SessionNotFound
from madang.features.chat.tables import ChatMessage, ChatSession
from madang.features.organisations.public import chain_of
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import NotFound


async def own_session(tx: Tx, who: Principal, session_id: UUID, *, lock: bool = False) -> ChatSession:
    """The account's session. Raises `SessionNotFound`."""
    query = select(ChatSession).where(ChatSession.id == session_id, ChatSession.account_id == who.account_id)
    session = await tx.scalar(query.with_for_update() if lock else query)
    if session is None:
        raise SessionNotFound
    return session


async def payer_of(tx: Tx, who: Principal, session: ChatSession | None, wanted: UUID | None) -> tuple[UUID, ...]:
    """The scopes, from the organisation down, that a question is charged to; empty for the account alone.

    A new session is charged to the `wanted` scope, by default to the only membership of the account. Membership is
    looked at for every question. Raises NotFound (scope_not_found), Forbidden (scope_suspended), `PayerGone` and
    `PayerFixed`.
    """
    if session is None:
        return await chain_of(tx, who.account_id, wanted)
    if wanted is not None and wanted != session.scope_id:
        raise PayerFixed
    try:
        return await chain_of(tx, who.account_id, session.scope_id)
    except NotFound:
        raise PayerGone from None


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
