"""The protocol as bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.features.providers.contracts import ChatRequest, Message, ModelInfo
from madang.features.providers.service.event_stream import EventStream
from madang.features.providers.service.models import chat_route, find_model
from madang.features.providers.service.tokens import cost, estimate_tokens
from madang.features.providers.service.wire import request_body
from madang.features.providers.settings import ProviderSettings


def written(texts, line_end):
    events = [{"id": "x", "choices": [{"index": 0, "delta": {"content": text}}], "extra": [1]} for text in texts]
    lines = [f"data: {json.dumps(event, ensure_ascii=number % 2 == 0)}" for number, event in enumerate(events)]
    return (line_end * 2).join([": hello", "event: message", *lines, "data:[DONE]", ""]).encode()


@given(st.lists(st.text(max_size=20), max_size=8), st.data(), st.sampled_from(["\n", "\r\n"]))
def test_wherever_it_is_cut_the_text_is_the_same(texts, data, line_end):
    stream = written(texts, line_end)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = EventStream()
    batches = [reader.take(stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    batches.append(reader.finish())
    assert "".join(batch.text for batch in batches) == "".join(texts).replace("\0", "")
    assert any(batch.done for batch in batches)


@given(st.lists(st.text(max_size=20), max_size=4), st.data(), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_that_ends_anywhere_was_cut_off_and_is_no_nonsense(texts, data, line_end):
    stream = written(texts, line_end).partition(b"data: ")
    stream = b"".join(stream[1:])
    reader = EventStream()
    heard = reader.take(stream[: data.draw(st.integers(0, len(stream)))]).text + reader.finish().text
    assert "".join(texts).replace("\0", "").startswith(heard)


@pytest.mark.parametrize("stream", [b"<html>", b'{"no": "error"}', b"data: hello", b"data: <html>"])
def test_what_was_never_the_protocol_is_nonsense_also_at_the_end(stream):
    reader = EventStream()
    assert reader.take(stream).broken or reader.finish().broken


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(stream):
    reader = EventStream()
    reader.take(stream)
    reader.finish()


def test_null_where_servers_write_null():
    event = '{"choices":[{"delta":{"content":null,"tool_calls":null},"finish_reason":null}],"usage":null,"error":null}'
    batch = EventStream().take(f"data: {event}\n\n".encode())
    assert not batch.says_something
    assert (batch.error, batch.counted, batch.finish_reason) == (None, None, None)


def settings(**given):
    return ProviderSettings(**{"openai_api_key": "sk-x", "openai_base_url": None, "default_model": None, **given})


def test_gpt5_is_asked_only_for_what_it_knows():
    request = ChatRequest([Message("user", "?")], "openai/gpt-5", temperature=0.0, max_tokens=5, stop=["\n"])
    body = json.loads(request_body(request, chat_route(settings(), "openai/gpt-5")))
    assert body["max_completion_tokens"] == 5
    assert not {"temperature", "stop", "max_tokens"} & body.keys()
    body = json.loads(request_body(request, chat_route(settings(openai_base_url="http://x/v1"), "openai/gpt-5")))
    assert (body["max_tokens"], body["temperature"]) == (5, 0.0)


def test_the_default_follows_the_set_up():
    assert find_model(settings(), None).id == "openai/gpt-5"
    assert find_model(settings(openai_api_key=None, local_models_url="http://x"), None).id == "local/gemma3-270m"
    assert find_model(settings(default_model="openai/other"), None).input_price is None


@pytest.mark.parametrize(
    ("model", "tokens_in", "tokens_out", "micros"),
    [
        ("openai/gpt-5", 1_000_000, 1_000_000, 11_250_000),
        ("openai/gpt-4o", 1000, 100, 3500),
        ("openai/gpt-4o-mini", 1, 0, 1),
        ("local/gemma3-270m", 10**6, 10**6, 0),
        ("openai/unheard-of", 10, 10, None),
    ],
)
def test_cost_is_rounded_up_to_a_millionth(model, tokens_in, tokens_out, micros):
    assert cost(find_model(settings(), model), tokens_in, tokens_out) == micros


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**8), st.integers(0, 10**8))
def test_cost_is_never_less_than_the_price(tokens_in, tokens_out, price_in, price_out):
    info = ModelInfo("x/y", "y", 1, price_in, price_out, built_in=False, available=True)
    exact = tokens_in * price_in + tokens_out * price_out
    assert exact <= cost(info, tokens_in, tokens_out) * 1_000_000 < exact + 1_000_000


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one, other):
    assert estimate_tokens(one + other) >= max(estimate_tokens(one), estimate_tokens(other)) - 1
