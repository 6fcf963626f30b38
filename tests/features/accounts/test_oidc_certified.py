"""Signing in at the certified provider of npm (oidc-provider), which insists on every detail of the standards."""

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.features.accounts.conftest import Join
from tests.features.accounts.oidc import CALLBACK, begin, error_of, school, set_up, who_is
from tests.features.accounts.provider import CLIENT, SECRET
from tools.web import executables

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "web/node_modules/oidc-provider/lib/index.js"
BACK = f"http://madang.test{CALLBACK}"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The provider in a process of its own."""
    assert LIBRARY.exists(), "the packages of web/ are not installed: run ./dev web --version"
    script = Path(__file__).with_name("provider.mjs")
    command = [str(executables()[0]), str(script), LIBRARY.as_uri(), CLIENT, SECRET, BACK]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


async def walk(browser: httpx.AsyncClient, url: str, person: str) -> str:
    """Sign in and consent, as a person does; the address that the provider sends back to."""
    answer = await browser.get(url)
    for _ in range(12):
        while answer.is_redirect:
            url = urljoin(str(answer.url), answer.headers["location"])
            if url.startswith(BACK):
                return url
            answer = await browser.get(url)
        assert answer.status_code == 200, answer.text
        prompt = "login" if 'name="login"' in answer.text else "consent"
        form = {"prompt": prompt, "login": person, "password": "whatever"}
        answer = await browser.post(str(answer.url), data=form)
    raise AssertionError("the provider sends nobody back")


async def test_with_the_certified_provider(
    issuer: str, api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    await join(supervisor=True)
    set_up(monkeypatch, school(issuer))
    person = f"jimin-{secrets.token_hex(4)}"
    async with httpx.AsyncClient() as browser:
        back = urlsplit(await walk(browser, await begin(api), person))
        assert "iss=" in back.query
        told = await who_is(api, await api.get(f"{back.path}?{back.query}"))
        assert (told["email"], told["name"]) == (f"{person}@school.example", "김마당")
        again = urlsplit(await walk(browser, await begin(api), person))
        assert (await who_is(api, await api.get(f"{again.path}?{again.query}")))["id"] == told["id"]


async def test_attack_a_code_of_another_browser_at_the_certified_provider(
    issuer: str, api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    await join(supervisor=True)
    set_up(monkeypatch, school(issuer))
    async with httpx.AsyncClient() as browser:
        theirs = httpx.URL(await walk(browser, await begin(api), "thief")).params
        mine = httpx.URL(await walk(browser, await begin(api), "victim")).params
    injected = {"state": mine["state"], "iss": mine["iss"], "code": theirs["code"]}
    assert error_of(await api.get(CALLBACK, params=injected)) == "oidc_provider_failed"
