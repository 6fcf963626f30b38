"""Conversations: beginning, naming and deleting them."""

from uuid import UUID

from sqlalchemy import delete, select

from madang.features.chat.access import own_session, payer_of
from madang.features.chat.contracts import (
    DERIVED_TITLE,
    LONGEST_TITLE,
)
from madang.features.chat.tables import ChatMessage, ChatSession
from madang.features.runs.public import (
    cancel,
    forget_words,
    is_active,
)
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Invalid
from madang.kernel.house import House

UNTITLED = "…"


async def create_session(tx: Tx, who: Principal, title: str | None, scope_id: UUID | None = None) -> ChatSession:
    """An empty session, charged to the scope; without a title it takes one from its first question.

    Raises as `access.payer_of`.
    """
    await payer_of(tx, who, None, scope_id)
    named = clean_title(title) if title else UNTITLED
    session = ChatSession(account_id=who.account_id, title=named, scope_id=scope_id)
    tx.add(session)
    await tx.flush()
    await tx.refresh(session)
    return session


async def delete_session(house: House, who: Principal, session_id: UUID) -> None:
    """Delete the session with all that was said in it, after stopping its answer. Raises `SessionNotFound`."""
    stopped: UUID | None = None
    while True:
        async with house.db.transaction(who) as tx:
            session = await own_session(tx, who, session_id, lock=True)
            run_id = session.active_run_id
            if run_id is None or run_id == stopped or not await is_active(tx, run_id):
                await _delete(tx, session_id)
                return
        await cancel(house, who, run_id)  # without the lock: another question may come meanwhile, and is stopped too
        stopped = run_id


async def _delete(tx: Tx, session_id: UUID) -> None:
    said = select(ChatMessage.run_id).where(ChatMessage.session_id == session_id)
    run_ids = [run_id for run_id in await tx.scalars(said) if run_id is not None]
    await tx.execute(delete(ChatSession).where(ChatSession.id == session_id))
    await forget_words(tx, run_ids)


async def forget_account(tx: Tx, account_id: UUID) -> None:
    """Delete all sessions of an account with their messages."""
    await tx.execute(delete(ChatSession).where(ChatSession.account_id == account_id))


def clean_title(title: str) -> str:
    """A title on one line. Raises Invalid (`title_empty`)."""
    text = " ".join(title.replace("\x00", "").split())[:LONGEST_TITLE]
    if not text:
        raise Invalid("title_empty", "Give the conversation a name.")
    return text


def derived_title(question: str) -> str:
    """A title from a question: its first line, cut at a word."""
    line = next((line for line in question.splitlines() if line.strip()), question)
    text = " ".join(line.split())
    if len(text) <= DERIVED_TITLE:
        return text
    head = text[:DERIVED_TITLE]
    cut = head.rfind(" ")
    return (head[:cut] if cut > DERIVED_TITLE // 2 else head) + "…"
