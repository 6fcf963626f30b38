"""`GET /models`."""

import httpx

from madang.features.accounts.contracts import Device
from madang.features.accounts.module import Accounts
from madang.features.accounts.service import registration, signing_in
from madang.features.providers.module import Providers
from madang.kernel.http import build_app
from madang.kernel.ids import new_id

PASSWORD = "courtyard rain 7"


async def ask(house, *, signed_in=True):
    headers = {}
    if signed_in:
        email = f"{new_id()}@example.org"
        await registration.create_supervisor(house, email, "", PASSWORD)
        signed = await signing_in.sign_in(house, email, PASSWORD, Device(email, "a test"))
        headers = {"Authorization": f"Bearer {signed.access_token}"}
    transport = httpx.ASGITransport(build_app(house, [Accounts(), Providers()]))
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        return await client.get("/api/v1/models", headers=headers)


async def test_openais_own_models_have_their_prices(house, configure):
    configure(openai_base_url=None, default_model="openai/of-our-own", openai_models=("gpt-5", "of-our-own"))
    told = (await ask(house)).json()
    items = {item["id"]: item for item in told["items"]}
    assert told["default"] == "openai/of-our-own"
    assert told["embedding"] == "local/multilingual-e5-small"
    assert items["openai/of-our-own"]["input_price"] is None
    gpt5 = items["openai/gpt-5"]
    assert (gpt5["context_tokens"], gpt5["input_price"], gpt5["output_price"]) == (400_000, 1_250_000, 10_000_000)
    assert (gpt5["built_in"], gpt5["available"]) == (False, True)
    assert items["local/gemma3-270m"]["built_in"]


async def test_without_a_key_only_the_built_in_model_is_available(house, configure):
    configure(openai_api_key=None, openai_base_url=None, default_model=None)
    told = (await ask(house)).json()
    assert [item["id"] for item in told["items"] if item["available"]] == ["local/gemma3-270m"] == [told["default"]]
    assert "sk-secret" not in str(told)


async def test_strangers_see_nothing(house, configure):
    assert (await ask(house, signed_in=False)).status_code == 401
