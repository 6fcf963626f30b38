"""A streamed answer, whole or with one clear error, and gone at once when nobody wants it."""

import asyncio
import socket
import time
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from multidict import CIMultiDict

from madang.features.providers.public import (
    ChatRequest,
    Message,
    ModelCutOff,
    ModelNonsense,
    ModelRefused,
    ModelTimeout,
    ModelUnknown,
    ModelUnreachable,
    stream_chat,
)
from madang.features.providers.service import client
from madang.kernel.jobs import spawn
from tests.pace import ticking

QUESTION = [Message("user", "옛날이야기 하나 해 주세요.")]


async def listen(house, model=None, **request):
    """All chunks of an answer, and the text heard before an error."""
    chunks = []
    try:
        async with aclosing(stream_chat(house, ChatRequest(QUESTION, model, **request))) as stream:
            async for chunk in stream:
                chunks.append(chunk)  # noqa: PERF401  # what came before an error counts
    except Exception as error:
        error.heard = "".join(chunk.text for chunk in chunks)
        raise
    return chunks


def words(count):
    return "".join(f"tok{number} " for number in range(count))


async def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("script", ["tokens=300&rate=0", "tokens=30&rate=300", "tokens=40&rate=0&split=7", "tokens=0"])
async def test_every_word_comes_once_and_the_usage_last(models_house, script):
    count = int(script.split("&")[0].removeprefix("tokens="))
    chunks = await listen(models_house, f"openai/bench?{script}")
    assert "".join(chunk.text for chunk in chunks) == words(count)
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    last = chunks[-1]
    assert last.finish_reason == "stop"
    assert (last.usage.output_tokens, last.usage.estimated, last.usage.cost_micros) == (count, False, None)


async def test_what_comes_together_is_one_chunk(models_house):
    chunks = await listen(models_house, "openai/bench?tokens=500&rate=0")
    assert len(chunks) < 100


async def test_korean_survives_being_cut_anywhere(models_house):
    text = "마당은 모든 방이 열리는 곳입니다 🏡"
    for split in (1, 2, 3, 5):
        chunks = await listen(models_house, f"openai/bench?text={text}&rate=0&split={split}")
        assert "".join(chunk.text for chunk in chunks) == text


async def test_thinking_aloud_is_apart_from_the_answer(models_house):
    chunks = await listen(models_house, "openai/bench?reasoning=3&tokens=2&rate=0")
    assert "".join(chunk.reasoning for chunk in chunks) == "hm0 hm1 hm2 "
    assert "".join(chunk.text for chunk in chunks) == words(2)


async def test_without_a_count_the_usage_is_a_marked_guess(models_house):
    usage = (await listen(models_house, "openai/bench?tokens=20&rate=0&usage=0"))[-1].usage
    assert usage.estimated
    assert 20 <= usage.output_tokens <= 60
    assert usage.input_tokens > 5


@pytest.mark.parametrize("left_out", ["done=0", "finish=0"])
async def test_one_sign_of_the_end_is_enough(models_house, left_out):
    chunks = await listen(models_house, f"openai/bench?tokens=3&rate=0&{left_out}")
    assert "".join(chunk.text for chunk in chunks) == words(3)


async def test_what_is_sent(models_house, upstream):
    await listen(models_house, temperature=0.5, max_tokens=9, stop=["\n"], json_schema={"type": "object"})
    body = upstream.bodies[-1]
    assert body["messages"] == [{"role": "user", "content": QUESTION[0].content}]
    assert (body["temperature"], body["max_tokens"], body["stop"]) == (0.5, 9, ["\n"])
    assert body["stream_options"] == {"include_usage": True}
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert upstream.headers[-1]["Authorization"] == "Bearer sk-secret"
    await listen(models_house, "local/gemma3-270m")
    assert "Authorization" not in upstream.headers[-1]


@pytest.mark.parametrize(
    ("script", "error", "heard"),
    [
        ("status=401", ModelRefused, ""),
        ("status=403", ModelRefused, ""),
        ("status=404", ModelRefused, ""),
        ("status=400", ModelRefused, ""),
        ("status=302", ModelRefused, ""),
        ("status=429&retry_after=999", ModelRefused, ""),
        ("status=429&code=insufficient_quota", ModelRefused, ""),
        ("nonsense=html", ModelNonsense, ""),
        ("nonsense=json", ModelNonsense, ""),
        ("nonsense=types", ModelNonsense, ""),
        ("nonsense=words", ModelNonsense, ""),
        ("nonsense=endless", ModelNonsense, ""),
        ("rate=200&tokens=9&cut_after=4", ModelCutOff, words(4)),
        ("rate=200&tokens=9&close_after=4", ModelCutOff, words(4)),
        ("rate=200&tokens=9&error_after=4", ModelCutOff, words(4)),
    ],
)
async def test_each_wrong_has_its_error(models_house, upstream, script, error, heard):
    model = f"openai/bench?{script}"
    with pytest.raises(error) as caught:
        await listen(models_house, model)
    assert caught.value.heard == heard, "what came before an error was passed on"
    assert "sk-secret" not in caught.value.detail
    assert upstream.calls.total() == 1, "what will not pass is not tried again, and nothing is after the first token"
    await until(lambda: upstream.live == 0)


@pytest.mark.parametrize("script", ["cut_after=0", "close_after=0", "error_after=0", "status=503", "status=500"])
async def test_before_the_first_word_it_is_tried_again(models_house, upstream, configure, monkeypatch, script):
    monkeypatch.setattr("madang.features.providers.service.client.FIRST_WAIT_SECONDS", 0.01)
    with pytest.raises((ModelUnreachable, ModelRefused)):
        await listen(models_house, f"openai/bench?tokens=5&{script}")
    assert upstream.calls.total() == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
async def test_a_passing_failure_passes(models_house, upstream, monkeypatch, status):
    monkeypatch.setattr("madang.features.providers.service.client.FIRST_WAIT_SECONDS", 0.01)
    chunks = await listen(models_house, f"openai/bench?tokens=3&status={status}&times=2")
    assert "".join(chunk.text for chunk in chunks) == words(3)
    assert upstream.calls.total() == 3


async def test_it_waits_as_long_as_it_is_asked_to(models_house, monkeypatch):
    monkeypatch.setattr("madang.features.providers.service.client.FIRST_WAIT_SECONDS", 0.01)
    began = time.monotonic()
    async with ticking() as clock:
        await listen(models_house, "openai/bench?tokens=1&status=429&times=1&retry_after=0.4")
        assert clock.seconds() < 2
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": "Tue, 01 Dec 2026 00:00:30 GMT"}, 30),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_a_wish_to_wait_is_read_in_each_of_its_forms(monkeypatch, headers, seconds):
    monkeypatch.setattr(client, "now", lambda: datetime(2026, 12, 1, tzinfo=UTC))
    assert client._retry_after(SimpleNamespace(headers=CIMultiDict(headers))) == seconds


async def test_nobody_there(models_house, configure, monkeypatch):
    monkeypatch.setattr("madang.features.providers.service.client.FIRST_WAIT_SECONDS", 0.01)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        configure(openai_base_url=f"http://127.0.0.1:{probe.getsockname()[1]}")
        with pytest.raises(ModelUnreachable):
            await listen(models_house)


@pytest.mark.parametrize(
    ("script", "heard"),
    [("headers_ms=9000", ""), ("first_ms=9000", ""), ("rate=200&tokens=9&stall_after=4", words(4))],
)
async def test_silence_ends(models_house, upstream, configure, script, heard):
    configure(model_first_token_seconds=0.3, model_between_tokens_seconds=0.3)
    async with ticking() as clock:
        with pytest.raises(ModelTimeout) as caught:
            await listen(models_house, f"openai/bench?{script}")
        assert clock.seconds() < 2
    assert caught.value.heard == heard
    await until(lambda: upstream.live == 0)


async def test_a_slow_but_steady_answer_is_none(models_house, configure):
    configure(model_first_token_seconds=1, model_between_tokens_seconds=1)
    chunks = await listen(models_house, "openai/bench?tokens=6&rate=4")
    assert "".join(chunk.text for chunk in chunks) == words(6)


async def test_stopping_closes_the_connection_at_once(models_house, upstream):
    delays = []

    async def one():
        with suppress(asyncio.CancelledError):
            await listen(models_house, "openai/bench?tokens=2000&rate=50")

    tasks = [spawn(one(), "reader") for _ in range(50)]
    await until(lambda: upstream.live == 50)
    for number, task in enumerate(tasks):
        asked = time.monotonic()
        task.cancel()
        await until(lambda left=49 - number: upstream.live <= left)
        delays.append(time.monotonic() - asked)
    assert sorted(delays)[47] < 0.5


async def test_leaving_the_loop_closes_the_connection(models_house, upstream):
    async with aclosing(stream_chat(models_house, ChatRequest(QUESTION, "openai/bench?tokens=900&rate=50"))) as chunks:
        async for _ in chunks:
            break
    await until(lambda: upstream.live == 0, 10)  # of the eighteen seconds that the answer would take


async def test_a_finished_answer_gives_its_connection_back(models_house, upstream):
    for _ in range(5):
        await listen(models_house)
    assert upstream.live == 0
    assert upstream.calls.total() == 5


async def test_the_built_in_model_has_few_places(models_house, upstream, configure):
    configure(local_model_slots=2, default_model="local/gemma3-270m")
    upstream.tokens, upstream.rate = 10, 100
    await asyncio.gather(*[listen(models_house) for _ in range(6)])
    assert upstream.total == 6
    assert upstream.peak == 2


async def test_the_queue_for_the_built_in_model_ends_too(models_house, upstream, configure):
    configure(local_model_slots=1, local_model_queue_seconds=0.2, default_model="local/gemma3-270m")
    upstream.tokens, upstream.rate = 1000, 50
    first = spawn(listen(models_house), "reader")
    await until(lambda: upstream.live == 1)
    with pytest.raises(ModelTimeout):
        await listen(models_house)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first


@pytest.mark.parametrize(
    "name", ["gpt-5", "anthropic/claude", "openai/", "local/other", "/", "x" * 500, "openai/a\0b", "openai/a\nb"]
)
async def test_unknown_models_have_no_answer(models_house, name):
    with pytest.raises(ModelUnknown) as caught:
        await listen(models_house, name)
    assert caught.value.status == 422


async def test_models_that_are_not_set_up_say_what_is_missing(models_house, configure):
    configure(openai_api_key=None, openai_base_url=None, local_models_url=None)
    with pytest.raises(ModelUnreachable, match="OPENAI_API_KEY"):
        await listen(models_house, "openai/gpt-5")
    with pytest.raises(ModelUnreachable, match="MADANG_LOCAL_MODELS_URL"):
        await listen(models_house, "local/gemma3-270m")
