"""Asking, and asking again."""

import re
import unicodedata
from uuid import UUID

import msgspec
from sqlalchemy import Insert, Text, bindparam, func, insert, select, update

from madang.features.agents.public import agent_of
from madang.features.chat.access import own_question, own_session, payer_of
from madang.features.chat.contracts import (
    Accepted,
    KeyReused,
    Question,
    SessionBusy,
)
from madang.features.chat.queries import history_of
from madang.features.chat.service.answers import fill
from madang.features.chat.service.question_limit import count_question, remember_payer
from madang.features.chat.service.sessions import UNTITLED, derived_title
from madang.features.chat.settings import load
from madang.features.chat.tables import MESSAGES, SESSIONS, ChatMessage, ChatSession
from madang.features.knowledge.public import require_documents
from madang.features.providers.public import Message, price_of, require_model
from madang.features.runs.public import (
    RunRequest,
    is_active,
    results,
    start_run,
)
from madang.features.usage.public import Spender, require_budget
from madang.kernel.admission import admitted_transaction
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.errors import Invalid
from madang.kernel.house import House
from madang.kernel.ids import new_id

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL's text cannot have: NUL, and half a character, which JSON may spell."""
_INVISIBLE = {"Cc", "Cf"}


async def ask(
    house: House, who: Principal, session_id: UUID | None, question: Question, key: str | None = None
) -> Accepted:
    """Store the question and order its answer, both in one transaction; without a session a new one is made.

    A question that comes again with the same `key` is not asked again. Raises `SessionNotFound`, `SessionBusy`,
    `KeyReused`, `Invalid` (`question_empty`, `question_too_long`, `model_unknown`, `agent_unknown`), NotFound
    (`document_not_found`), what `access.payer_of` raises, TooMany (`budget_exhausted`, `rate_limited`), and Unavailable
    (`server_busy`).
    """
    _check_words(house, question)
    await count_question(house, who, session_id, question.scope_id)
    async with admitted_transaction(house, who) as tx:
        return await _ask(house, tx, who, session_id, question, key)


async def _ask(
    house: House, tx: Tx, who: Principal, session_id: UUID | None, question: Question, key: str | None
) -> Accepted:
    await require_documents(tx, who, question.document_ids)
    if key is not None and (earlier := await _asked_before(tx, who, session_id, question, key)) is not None:
        return earlier
    session = None if session_id is None else await own_session(tx, who, session_id, lock=True)
    await _free(tx, session)
    payer = await _afford(house, tx, who, session, question)
    history = [] if session is None else await history_of(tx, session.id, before=None, limit=load().history_messages)
    asked = ChatMessage(
        id=new_id(),
        account_id=who.account_id,
        session_id=session.id if session else new_id(),
        role="user",
        status="complete",
        text=question.text,
        request=_choices(question),
        idempotency_key=key,
    )
    accepted = await _order(tx, who, question, (asked.session_id, asked.id), history, payer)
    await _store(tx, who, session, question, asked, accepted)
    return accepted


async def ask_again(house: House, who: Principal, session_id: UUID, message_id: UUID) -> Accepted:
    """Order another answer to a question; the earlier one is replaced. Raises as `ask`, and `MessageNotFound`."""
    await count_question(house, who, session_id, None)
    async with admitted_transaction(house, who) as tx:
        return await _ask_again(house, tx, who, session_id, message_id)


async def _ask_again(house: House, tx: Tx, who: Principal, session_id: UUID, message_id: UUID) -> Accepted:
    session = await own_session(tx, who, session_id, lock=True)
    await _free(tx, session)
    asked = await own_question(tx, who, session_id, message_id)
    question = msgspec.convert({"text": asked.text, **(asked.request or {})}, Question)
    _check_words(house, question)
    await require_documents(tx, who, question.document_ids)
    payer = await _afford(house, tx, who, session, question)
    history = await history_of(tx, session_id, before=message_id, limit=load().history_messages)
    accepted = await _order(tx, who, question, (session_id, message_id), history, payer)
    await tx.execute(
        update(ChatMessage)
        .where(ChatMessage.reply_to == message_id, ChatMessage.superseded_at.is_(None))
        .values(superseded_at=func.now())
    )
    await tx.execute(insert(MESSAGES), _answer(who, accepted))
    await _touch(tx, session_id, accepted.run_id)
    return accepted


def _check_words(house: House, question: Question) -> None:
    if not _says_something(question.text):
        raise Invalid("question_empty", "Write a question first.")
    longest = load().max_question_chars
    if len(question.text) > longest:
        raise Invalid("question_too_long", f"Ask in at most {longest} characters, or upload the text as a document.")
    if _UNSTORABLE.search(question.text):
        raise Invalid("question_invalid", "The question contains a character that text cannot have.")
    require_model(house, question.model)
    agent_of(house, question.agent)


def _says_something(text: str) -> bool:
    """Whether there is anything that people would see."""
    return any(not char.isspace() and unicodedata.category(char) not in _INVISIBLE for char in text)


async def _afford(
    house: House, tx: Tx, who: Principal, session: ChatSession | None, question: Question
) -> tuple[UUID, ...]:
    """Who pays for the answer, when they may ask now and can."""
    payer = await payer_of(tx, who, session, question.scope_id)
    await remember_payer(house, who, session.id if session else None, question.scope_id, payer)
    await require_budget(house, tx, Spender(who.account_id, payer), lambda: price_of(house, question.model))
    return payer


def _choices(question: Question) -> dict[str, object]:
    """What was chosen for a question, as its row keeps it."""
    return {
        "document_ids": [str(document_id) for document_id in question.document_ids],
        "model": question.model,
        "agent": question.agent,
    }


async def _asked_before(
    tx: Tx, who: Principal, session_id: UUID | None, question: Question, key: str
) -> Accepted | None:
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{who.account_id}:{key}", 0))))
    asked = await tx.scalar(
        select(ChatMessage).where(ChatMessage.account_id == who.account_id, ChatMessage.idempotency_key == key)
    )
    if asked is None:
        return None
    is_elsewhere = session_id is not None and asked.session_id != session_id
    if is_elsewhere or asked.text != question.text or asked.request != _choices(question):
        raise KeyReused
    answer = await tx.scalar(select(ChatMessage).where(ChatMessage.reply_to == asked.id).order_by(ChatMessage.id))
    if answer is None or answer.run_id is None:
        raise KeyReused
    return Accepted(asked.session_id, asked.id, answer.id, answer.run_id)


async def _free(tx: Tx, session: ChatSession | None) -> None:
    """Have the session ready for a question. Raises `SessionBusy`.

    Its last answer may have ended a moment ago and not be stored as a message yet: the next question has to know it.
    """
    if session is None or session.active_run_id is None:
        return
    run_id = session.active_run_id
    if await is_active(tx, run_id):
        raise SessionBusy(run_id)
    result = (await results(tx, [run_id])).get(run_id)
    answer_id = await tx.scalar(
        select(ChatMessage.id).where(ChatMessage.session_id == session.id, ChatMessage.run_id == run_id)
    )
    if result is not None and answer_id is not None:
        await fill(tx, answer_id, result)


async def _order(
    tx: Tx,
    who: Principal,
    question: Question,
    ids: tuple[UUID, UUID],
    history: list[tuple[str, str]],
    payer: tuple[UUID, ...],
) -> Accepted:
    session_id, message_id = ids
    answer_id = new_id()
    labels = {"session_id": str(session_id), "message_id": str(message_id), "answer_id": str(answer_id)}
    said = [Message("user" if role == "user" else "assistant", text) for role, text in history]
    request = RunRequest(
        messages=[*said, Message("user", question.text)],
        agent=question.agent,
        model=question.model,
        document_ids=question.document_ids,
        labels=labels,
        scope_path=payer,
    )
    return Accepted(session_id, message_id, answer_id, await start_run(tx, who, request))


def _answer(who: Principal, accepted: Accepted) -> dict[str, object]:
    return {
        "id": accepted.answer_id,
        "account_id": who.account_id,
        "session_id": accepted.session_id,
        "role": "assistant",
        "status": "streaming",
        "text": "",
        "reply_to": accepted.message_id,
        "run_id": accepted.run_id,
        "citations": [],
    }


async def _store(
    tx: Tx, who: Principal, session: ChatSession | None, question: Question, asked: ChatMessage, accepted: Accepted
) -> None:
    title = derived_title(question.text)
    rows: dict[str, object] = {
        "new_account_id": who.account_id,
        "new_session_id": accepted.session_id,
        "new_run_id": accepted.run_id,
        "new_question_id": asked.id,
        "new_answer_id": accepted.answer_id,
        "new_text": question.text,
        "new_request": asked.request,
        "new_idempotency_key": asked.idempotency_key,
    }
    if session is None:
        new = {
            "new_title": title,
            "new_model": question.model,
            "new_agent": question.agent,
            "new_scope_id": question.scope_id,
        }
        await tx.execute(_BEGIN, {**rows, **new})
    else:
        await tx.execute(_GO_ON, {**rows, "new_title": title if session.title == UNTITLED else None})


def _message(name: str, values: dict[str, object]) -> Insert:
    """Puts a message of which its own `name`_id, and what both have, are parameters."""
    shared: dict[str, object] = {one: bindparam(f"new_{one}") for one in ("account_id", "session_id")}
    return insert(MESSAGES).values({"id": bindparam(f"new_{name}_id"), **shared, **values})


_ASKED: dict[str, object] = {name: bindparam(f"new_{name}") for name in ("text", "request", "idempotency_key")}
_QUESTION = _message("question", {"role": "user", "status": "complete", "citations": [], **_ASKED})
_ANSWER: dict[str, object] = {"role": "assistant", "status": "streaming", "text": "", "citations": []}
_LINKS: dict[str, object] = {"reply_to": bindparam("new_question_id"), "run_id": bindparam("new_run_id")}
_BOTH = _message("answer", {**_ANSWER, **_LINKS}).add_cte(_QUESTION.cte("question"))
"""A question and its answer."""
_NEW = ("account_id", "title", "model", "agent", "scope_id")
_BEGIN = _BOTH.add_cte(
    insert(SESSIONS)
    .values(
        id=bindparam("new_session_id"),
        active_run_id=bindparam("new_run_id"),
        **{name: bindparam(f"new_{name}") for name in _NEW},
    )
    .cte("begun")
)
"""The same in a new session."""
_GO_ON = _BOTH.add_cte(
    update(SESSIONS)
    .where(SESSIONS.c.id == bindparam("new_session_id"))
    .values(
        active_run_id=bindparam("new_run_id"),
        updated_at=func.now(),
        title=func.coalesce(bindparam("new_title", type_=Text()), SESSIONS.c.title),
    )
    .cte("touched")
)
"""The same in a session that there is, and is locked."""


async def _touch(tx: Tx, session_id: UUID, run_id: UUID) -> None:
    changed: dict[str, object] = {"active_run_id": run_id, "updated_at": func.now()}
    await tx.execute(update(ChatSession).where(ChatSession.id == session_id).values(changed))
