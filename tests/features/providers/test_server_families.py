"""Every family of servers: what it streams arrives whole, and what fails says why."""

from contextlib import aclosing

import pytest

from madang.features.providers.public import ChatRequest, Message, ModelRefused, stream_chat, upstream_message
from madang.kernel.errors import Problem
from tests.features.providers.server_families import ANSWERS, CALLS, DONE, FAILURES, chunk, said, sse


async def listen(house, **request):
    chunks = []
    text = reasoning = ""
    error = None
    try:
        async with aclosing(stream_chat(house, ChatRequest([Message("user", "?")], **request))) as stream:
            async for one in stream:
                chunks.append(one)
                if one.retracts:
                    reasoning, text = reasoning + text, ""
                text += one.text
                reasoning += one.reasoning
    except Problem as caught:
        error = caught
    return text, reasoning, chunks, error


def as_script(raw):
    return {"raw": raw if "\xff" in raw else raw.encode("utf-8", "surrogatepass").decode("latin-1")}


@pytest.mark.parametrize("split", [None, 3])
@pytest.mark.parametrize("row", ANSWERS)
async def test_an_answer_of_every_family_arrives_whole(models_house, upstream, row, split):
    raw, text, reasoning, finish = ANSWERS[row]
    upstream.script = {**as_script(raw), **({"split": str(split)} if split else {})}
    heard, thought, chunks, error = await listen(models_house)
    assert error is None
    assert (thought, chunks[-1].finish_reason) == (reasoning, finish)
    assert heard == ("안녕\ufffd" if text is None else text)
    assert [one.usage is not None for one in chunks] == [False] * (len(chunks) - 1) + [True]


@pytest.mark.parametrize("row", FAILURES)
async def test_a_failure_of_every_family_says_what_happened(models_house, upstream, configure, row):
    configure(model_retries=0)
    raw, error, text, message = FAILURES[row]
    upstream.script = as_script(raw)
    heard, _, _, caught = await listen(models_house)
    assert heard == text
    assert caught.code == error if isinstance(error, str) else isinstance(caught, error)
    assert message in upstream_message(caught)
    assert not message or message not in caught.detail, "a server's own words are for the operator"


@pytest.mark.parametrize("row", CALLS)
async def test_tool_calls_of_every_family_are_told_apart(models_house, upstream, row):
    events, calls = CALLS[row]
    upstream.script = as_script(sse(said("안녕"), *events, chunk(finish="tool_calls"), DONE))
    heard, _, chunks, error = await listen(models_house)
    assert (heard, error, chunks[-1].finish_reason) == ("안녕", None, "tool_calls")
    joined = {}
    for part in (part for one in chunks for part in one.tool_calls):
        call_id, name, arguments = joined.get(part.index, ("", "", ""))
        joined[part.index] = (call_id + (part.id or ""), name + (part.name or ""), arguments + part.arguments)
    assert list(joined.values()) == calls


async def test_what_a_server_refuses_to_take_is_left_out_and_remembered(models_house, upstream):
    upstream.script = {"refuses": "max_tokens,temperature"}
    for _ in range(2):
        _, _, _, error = await listen(models_house, max_tokens=9, temperature=0.5)
        assert error is None
    assert upstream.calls["bench"] == 4, "two refusals, and none at the second question"
    assert upstream.bodies[-1]["max_completion_tokens"] == 9
    assert not {"max_tokens", "temperature"} & upstream.bodies[-1].keys()


async def test_a_refusal_of_the_limit_under_both_names_is_told(models_house, upstream):
    upstream.script = {"refuses": "max_tokens,max_completion_tokens"}
    _, _, _, error = await listen(models_house, max_tokens=9)
    assert isinstance(error, ModelRefused)
    assert upstream.calls["bench"] == 2


async def test_a_query_in_the_base_url_stays_behind_the_path(models_house, upstream, configure):
    configure(openai_base_url=f"{upstream.url}?api-version=2026-01-01")
    _, _, _, error = await listen(models_house)
    assert error is None
    assert upstream.paths[-1] == "/v1/chat/completions?api-version=2026-01-01"
    assert upstream.headers[-1]["api-key"] == "sk-secret"


@pytest.mark.parametrize(
    ("status", "place", "works"),
    [
        (308, "/v1/moved/chat/completions", True),
        (307, "/v1/moved/chat/completions", True),
        (302, "/v1/moved/chat/completions", False),
        (308, "http://elsewhere.example/v1", False),
    ],
)
async def test_a_redirect_is_followed_only_within_the_server(models_house, upstream, status, place, works):
    upstream.script = {"status": str(status), "location": place, "times": "1"}
    heard, _, _, error = await listen(models_house)
    assert (error is None) == works
    assert bool(heard) == works
    assert works or "OPENAI_BASE_URL" in error.detail


async def test_a_packed_stream_is_read(models_house, upstream):
    upstream.script = {"packed": "1", "tokens": "3"}
    heard, _, _, error = await listen(models_house)
    assert (heard, error) == ("tok0 tok1 tok2 ", None)
