"""A new signing secret, and everybody stays signed in."""

import httpx
import pytest
from pydantic import SecretStr

from madang.features.accounts.module import Accounts
from madang.features.accounts.service import totp
from madang.kernel.house import House, open_house
from madang.kernel.http import build_app
from tests.features.accounts.conftest import PASSWORD, Join, bearer
from tests.features.accounts.guarding import LOGIN, STEP, Clock, protect

NEW = SecretStr("a secret that was made a moment ago, and is long enough")
AUTH = "/api/v1/auth"


async def asked(house: House, verb: str, path: str, token: str | None = None, **body: object) -> httpx.Response:
    transport = httpx.ASGITransport(build_app(house, [Accounts()]), client=("rotation", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        return await client.request(verb, path, json=body or None, headers=bearer(token) if token else {})


@pytest.fixture
async def rotated(house: House):
    settings = house.settings.model_copy(update={"secret_key": NEW, "old_secret_keys": (house.settings.secret_key,)})
    async with open_house(settings, [Accounts()], "test", lambda _: None) as opened:
        yield opened


async def test_who_is_signed_in_stays_so_and_gets_tokens_of_the_new_secret(rotated: House, join: Join):
    person = await join()
    assert (await asked(rotated, "GET", f"{AUTH}/me", person.access_token)).status_code == 200
    renewed = await asked(rotated, "POST", f"{AUTH}/refresh", refresh_token=person.refresh_token)
    assert renewed.status_code == 200
    settings = rotated.settings.model_copy(update={"old_secret_keys": ()})
    async with open_house(settings, [Accounts()], "test", lambda _: None) as later:
        tokens = renewed.json()
        assert (await asked(later, "GET", f"{AUTH}/me", tokens["access_token"])).status_code == 200
        again = await asked(later, "POST", f"{AUTH}/refresh", refresh_token=tokens["refresh_token"])
        assert again.status_code == 200
        stale = await asked(later, "GET", f"{AUTH}/me", person.access_token)
        assert (stale.status_code, stale.json()["code"]) == (401, "token_invalid"), (
            "a secret that is taken away is gone"
        )


async def test_the_app_of_a_second_factor_goes_on(
    rotated: House, api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
):
    clock = Clock()
    monkeypatch.setattr(totp, "now", clock)
    guarded = await protect(api, await join(), clock)
    clock.step()
    begun = await asked(rotated, "POST", LOGIN, email=guarded.person.email, password=PASSWORD)
    body = {"challenge": begun.json()["challenge"], "method": "totp", "code": guarded.app.at(clock.moment)}
    done = await asked(rotated, "POST", STEP, **body)
    assert done.status_code == 200, done.text
