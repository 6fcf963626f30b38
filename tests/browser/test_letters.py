"""What begins or ends in an inbox: proving an address, a forgotten password, an invitation, another address."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from itertools import count
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PASSWORD, Open, accessible, fill_account, fits, go, opened, until
from tests.live import SETUP_TOKEN, Live
from tests.mailbox import Mailbox, serving, token, words

SUPERVISOR = "sky@example.com"
OTHER_PASSWORD = "새 마당의 대추나무 17"
SAID: dict[str, dict[str, str]] = {
    "ko": {
        "register": "계정 만들기",
        "prove": "이메일을 먼저 확인해 주세요",
        "verification": "이메일 주소를 확인해 주세요",
        "taken": "이미 계정이 있습니다",
        "again": "다시 보내기",
        "proved": "이메일을 확인했습니다",
        "sign in": "로그인",
        "back": "로그인으로 돌아가기",
        "forgot": "비밀번호를 잊으셨나요?",
        "send": "링크 보내기",
        "inbox": "메일함을 확인해 주세요",
        "reset": "비밀번호를 다시 정해 주세요",
        "new password": "새 비밀번호",
        "set": "비밀번호 정하기",
        "short": "비밀번호 길이를 확인해 주세요",
        "done": "새 비밀번호를 정했습니다",
        "changed": "비밀번호가 바뀌었습니다",
        "void": "더는 쓸 수 없는 링크입니다",
        "new link": "새 링크 받기",
    },
    "en": {
        "register": "Create account",
        "prove": "Confirm your email first",
        "verification": "Please confirm your e-mail address",
        "taken": "You already have an account",
        "again": "Send again",
        "proved": "Your email is confirmed",
        "sign in": "Sign in",
        "back": "Back to sign-in",
        "forgot": "Forgot your password?",
        "send": "Send the link",
        "inbox": "Look in your inbox",
        "reset": "Choose a new password",
        "new password": "New password",
        "set": "Set password",
        "short": "Check the length of the password",
        "done": "Your new password is set",
        "changed": "Your password was changed",
        "void": "This link no longer works",
        "new link": "Ask for a new link",
    },
}


@dataclass
class PostOffice:
    """A house that sends mail to a server of the tests, and lets in only who has proved their address."""

    url: str
    box: Mailbox
    people: Iterator[int] = field(default_factory=lambda: count(1))

    def letter(self, email: str, subject: str, number: int = 1) -> EmailMessage:
        """The so-and-so-manieth letter to an address whose subject contains that."""

        def found() -> list[EmailMessage]:
            return [mail for mail in self.box.mails if mail["To"] == email and subject in mail["Subject"]]

        until(lambda: len(found()) >= number)
        return found()[number - 1]

    def call(self, path: str, body: dict[str, object], who: str | None = None) -> Any:
        """POST to the API, as somebody if an address is given."""
        headers = {}
        if who is not None:
            entry = self.call("/auth/login", {"email": who, "password": PASSWORD})
            headers = {"Authorization": f"Bearer {entry['access_token']}"}
        answer = httpx.post(f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=20)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def newcomer(self) -> str:
        return f"post{next(self.people)}-{os.getpid()}@example.com"

    def member(self, language: str = "ko") -> str:
        """Somebody who has an account and has proved their address."""
        email = self.newcomer()
        self.call("/auth/register", {"email": email, "password": PASSWORD, "name": "하늘", "language": language})
        letter = self.letter(email, SAID[language]["verification"])
        self.call("/auth/verify-email", {"token": token(letter)})
        return email


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostOffice]:
    with serving(Mailbox()) as box:
        live = Live(tmp_path_factory.mktemp("letters"))
        live.settings = {
            "MADANG_SMTP_URL": box.url,
            "MADANG_PUBLIC_URL": live.url,
            "MADANG_REQUIRE_VERIFIED_EMAIL": "true",
            "MADANG_PASSWORD_HASH_MEMORY_KIB": "256",
        }
        try:
            live.open("api", "worker", "scheduler")
            until(lambda: _is_ready(live.url), within=60)
            office = PostOffice(live.url, box)
            office.call(
                "/auth/register", {"email": SUPERVISOR, "password": PASSWORD, "name": "Sky", "setup_token": SETUP_TOKEN}
            )
            yield office
        finally:
            live.close()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def visit(browser: Browser, office: PostOffice) -> Iterator[Open]:
    complaints: list[str] = []
    with opened(browser, office.url, complaints) as open_window:
        yield open_window
    assert complaints == []


def link_of(letter: EmailMessage) -> str:
    """The link of a letter, which is the same in both of its parts."""
    found = re.search(r"https?://\S+", words(letter))
    assert found is not None, words(letter)
    part = letter.get_body(("html",))
    assert part is not None
    assert f'href="{found[0]}"' in part.get_content()
    return found[0]


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def come_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=password]").fill(password)
    page.locator("button[type=submit]").click()


def inside(page: Page) -> None:
    expect(page.locator("#content")).to_be_visible()


def apply(page: Page, said: dict[str, str], email: str) -> None:
    """Register by the form, first with nothing filled in, and then with a press too many."""
    page.get_by_role("button", name=said["register"]).click()
    expect(page.locator("input[name=name]")).to_be_focused()
    fill_account(page, email, "하늘")
    page.get_by_role("button", name=said["register"]).dblclick()
    heading(page, said["prove"])
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    accessible(page)
    fits(page)


def open_and_open_again(page: Page, said: dict[str, str], link: str) -> None:
    """Open the link of a letter, reload what it leads to, and open it once more: it has worked each time."""
    page.goto(link)
    heading(page, said["proved"])
    assert "#" not in page.url
    accessible(page)
    page.reload()
    heading(page, said["proved"])
    page.goto("about:blank")
    page.goto(link)
    heading(page, said["proved"])


@pytest.mark.parametrize(("language", "width", "theme"), [("ko", 1440, "dark"), ("en", 390, "light")])
def test_who_registers_comes_in_by_the_link_of_a_letter(
    visit: Open, office: PostOffice, language: str, width: int, theme: str
) -> None:
    said, email = SAID[language], office.newcomer()
    page = visit("/register", language=language, width=width, theme=theme)
    apply(page, said, email)
    link = link_of(office.letter(email, said["verification"]))
    page.get_by_role("button", name=said["back"]).click()
    come_in(page, email)
    heading(page, said["prove"])
    page.get_by_role("button", name=said["again"]).click()
    office.letter(email, said["verification"], 2)
    open_and_open_again(page, said, link)
    page.get_by_role("button", name=said["sign in"]).click()
    come_in(page, email)
    inside(page)


def test_a_taken_address_looks_free_and_its_owner_is_told(visit: Open, office: PostOffice) -> None:
    said, email = SAID["ko"], office.member()
    page = visit("/register")
    fill_account(page, email, "Mallory")
    page.locator("input[name=password]").fill(OTHER_PASSWORD)
    page.get_by_role("button", name=said["register"]).click()
    heading(page, said["prove"])
    office.letter(email, said["taken"])


def choose(page: Page, said: dict[str, str], link: str) -> None:
    """Choose another password by the link of a letter: not by a reload, not too short, and with a press too many."""
    page.goto(link)
    heading(page, said["new password"])
    page.reload()
    heading(page, said["void"])
    page.goto(link)
    page.locator("input[name=password]").fill("short")
    page.get_by_role("button", name=said["set"]).click()
    expect(page.get_by_text(said["short"])).to_be_visible()
    expect(page.locator("input[name=password]")).to_be_focused()
    accessible(page)
    page.locator("input[name=password]").fill(OTHER_PASSWORD)
    page.get_by_role("button", name=said["set"]).dblclick()
    expect(page.get_by_text(said["done"])).to_be_visible()


def open_in_vain(page: Page, said: dict[str, str], link: str) -> None:
    """Use the link a second time: it says that it is over, and leads to another."""
    page.goto(link)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name=said["set"]).click()
    heading(page, said["void"])
    accessible(page)
    page.get_by_role("button", name=said["new link"]).click()
    expect(page.locator("input[name=email]")).to_be_visible()


@pytest.mark.parametrize(("language", "width", "theme"), [("ko", 390, "light"), ("en", 1440, "dark")])
def test_who_forgot_the_password_comes_back_by_a_letter_and_old_devices_are_out(
    visit: Open, office: PostOffice, language: str, width: int, theme: str
) -> None:
    said, email = SAID[language], office.member(language)
    old = visit(language=language)
    come_in(old, email)
    inside(old)
    page = visit(language=language, width=width, theme=theme)
    page.get_by_role("button", name=said["forgot"]).click()
    page.locator("input[name=email]").fill(email)
    page.get_by_role("button", name=said["send"]).click()
    heading(page, said["inbox"])
    accessible(page)
    link = link_of(office.letter(email, said["reset"]))
    choose(page, said, link)
    office.letter(email, said["changed"])
    come_in(page, email)
    expect(page.get_by_role("alert")).to_be_visible()
    come_in(page, email, OTHER_PASSWORD)
    inside(page)
    old.reload()
    expect(old.locator("input[name=password]")).to_be_visible()
    open_in_vain(old, said, link)


def test_a_letter_invites_who_has_no_account_yet(visit: Open, office: PostOffice) -> None:
    place = office.call("/organisations/", {"name": "푸른 학교"}, SUPERVISOR)
    email = office.newcomer()
    office.call(f"/scopes/{place['id']}/invites", {"role": "student", "email": email}, SUPERVISOR)
    page = visit(link_of(office.letter(email, "푸른 학교")))
    expect(page.get_by_text("푸른 학교")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="계정 만들기").click()
    fill_account(page, email, "하늘")
    page.get_by_role("button", name="계정 만들기").click()
    heading(page, SAID["ko"]["prove"])
    letter = link_of(office.letter(email, SAID["ko"]["verification"]))
    page.get_by_role("button", name=SAID["ko"]["back"]).click()
    expect(page.locator("input[name=email]")).to_have_value(email)
    tab = visit(letter, context=page.context)
    heading(tab, SAID["ko"]["proved"])
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("button[type=submit]").click()
    expect(page.get_by_text("“푸른 학교”에 참여했습니다.")).to_be_visible()
    inside(page)


def test_a_letter_invites_who_has_an_account_while_somebody_else_is_signed_in(visit: Open, office: PostOffice) -> None:
    place = office.call("/organisations/", {"name": "Blue School"}, SUPERVISOR)
    email, other = office.member("en"), office.member("en")
    office.call(f"/scopes/{place['id']}/invites", {"role": "instructor", "email": email}, SUPERVISOR)
    page = visit(language="en")
    come_in(page, other)
    inside(page)
    page.goto(link_of(office.letter(email, "Blue School")))
    page.get_by_role("button", name="Join as 하늘").click()
    expect(page.get_by_role("alert")).to_contain_text("This invite is for another e-mail address")
    accessible(page)
    page.get_by_role("button", name="Use another account").click()
    page.get_by_role("button", name="I have an account").click()
    come_in(page, email)
    expect(page.get_by_text("You have joined “Blue School”.")).to_be_visible()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_an_address_is_changed_once_the_link_there_is_open(visit: Open, office: PostOffice, language: str) -> None:
    email, wanted = office.member(language), office.newcomer()
    title, button = {"ko": ("이메일 바꾸기", "링크 보내기"), "en": ("Change your email", "Send the link")}[language]
    page = visit("/settings/account", language=language)
    come_in(page, email)
    page.get_by_role("button", name=title).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("input[name=password]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=title)).to_be_focused()
    page.keyboard.press("Enter")
    dialog.locator("input[name=password]").fill(PASSWORD)
    dialog.locator("input[name=email]").fill(email)
    dialog.get_by_role("button", name=button).click()
    expect(dialog.locator("input[name=email]")).to_have_attribute("aria-invalid", "true")
    expect(dialog.locator("input[name=email]")).to_be_focused()
    accessible(page)
    dialog.locator("input[name=email]").fill(wanted)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.get_by_text(email, exact=True)).to_be_visible()

    subject = {"ko": "새 이메일 주소를 확인해 주세요", "en": "Please confirm your new e-mail address"}[language]
    page.goto(link_of(office.letter(wanted, subject)))
    heading(page, SAID[language]["proved"])
    page.get_by_role("button", name=re.compile("계속하기|Continue")).click()
    inside(page)
    go(page, "/settings/account")
    expect(page.get_by_text(wanted, exact=True)).to_be_visible()
    told = office.letter(email, {"ko": "이메일 주소가 바뀌었습니다", "en": "Your e-mail address was changed"}[language])
    assert wanted not in words(told)


def test_somebody_elses_links_do_what_they_say_and_mix_nobody_up(visit: Open, office: PostOffice) -> None:
    here, other = office.member(), office.newcomer()
    office.call("/auth/register", {"email": other, "password": PASSWORD, "name": "바다", "language": "ko"})
    page = visit()
    come_in(page, here)
    inside(page)
    page.goto(link_of(office.letter(other, SAID["ko"]["verification"])))
    heading(page, SAID["ko"]["proved"])
    page.get_by_role("button", name="계속하기").click()
    go(page, "/settings/account")
    expect(page.get_by_text(here, exact=True)).to_be_visible()

    office.call("/auth/password/forgot", {"email": other})
    page.goto(link_of(office.letter(other, SAID["ko"]["reset"])))
    page.locator("input[name=password]").fill(OTHER_PASSWORD)
    page.get_by_role("button", name=SAID["ko"]["set"]).click()
    come_in(page, other, OTHER_PASSWORD)
    inside(page)
    go(page, "/settings/account")
    expect(page.get_by_text(other, exact=True)).to_be_visible()
