"""Every way to a model leads past the meter."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest
from sqlalchemy import text

from madang.features.providers.contracts import ChatRequest, Message
from madang.features.providers.public import ModelUnreachable, chat_model, embed, stream_chat
from madang.features.usage.public import Spender, booked
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.providers.conftest import Configure

type Ask = Callable[[House, Spender], Awaitable[object]]


async def _stream(house: House, spender: Spender) -> None:
    request = ChatRequest([Message("user", "What is a courtyard?")], model="openai/bench")
    async with aclosing(stream_chat(house, request, spender)) as chunks:
        async for _ in chunks:
            pass


async def _langchain(house: House, spender: Spender) -> None:
    await chat_model(house, "openai/bench", spender=spender).ainvoke("What is a courtyard?")


async def _embed(house: House, spender: Spender) -> None:
    await embed(house, ["마당", "뜰"], kind="passage", model="local/multilingual-e5-small", spender=spender)


async def rows(house: House, spender: Spender) -> list[Any]:
    await booked(house)
    statement = text("SELECT * FROM partner.usage WHERE account_id = :id")
    async with house.db.transaction() as tx:
        return list((await tx.execute(statement, {"id": spender.account_id})).all())


@pytest.mark.parametrize(
    ("ask", "kind", "model"),
    [
        (_stream, "chat", "openai/bench"),
        (_langchain, "chat", "openai/bench"),
        (_embed, "embedding", "local/multilingual-e5-small"),
    ],
    ids=["stream", "langchain", "embed"],
)
async def test_a_call_is_written_down_with_who_it_was_for(ask: Ask, kind: str, model: str, models_house: House):
    spender = Spender(new_id(), (new_id(),), new_id(), "assistant")
    await ask(models_house, spender)
    (row,) = await rows(models_house, spender)
    assert (row.kind, row.model, row.outcome, row.agent) == (kind, model, "ok", "assistant")
    assert (row.run_id, tuple(row.scope_path)) == (spender.run_id, spender.scope_path)
    assert row.input_tokens > 0
    assert row.output_tokens == (5 if kind == "chat" else 0)
    assert row.latency_ms >= 0


@pytest.mark.parametrize("ask", [_stream, _langchain, _embed], ids=["stream", "langchain", "embed"])
async def test_a_call_that_reaches_nobody_is_written_down_and_costs_nothing(
    ask: Ask, models_house: House, configure: Configure
):
    nowhere = "http://127.0.0.1:9/v1"
    configure(openai_base_url=nowhere, local_embeddings_url=nowhere, model_first_token_seconds=1, embedding_seconds=1)
    spender = Spender(new_id())
    with pytest.raises(ModelUnreachable):
        await ask(models_house, spender)
    (row,) = await rows(models_house, spender)
    assert (row.outcome, row.input_tokens, row.output_tokens, row.cost) == ("failed", 0, 0, 0)
