"""`/chat`."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from madang.features.chat.access import own_session
from madang.features.chat.contracts import LONGEST_TITLE, Accepted, MessageStatus, Question, Role
from madang.features.chat.queries import list_messages, list_sessions
from madang.features.chat.service import answers, asking, sessions
from madang.features.chat.tables import ChatMessage, ChatSession
from madang.features.runs.public import Totals, event_stream, permit_reader, price, results
from madang.kernel.db import Tx
from madang.kernel.errors import BadRequest
from madang.kernel.http import HouseDep, Limit, Page, ReadTx, Strict, Who, WriteTx, decode_cursor
from madang.kernel.problems import problems

router = APIRouter(prefix="/chat", tags=["chat"])

ASKING = {"x-rate-limit": "questions"}
"""Marks the routes that have a model answer: they are limited more tightly."""

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
"""Makes a repeated request harmless: the same key with the same question is answered as the first was."""


class SessionBody(BaseModel):
    """A conversation. `active_run_id` is the answer that is being written, if any; `scope_id` whom it is charged to."""

    id: UUID
    title: str
    model: str | None
    agent: str | None
    active_run_id: UUID | None
    scope_id: UUID | None
    created_at: datetime
    updated_at: datetime


class CitationBody(BaseModel):
    """Where `[number]` in an answer comes from."""

    number: int
    document_id: UUID
    title: str
    page: int
    snippet: str


class MessageBody(BaseModel):
    """A question or an answer. An answer that is being written has the status "streaming" and no text yet."""

    id: UUID
    session_id: UUID
    role: Role
    status: MessageStatus
    text: str
    reply_to: UUID | None
    run_id: UUID | None
    citations: list[CitationBody]
    error: dict[str, str] | None
    model: str | None
    usage: dict[str, Any] | None
    finish_reason: str | None = Field(
        description="How a complete answer ended: `stop`; `length`, cut off at the model's limit; `budget`, cut off at "
        "what a budget affords; `content_filter`; or a reason of the model's server's own."
    )
    created_at: datetime


SCOPE = Field(
    default=None,
    description="What the conversation is charged to: an organisation, partner or class; your only one if unset.",
)


class NewSession(Strict):
    """A conversation to begin."""

    title: str | None = Field(default=None, max_length=LONGEST_TITLE)
    scope_id: UUID | None = SCOPE


class SessionChange(Strict):
    """A new name."""

    title: str = Field(max_length=LONGEST_TITLE)


class Choices(Strict):
    """What a person may choose for one question."""

    document_ids: list[UUID] = Field(default=[], max_length=100)
    model: str | None = Field(default=None, max_length=200)
    agent: str | None = Field(default=None, max_length=100)


class NewMessage(Choices):
    """A question in a session."""

    text: str


class StreamingQuestion(Choices):
    """A question whose answer is the response. Without a session a new one is made."""

    question: str
    session_id: UUID | None = None
    scope_id: UUID | None = SCOPE


class AcceptedBody(BaseModel):
    """The question is stored; its answer comes at `/runs/{run_id}/events`."""

    status: str = "accepted"
    message_id: UUID
    answer_id: UUID
    run_id: UUID
    session_id: UUID


@router.post("/sessions/", status_code=201, responses=problems(401, 403, 404))
async def create_session(body: NewSession, tx: WriteTx, who: Who) -> SessionBody:
    """Begin a conversation."""
    return _session(await sessions.create_session(tx, who, body.title, body.scope_id))


@router.get("/sessions/", responses=problems(400, 401))
async def get_sessions(
    tx: ReadTx,
    who: Who,
    q: Annotated[str | None, Query(max_length=200, description="Words in titles or messages.")] = None,
    cursor: str | None = None,
    limit: Limit = 30,
) -> Page[SessionBody]:
    """The conversations, the last used first."""
    found = await list_sessions(tx, who, query=_clean(q), after=_session_cursor(cursor), limit=limit + 1)
    page = found[:limit]
    more = f"{page[-1].updated_at.isoformat()}|{page[-1].id}" if len(found) > limit else None
    return Page(items=[_session(one) for one in page], next_cursor=more)


def _clean(query: str | None) -> str | None:
    """Words as they are stored: Hangul composed, which some systems hand over in pieces."""
    return unicodedata.normalize("NFC", query.replace("\x00", "").strip()) if query else None


def _session_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    moment, _, last = cursor.partition("|")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    last_id = decode_cursor(last)
    if at is None or at.tzinfo is None or last_id is None:
        raise BadRequest("cursor_invalid", "Use the `next_cursor` of the page before, unchanged.")
    return at, last_id


@router.get("/sessions/{session_id:uuid}", responses=problems(401, 404))
async def get_session(session_id: UUID, tx: ReadTx, who: Who) -> SessionBody:
    """One conversation."""
    return _session(await own_session(tx, who, session_id))


@router.put("/sessions/{session_id:uuid}", responses=problems(401, 404))
async def rename_session(session_id: UUID, body: SessionChange, tx: WriteTx, who: Who) -> SessionBody:
    """Rename a conversation."""
    session = await own_session(tx, who, session_id, lock=True)
    session.title = sessions.clean_title(body.title)
    return _session(session)


@router.delete("/sessions/{session_id:uuid}", status_code=204, responses=problems(401, 404))
async def delete_session(session_id: UUID, house: HouseDep, who: Who) -> None:
    """Delete a conversation with all its messages; an answer that is being written is stopped."""
    await sessions.delete_session(house, who, session_id)


@router.get("/sessions/{session_id:uuid}/messages", responses=problems(400, 401, 404))
async def get_messages(
    session_id: UUID, tx: ReadTx, who: Who, cursor: str | None = None, limit: Limit = 100
) -> Page[MessageBody]:
    """The messages of a conversation, the oldest first."""
    await own_session(tx, who, session_id)
    found = await list_messages(tx, session_id, after=decode_cursor(cursor), limit=limit + 1)
    page = list(found[:limit])
    more = str(page[-1].id) if len(found) > limit else None
    return Page(items=await _messages(tx, page), next_cursor=more)


@router.post(
    "/sessions/{session_id:uuid}/messages",
    status_code=202,
    responses=problems(401, 403, 404, 409, 429),
    openapi_extra=ASKING,
)
async def post_message(session_id: UUID, body: NewMessage, house: HouseDep, who: Who, key: Key = None) -> AcceptedBody:
    """Ask a question. Its answer is written whether anybody reads along or not."""
    question = Question(body.text, tuple(body.document_ids), body.model, body.agent)
    return _accepted(await asking.ask(house, who, session_id, question, key))


@router.post(
    "/sessions/{session_id:uuid}/messages/{message_id:uuid}/retry",
    status_code=202,
    responses=problems(401, 403, 404, 409, 429),
    openapi_extra=ASKING,
)
async def retry_message(session_id: UUID, message_id: UUID, house: HouseDep, who: Who) -> AcceptedBody:
    """Have a question answered again; the new answer replaces the old one."""
    return _accepted(await asking.ask_again(house, who, session_id, message_id))


@router.post(
    "/streaming",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The answer's events; see `GET /runs/{run_id:uuid}/events`.",
            "content": {"text/event-stream": {}},
        },
        **problems(401, 403, 404, 409, 429),
    },
    openapi_extra=ASKING,
)
async def post_streaming(body: StreamingQuestion, house: HouseDep, who: Who, key: Key = None) -> StreamingResponse:
    """Ask a question and read its answer in the same response; hanging up does not stop it."""
    await permit_reader(house, who)
    question = Question(body.question, tuple(body.document_ids), body.model, body.agent, body.scope_id)
    accepted = await asking.ask(house, who, body.session_id, question, key)
    return StreamingResponse(
        event_stream(house, who, accepted.opening, 0),
        media_type="text/event-stream",
        headers={
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Run-ID": str(accepted.run_id),
            "X-Session-ID": str(accepted.session_id),
        },
    )


def _session(session: ChatSession) -> SessionBody:
    return SessionBody.model_validate(session, from_attributes=True)


def _accepted(accepted: Accepted) -> AcceptedBody:
    return AcceptedBody.model_validate(accepted, from_attributes=True)


async def _messages(tx: Tx, rows: list[ChatMessage]) -> list[MessageBody]:
    """Bodies of messages; an answer whose run ended a moment ago is taken from the run."""
    waiting = [row.run_id for row in rows if row.status == "streaming" and row.run_id is not None]
    newer = {run_id: answers.answer_of(result) for run_id, result in (await results(tx, waiting)).items()}
    return [_message(row, newer.get(row.run_id, {}) if row.run_id else {}) for row in rows]


def _message(row: ChatMessage, newer: dict[str, Any]) -> MessageBody:
    shown = {name: newer.get(name, getattr(row, name)) for name in answers.ANSWERED}
    totals = msgspec.convert(shown.pop("usage"), Totals | None)
    usage = None
    if totals is not None:
        usage = {
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost": price(totals.cost_micros),
            "estimated": totals.estimated,
        }
    return MessageBody(
        id=row.id,
        session_id=row.session_id,
        role="user" if row.role == "user" else "assistant",
        reply_to=row.reply_to,
        run_id=row.run_id,
        model=totals.model if totals else None,
        usage=usage,
        created_at=row.created_at,
        **shown,
    )
