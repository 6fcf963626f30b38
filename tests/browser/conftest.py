"""A whole Madang, as `madang up` runs it, and people with browsers."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, expect, sync_playwright

from madang.local.child import free_port
from madang.processes.web import STATIC

STANDIN = Path(__file__).parent.parent / "standin.py"
WORDS = [f"낱말{number}" for number in range(60)]
ANSWER = "연차 휴가는 **15일**입니다 [1]. 식은 $x^2$ 입니다. " + " ".join(WORDS)
MODEL = f"openai/bench?rate=400&text={quote(ANSWER)}"
SLOW_WORDS = WORDS[:30]
SLOW_MODEL = f"openai/bench?rate=12&text={'+'.join(SLOW_WORDS)}"
SETUP_TOKEN = "the set-up token of the screens"
PASSWORD = "조용한 마당의 감나무 42"
CHROMIUM = os.environ.get("MADANG_CHROMIUM") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
ENDED_ANIMATIONS = """Promise.all(document.getAnimations()
    .filter((one) => one.effect.getComputedTiming().iterations !== Infinity)
    .map((one) => one.finished.catch(() => {})))"""
WORST = """() => axe.run({resultTypes: ["violations"]}).then(({violations}) => violations
    .filter(({impact}) => impact === "serious" || impact === "critical")
    .map(({id, nodes}) => `${id}: ${nodes[0].html.slice(0, 200)}`))"""
AXE = Axe().axe_script
GO = "(path) => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }"


@dataclass(frozen=True)
class LiveServer:
    """A running `madang up`."""

    url: str
    process: subprocess.Popen[str]

    def kill_api(self) -> None:
        """`kill -9` of the api; its parent starts it again."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if "madang.processes.api" in " ".join(child.cmdline()):
                child.kill()
                return
        pytest.fail("no api process found")


def _environment(data_dir: Path, model_port: int) -> dict[str, str]:
    return {
        **os.environ,
        "MADANG_DATA_DIR": str(data_dir),
        "MADANG_PORT": str(free_port()),
        "MADANG_HOST": "127.0.0.1",
        "MADANG_REGISTRATION": "open",
        "MADANG_SETUP_TOKEN": SETUP_TOKEN,
        "MADANG_PASSWORD_HASH_MEMORY_KIB": "256",
        "MADANG_DEFAULT_MODEL": MODEL,
        "OPENAI_API_KEY": "key",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model_port}/v1",
    }


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"ready at (\S+)", line):
            return found[1]
    pytest.fail(f"Madang did not start:\n{said}")


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """`madang up` with the built-in embeddings and a stand-in model that takes its time."""
    if not (STATIC / "index.html").is_file():
        pytest.fail("The web app is not built: ./dev web run build")
    model_port = free_port()
    model = subprocess.Popen([sys.executable, str(STANDIN), str(model_port)])
    command = [sys.executable, "-P", "-m", "madang.processes.up"]
    environment = _environment(tmp_path_factory.mktemp("browser"), model_port)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield LiveServer(_address(process).replace("localhost", "127.0.0.1"), process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        model.kill()
        model.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists() and os.environ.get("CI") != "true":
        pytest.skip("there is no chromium here: apt-get install chromium fonts-nanum, or set MADANG_CHROMIUM")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


type Open = Callable[..., Page]
"""Opens a window at a path, with `language`, `theme` and `width`.

`context` is that of another window of the same person, and `email` somebody who is to be signed in already.
"""


@contextmanager
def opened(browser: Browser, url: str, complaints: list[str]) -> Iterator[Open]:
    """Opens windows, each a person of its own unless `context` is given; collects what the console complains of."""
    contexts: list[BrowserContext] = []

    def complain(text: str) -> None:
        if "Failed to load resource" not in text:
            complaints.append(text)

    def open_window(
        path: str = "/",
        *,
        language: str = "ko",
        theme: str = "light",
        width: int = 1280,
        email: str | None = None,
        context: BrowserContext | None = None,
    ) -> Page:
        if context is None:
            size = {"width": width, "height": 844}
            # Where most of the time it is another day than where the house is.
            look = {"locale": language, "color_scheme": theme, "timezone_id": "Pacific/Pago_Pago"}
            context = browser.new_context(base_url=url, viewport=size, **look)  # type: ignore[arg-type]  # two of the known themes
            context.set_default_timeout(20_000)
            contexts.append(context)
        if email is not None:
            sign_in(context, email)
        page = context.new_page()
        page.on("console", lambda message: complain(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complain(str(error)))
        page.goto(path)
        return page

    yield open_window
    for one in contexts:
        one.close()


@pytest.fixture
def window(browser: Browser, live_server: LiveServer, supervisor: str) -> Iterator[Open]:
    """Opens windows on a house that has its supervisor. Nothing may have been complained of in the console."""
    complaints: list[str] = []
    with opened(browser, live_server.url, complaints) as open_window:
        yield open_window
    assert complaints == []


_numbers = count(1)
_known: set[str] = set()


@pytest.fixture(scope="session")
def supervisor(browser: Browser, live_server: LiveServer) -> str:
    """The e-mail of the first account, made by the first-run page."""
    complaints: list[str] = []
    with opened(browser, live_server.url, complaints) as open_window:
        page = open_window(f"/setup#{SETUP_TOKEN}", language="en")
        expect(page.get_by_role("heading", name="Welcome to your Madang")).to_be_visible()
        expect(page.get_by_text("The built-in models are small")).to_be_visible()
        accessible(page)
        page.get_by_role("button", name="Create supervisor account").click()
        expect(page.get_by_text("Enter your email.")).to_be_visible()
        fill_account(page, "sky@example.com", "Sky")
        page.get_by_role("button", name="Create supervisor account").click()
        expect(page.get_by_role("heading", name="What can I help you with, Sky?")).to_be_visible()
        _speak_as_their_browsers_do(page)
    assert complaints == []
    _known.add("sky@example.com")
    return "sky@example.com"


def _speak_as_their_browsers_do(page: Page) -> None:
    """Let the supervisor's screens be in any language, and not in that of the first run."""
    request = page.context.request
    entry = request.post("/api/v1/auth/login", data={"email": "sky@example.com", "password": PASSWORD}).json()
    bearer = {"Authorization": f"Bearer {entry['access_token']}"}
    assert request.put("/api/v1/users/me/preferences", data={"theme": "system"}, headers=bearer).ok


def fill_account(page: Page, email: str, name: str) -> None:
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)


def newcomer() -> str:
    """An address that nobody here has."""
    return f"guest{next(_numbers)}-{os.getpid()}@example.com"


def register(page: Page, email: str | None = None) -> str:
    """Make an account by the form of the page, in Korean; the e-mail."""
    email = email or newcomer()
    page.get_by_role("button", name="계정 만들기").click()
    fill_account(page, email, "하늘")
    page.get_by_role("button", name="계정 만들기").click()
    _known.add(email)
    return email


def sign_in(context: BrowserContext, email: str) -> None:
    """Sign in by the API, making the account if there is none; the next page of this person is inside."""
    who = {"email": email, "password": PASSWORD}
    if email not in _known:
        made = context.request.post("/api/v1/auth/register", data={**who, "name": "하늘"})
        assert made.ok, made.text()
        _known.add(email)
    entry = context.request.post("/api/v1/auth/login", data={**who, "session": "cookie"})
    assert entry.ok, entry.text()


def enter(window: Open, path: str = "/", email: str | None = None, **look: object) -> tuple[Page, str]:
    """A window of somebody new who is inside, and their e-mail."""
    email = email or newcomer()
    page = window(path, email=email, **look)
    expect(page.locator("#content")).to_be_visible()
    return page, email


def go(page: Page, path: str) -> None:
    """Go to another screen, as a link of the page does."""
    page.evaluate(GO, path)
    expect(page).to_have_url(re.compile(re.escape(path) + "$"))


def speak_slowly(page: Page) -> None:
    """Have the answers to this page take their time."""

    def slower(route: Route, request: Request) -> None:
        changed = {"post_data": {**request.post_data_json, "model": SLOW_MODEL}}
        route.continue_(**(changed if request.method == "POST" else {}))  # type: ignore[arg-type]  # as documented

    page.route(re.compile(r"/messages$"), slower)


def send(page: Page, text: str) -> None:
    page.locator("#composer").fill(text)
    page.locator("#composer").press("Enter")


def words_of(page: Page) -> list[str]:
    """The numbered words of the last answer, as a person reads them now."""
    return re.findall(r"낱말\d+", page.locator("article[aria-busy]").last.inner_text())


def whole_answer(page: Page, words: list[str] = WORDS) -> None:
    """Wait for the end of the last answer; every word stands there once and in order."""
    expect(page.locator("article[aria-busy]").last).to_have_attribute("data-status", "complete", timeout=40_000)
    assert words_of(page) == words


def until(condition: Callable[[], object], within: float = 20.0) -> None:
    """Wait for a condition of the page."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not so within {within} s"
        time.sleep(0.02)


def accessible(page: Page) -> None:
    """Nothing serious is found by axe on the screen as it is."""
    page.evaluate(ENDED_ANIMATIONS)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    assert page.evaluate(WORST) == [], page.url


def fits(page: Page) -> None:
    """Nothing stands out at the side."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
