"""Texts to vectors."""

import math

import pytest

from madang.features.providers.public import ModelNonsense, ModelRefused, ModelUnknown, embed
from madang.kernel.jobs import spawn


async def test_vectors_keep_the_order_of_their_texts(models_house, upstream, configure):
    configure(embedding_batch=4)
    texts = ["글" * length for length in range(1, 31)]
    batch = await embed(models_house, texts, kind="passage")
    assert (batch.model, batch.dimension, len(batch.vectors)) == ("local/multilingual-e5-small", 384, 30)
    # The stand-in's vectors begin with the text's length, and rise by as much from number to number as all others do.
    assert [round(one[0] / (one[1] - one[0]) / 10) for one in batch.vectors] == list(range(1, 31))
    assert all(math.hypot(*one) == pytest.approx(1) for one in batch.vectors)
    assert upstream.calls.total() == 8
    assert {body["kind"] for body in upstream.bodies} == {"passage"}


async def test_nothing_is_nothing(models_house, upstream):
    assert (await embed(models_house, [])).vectors == []
    assert upstream.calls.total() == 0


async def test_plain_numbers_and_base64_are_the_same(models_house):
    one = await embed(models_house, ["x"], model="openai/e?base64=0&dimension=3")
    other = await embed(models_house, ["x"], model="openai/e?dimension=3")
    assert one.vectors[0] == pytest.approx(other.vectors[0])


async def test_few_requests_at_once_and_questions_first(models_house, configure, upstream):
    configure(embedding_batch=1, embedding_requests=2)
    upstream.script = {"headers_ms": "50"}
    passages = spawn(embed(models_house, list("abcdef"), kind="passage"), "passages")
    await embed(models_house, ["?"], kind="query")
    assert not passages.done(), "three rounds of passages take three times as long as the question"
    assert len((await passages).vectors) == 6
    assert upstream.peak == 3


async def test_a_passing_failure_passes(models_house, upstream, monkeypatch):
    monkeypatch.setattr("madang.features.providers.service.client.FIRST_WAIT_SECONDS", 0.01)
    assert len((await embed(models_house, ["a"], model="openai/e?status=503&times=2")).vectors) == 1
    assert upstream.calls.total() == 3


async def test_vectors_of_another_length_are_refused(models_house, upstream):
    upstream.script = {"dimension": "12"}
    with pytest.raises(ModelNonsense):
        await embed(models_house, ["a"])
    await embed(models_house, ["a"], model="openai/e")
    upstream.script = {"dimension": "13"}
    with pytest.raises(ModelNonsense):
        await embed(models_house, ["a"], model="openai/e")


async def test_too_few_vectors_and_refusals(models_house):
    with pytest.raises(ModelNonsense):
        await embed(models_house, ["a", "b"], model="openai/e?drop=1")
    with pytest.raises(ModelRefused):
        await embed(models_house, ["a"], model="openai/e?status=401")
    with pytest.raises(ModelUnknown):
        await embed(models_house, ["a"], model="word2vec")
