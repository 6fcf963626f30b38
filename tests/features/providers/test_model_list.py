"""A compatible server's models: as it lists them, at no price but known ones, and kept while it is away."""

import asyncio

import pytest

from madang.adapters.opening import open_house
from madang.features.providers.public import (
    ModelRefused,
    ModelUnknown,
    list_models,
    model_info,
    price_of,
    require_model,
)
from madang.features.providers.service import model_list
from madang.features.providers.service.model_list import open_model_list, read_models
from madang.features.usage.public import FREE
from tests.features.providers.test_streaming import listen, until

LISTED = [
    {"id": "qwen3:8b", "max_model_len": 40_960},
    "gpt-4o-mini",
    "text-embedding-nomic",
    {"id": "mistral-ocr", "capabilities": {"completion_chat": False}},
    {"id": "bge", "type": "embedding"},
]


async def ids(house):
    return [info.id for info in (await list_models(house))[0]]


async def test_the_list_is_the_servers_own(house, configure, upstream):
    configure(default_model=None)
    upstream.listed = LISTED
    infos, default = await list_models(house)
    assert [info.id for info in infos] == ["openai/qwen3:8b", "openai/gpt-4o-mini", "local/gemma3-270m"]
    assert default == "openai/gpt-4o-mini", "the default of ours that it has"
    assert infos[0].context_tokens == 40_960
    assert infos[0].available


async def test_a_name_that_openai_has_too_has_not_its_price(house, configure, upstream):
    upstream.listed = LISTED
    await list_models(house)
    info = model_info(house, "openai/gpt-4o-mini")
    assert (info.input_price, info.output_price, info.context_tokens) == (None, None, 128_000)
    assert price_of(house, "openai/gpt-4o-mini") == FREE
    configure(model_prices={"openai/gpt-4o-mini": {"input": 7, "output": 8}})
    assert model_info(house, "openai/gpt-4o-mini").input_price == 7


async def test_what_is_not_listed_is_refused_unless_the_settings_name_it(house, configure, upstream):
    upstream.listed = LISTED
    configure(default_model="openai/hidden", model_prices={"openai/priced": {"input": 1}})
    await list_models(house)
    for name in ("openai/qwen3:8b", "openai/text-embedding-nomic", "openai/hidden", "openai/priced", None):
        require_model(house, name)
    for name in ("openai/gpt-5", "openai/qwen3", "openai/QWEN3:8B"):
        with pytest.raises(ModelUnknown):
            require_model(house, name)


async def test_a_default_that_the_server_has_not_got_gives_way_to_the_first_it_has(house, configure, upstream):
    upstream.listed = ["embed-1", "qwen3:8b", "gemma"]
    configure(default_model="openai/gone")
    assert (await list_models(house))[1] == "openai/qwen3:8b"
    assert model_info(house, None).id == "openai/qwen3:8b"
    await listen(house)
    assert upstream.bodies[-1]["model"] == "qwen3:8b"


@pytest.mark.parametrize("listed", [404, 500, []])
async def test_without_a_list_every_name_is_taken(house, configure, upstream, listed):
    upstream.listed = listed
    configure(default_model=None)
    assert await ids(house) == ["openai/gpt-5", "local/gemma3-270m"]
    require_model(house, "openai/anything")


async def test_the_settings_may_say_what_there_is(house, configure, upstream):
    configure(openai_models=("my-deployment",), default_model=None)
    assert await ids(house) == ["openai/my-deployment", "local/gemma3-270m"]
    assert (await list_models(house))[1] == "openai/my-deployment"
    assert upstream.listings == 0
    with pytest.raises(ModelUnknown):
        require_model(house, "openai/gpt-5")


async def test_many_at_once_ask_once_and_an_old_list_is_renewed_beside(house, configure, upstream, monkeypatch):
    upstream.listed = ["one"]
    configure(default_model=None)
    found = await asyncio.gather(*(ids(house) for _ in range(20)))
    assert upstream.listings == 1
    assert found == [["openai/one", "local/gemma3-270m"]] * 20
    monkeypatch.setattr(model_list, "FRESH_SECONDS", 0.0)
    upstream.listed = ["two"]
    assert await ids(house) == ["openai/one", "local/gemma3-270m"], "nobody waits for the new one"
    models = house.opened(open_model_list)
    await until(lambda: models.listing.models[0].name == "two")


async def test_a_model_that_the_server_says_it_has_not_is_told_and_the_list_asked_for_again(
    house, configure, upstream, monkeypatch
):
    upstream.listed = ["one", "gone"]
    configure(default_model=None)
    await ids(house)
    monkeypatch.setattr(model_list, "RETRY_SECONDS", 0.0)
    upstream.listed = ["one"]
    upstream.script = {"status": "404", "code": "model_not_found"}
    with pytest.raises(ModelRefused) as caught:
        await listen(house, "openai/gone")
    assert caught.value.code == "model_not_found"
    models = house.opened(open_model_list)
    await until(lambda: models.listing.find("openai/gone") is None)
    with pytest.raises(ModelUnknown):
        require_model(house, "openai/gone")


async def test_a_restart_while_the_server_is_away_knows_the_list(house, configure, upstream, monkeypatch):
    upstream.listed = ["one"]
    configure(default_model=None)
    await ids(house)
    upstream.listed = 503
    monkeypatch.setattr(model_list, "FRESH_SECONDS", 0.0)
    async with open_house(house.settings, [], "another", lambda _: None) as other:
        assert await ids(other) == ["openai/one", "local/gemma3-270m"]
        await until(lambda: upstream.listings == 2)
        assert await ids(other) == ["openai/one", "local/gemma3-270m"]


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (b'{"data": [{"id": "a"}, {"id": "a"}, {"id": 7}, {}, null, {"id": "\\u0000"}]}', ["a"]),
        (b'{"models": [{"name": "a:latest", "model": "a:latest"}]}', ["a:latest"]),
        (b'["a", "b"]', ["a", "b"]),
        (b'{"data": null}', []),
    ],
)
def test_lists_are_read_in_the_shapes_that_there_are(answer, names):
    assert [model.name for model in read_models(answer)] == names


@pytest.mark.parametrize("answer", [b"<html>", b"7", b'{"data": 7}'])
def test_what_is_no_list_is_none(answer):
    with pytest.raises(ValueError, match=r"."):
        read_models(answer)
