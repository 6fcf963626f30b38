"""Servers that lie, flood and stammer: one clear end each, a bounded memory, and a count that can be true."""

import base64
import json
import struct

import pytest
from structlog.testing import capture_logs

from madang.features.providers.public import ModelCutOff, ModelNonsense, ModelRefused, ModelTimeout, embed
from madang.features.providers.service import streaming
from madang.features.providers.service.chunk_decoder import MOST_TOKENS
from madang.features.providers.service.event_stream import LINE_BYTES, EventStream
from tests.features.providers.test_streaming import listen, words


def event(delta, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": more.pop("finish", None)}
    return f"data: {json.dumps({'choices': [choice], **more})}\n\n"


def latin(text):
    """Text as the stand-in's script carries bytes."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    "counts",
    [
        '{"prompt_tokens": -5, "completion_tokens": 7}',
        '{"prompt_tokens": 5, "completion_tokens": -7}',
        '{"prompt_tokens": 5, "completion_tokens": 99999999999999999999999999}',
        f'{{"prompt_tokens": {MOST_TOKENS + 1}, "completion_tokens": 1}}',
        '{"prompt_tokens": 1e300, "completion_tokens": 1}',
        '{"prompt_tokens": null, "completion_tokens": null}',
        '{"prompt_tokens": "many", "completion_tokens": 1}',
        '{"prompt_tokens": [], "completion_tokens": {}}',
        '{"prompt_tokens": 5, "completion_tokens": 0}',
        '"free of charge"',
        "-1",
        "[]",
        "{}",
        "null",
    ],
)
async def test_a_count_that_cannot_be_true_costs_no_answer_and_is_guessed(models_house, upstream, counts):
    upstream.script = {"tokens": "20", "counts": counts}
    chunks = await listen(models_house)
    assert "".join(chunk.text for chunk in chunks) == words(20)
    usage = chunks[-1].usage
    assert usage.estimated
    assert 20 <= usage.output_tokens <= 60
    assert 5 < usage.input_tokens < 100
    assert usage.cached_tokens == 0


@pytest.mark.parametrize(
    ("counts", "cached"),
    [
        ('{"prompt_tokens": "9", "completion_tokens": 7.0}', 0),
        ('{"prompt_tokens": 9, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}', 4),
        ('{"prompt_tokens": 9, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 400}}', 9),
        ('{"prompt_tokens": 9, "completion_tokens": 7, "prompt_tokens_details": null}', 0),
    ],
)
async def test_a_count_that_can_be_true_is_believed_however_it_is_written(models_house, upstream, counts, cached):
    upstream.script = {"tokens": "7", "counts": counts}
    usage = (await listen(models_house))[-1].usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.estimated) == (9, 7, cached, False)


async def test_the_last_count_that_can_be_true_holds(models_house, upstream):
    said = event({"content": "tok0 "}, usage={"prompt_tokens": 9, "completion_tokens": 1})
    said += event({"content": "tok1 "}, usage={"prompt_tokens": 9, "completion_tokens": 2})
    said += event({}, finish="stop", usage={"prompt_tokens": -9, "completion_tokens": -2})
    upstream.script = {"raw": said}
    usage = (await listen(models_house))[-1].usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (9, 2, False)


async def test_what_a_model_never_counted_and_only_called_tools_for_is_guessed_too(models_house):
    tools = [{"type": "function", "function": {"name": "weather", "description": "for a city " * 50}}]
    plain = (await listen(models_house, "openai/bench?tokens=0&usage=0"))[-1].usage
    usage = (await listen(models_house, "openai/bench?tokens=0&tool=weather&usage=0", tools=tools))[-1].usage
    assert usage.output_tokens > 0
    assert usage.input_tokens > plain.input_tokens + 100


async def test_tools_that_nobody_offered_are_passed_on_and_the_answer_ends(models_house):
    chunks = await listen(models_house, "openai/bench?tokens=2&rate=0&tool=rm_rf")
    assert "".join(chunk.text for chunk in chunks) == words(2)
    assert [part.name for chunk in chunks for part in chunk.tool_calls if part.name] == ["rm_rf"]
    assert chunks[-1].finish_reason == "tool_calls"


async def test_the_character_that_no_text_column_takes_is_dropped_everywhere(models_house, upstream):
    call = {"index": 0, "id": "c\0", "function": {"name": "t\0", "arguments": '{"a"\0:1}'}}
    said = event({"content": "마\0당"}) + event({"reasoning_content": "h\0m"}) + event({"tool_calls": [call]})
    upstream.script = {"raw": said + event({}, finish="stop")}
    chunks = await listen(models_house)
    assert "".join(chunk.text for chunk in chunks) == "마당"
    assert "".join(chunk.reasoning for chunk in chunks) == "hm"
    (part,) = [part for chunk in chunks for part in chunk.tool_calls]
    assert (part.id, part.name, part.arguments) == ("c", "t", '{"a":1}')


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (
            latin(event({"content": "x"})) + 'data: {"choices": [{"delta": {"content": "' + latin("마")[:2],
            ModelCutOff,
        ),
        (latin(event({"content": "x"})) + latin("마")[:2] + "\n" + latin("마")[2:] + "\n", ModelCutOff),
        ('{"error": {"message": "no such engine", "code": 404}}', ModelRefused),
        ("HTTP/1.1 200 OK\r\n\r\n", ModelNonsense),
        (event({"content": "x"}) + 'data: {"choices": 7}\n\n', ModelNonsense),
        (event({"content": "x"}) + "data: [1, 2]\n\n", ModelNonsense),
        (event({"content": "x"}), ModelCutOff),
        (event({"content": "x"}) + 'data: {"error": "\\u0000"}\n\n', ModelCutOff),
        (event({"content": "x"}) + "data: {}\n\n" * 1000, ModelCutOff),
    ],
    ids=[
        *("cut within a character", "a character in two lines", "an error instead of a stream", "headers twice"),
        *("no choices", "a list", "no finish", "an error without words", "nothing, often"),
    ],
)
async def test_nonsense_after_a_word_has_a_clear_end(models_house, upstream, raw, error):
    upstream.script = {"raw": raw}
    with pytest.raises(error) as caught:
        await listen(models_house)
    assert caught.value.heard == ("x" if '"x"' in raw else "")


async def test_an_answer_without_an_end_is_ended(models_house, upstream, monkeypatch):
    monkeypatch.setattr(streaming, "MOST_CHARACTERS", 1_000_000)
    upstream.script = {"tokens": "3", "flood_after": "2"}
    with pytest.raises(ModelNonsense, match="without an end") as caught:
        await listen(models_house)
    assert len(caught.value.heard) < 1_300_000


async def test_saying_that_one_is_still_there_is_no_answer(models_house, upstream, configure):
    configure(model_between_tokens_seconds=0.3)
    upstream.script = {"tokens": "3", "ping_after": "2"}
    with pytest.raises(ModelTimeout) as caught:
        await listen(models_house)
    assert caught.value.heard == words(2)


async def test_what_unpacks_to_a_hundred_times_its_size_comes_in_small_pieces(models_house, upstream, monkeypatch):
    taken = []
    real = EventStream.take

    def take(self, data):
        taken.append(len(data))
        return real(self, data)

    monkeypatch.setattr(EventStream, "take", take)
    upstream.script = {"gzip": "60000000"}
    with pytest.raises(ModelNonsense):
        await listen(models_house)
    assert sum(taken) < 4 * LINE_BYTES


def test_a_line_that_comes_byte_by_byte_is_not_joined_each_time():
    reader = EventStream()
    for _ in range(300_000):
        reader.take(b"x")
    assert "without an end" in reader.take(b"x" * LINE_BYTES).broken


@pytest.mark.parametrize("wish", ["-5", "nan", "-inf", "soon", "Sat, 21 Nov 2026 14:00:00 GMT", "1e-9", ""])
async def test_a_strange_wish_to_wait_is_not_granted(models_house, upstream, monkeypatch, wish):
    monkeypatch.setattr("madang.features.providers.service.client.FIRST_WAIT_SECONDS", 0.01)
    upstream.script = {"tokens": "1", "status": "503", "times": "1", "retry_after": wish}
    chunks = await listen(models_house)
    assert "".join(chunk.text for chunk in chunks) == words(1)


def packed(*numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    "vector",
    [
        packed(float("nan"), 1.0),
        packed(float("inf"), 1.0),
        packed(0.0, 0.0),
        [0.0, 0.0],
        [1.7e308, 1.7e308],
        "not base64",
        base64.b64encode(b"abc").decode(),
        [],
        [None],
        {"x": 1},
    ],
    ids=str,
)
async def test_vectors_that_point_nowhere_are_refused(models_house, upstream, vector):
    upstream.script = {"raw": json.dumps({"data": [{"embedding": vector, "index": 0}]})}
    with pytest.raises(ModelNonsense):
        await embed(models_house, ["a"], model="openai/e")


async def test_long_vectors_are_made_as_long_as_all_others(models_house, upstream):
    upstream.script = {"raw": json.dumps({"data": [{"embedding": [3e30, 4e30], "index": 0}]})}
    assert (await embed(models_house, ["a"], model="openai/e")).vectors == [[pytest.approx(0.6), pytest.approx(0.8)]]


@pytest.mark.parametrize("counts", ['{"prompt_tokens": -1}', '{"prompt_tokens": 1e99}', '"x"', "7", "null"])
async def test_a_wrong_count_costs_no_vectors(models_house, upstream, counts):
    upstream.script = {"counts": counts}
    assert len((await embed(models_house, ["a", "b"], model="openai/e")).vectors) == 2


async def test_an_answer_larger_than_any_vectors_is_not_taken_in(models_house, upstream):
    upstream.script = {"raw": " " * 600_000}
    with pytest.raises(ModelNonsense, match="longer than any"):
        await embed(models_house, ["a"], model="openai/e")


@pytest.mark.parametrize("script", ["status=401", "tokens=9&rate=0&error_after=3"])
async def test_a_key_that_a_server_repeats_is_in_no_log(models_house, script):
    with capture_logs() as logged, pytest.raises((ModelRefused, ModelCutOff)):
        await listen(models_house, f"openai/bench?{script}")
    assert [entry for entry in logged if "no … here" in str(entry.get("said"))]
    assert "sk-secret" not in str(logged)
