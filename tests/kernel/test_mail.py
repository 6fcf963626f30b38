"""Mail, handed in to a real server that takes it, refuses it, asks for a password or is away."""

from urllib.parse import quote

import aiosmtplib
import pytest
from pydantic import SecretStr

from madang.adapters.opening import open_house
from madang.kernel import mail
from madang.kernel.errors import Unavailable
from madang.kernel.house import House
from madang.kernel.mail import Mail
from madang.kernel.settings import Settings
from tests.mailbox import PASSWORD, USER, Mailbox, serving, words

LETTER = Mail(
    "student@example.org",
    "안녕하세요, 마당입니다",
    "첫째 줄\n<b>둘째</b>\n\nhttps://x.example/a#b-c 를 누르세요.",
    "<p>첫째 줄 https://x.example/a#b-c</p>",
)


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def posting(house_settings: Settings, box: Mailbox):
    async with open_house(with_server(house_settings, box.url), [], "test", lambda _: None) as house:
        yield house


def with_server(settings: Settings, url: str | None) -> Settings:
    sender = "마당 학교 <madang@example.org>"
    return settings.model_copy(update={"smtp_url": SecretStr(url) if url else None, "mail_from": sender})


async def test_a_mail_arrives_with_its_words_in_both_forms(posting: House, box: Mailbox):
    with serving(box):
        await mail.send(posting, LETTER)
    (arrived,) = box.mails
    assert (arrived["To"], arrived["Subject"]) == (LETTER.to, LETTER.subject)
    assert arrived["From"] == "마당 학교 <madang@example.org>"
    assert arrived["Message-ID"] == f"<{LETTER.id}@example.org>"
    assert words(arrived).splitlines() == LETTER.text.splitlines()
    assert arrived.get_body(("html",)).get_content().strip() == LETTER.html


@pytest.mark.filterwarnings("ignore:Session.login_data is deprecated")  # the server's own
async def test_a_server_that_asks_for_a_password_gets_it(house_settings: Settings, box: Mailbox):
    url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{box.port}"
    with serving(box, asks_for_password=True):
        async with open_house(with_server(house_settings, url), [], "test", lambda _: None) as house:
            await mail.send(house, LETTER)
        wrong = with_server(house_settings, url.replace(USER, "nobody"))
        async with open_house(wrong, [], "test", lambda _: None) as house:
            with pytest.raises(aiosmtplib.SMTPAuthenticationError):
                await mail.send(house, LETTER)
    assert len(box.mails) == 1


async def test_a_refusal_for_good_is_not_tried_again_and_one_for_now_is(posting: House, box: Mailbox):
    box.refusals = ["554 no such thing", "451 later"]
    with serving(box):
        await mail.send(posting, LETTER)
        with pytest.raises(aiosmtplib.SMTPException):
            await mail.send(posting, LETTER)
        await mail.send(posting, LETTER)
    assert len(box.mails) == 1


async def test_a_server_that_is_away_is_an_error_so_that_the_job_comes_again(posting: House):
    with pytest.raises(aiosmtplib.SMTPException):
        await mail.send(posting, LETTER)


async def test_tls_that_is_insisted_on_is_not_done_without(house_settings: Settings, box: Mailbox):
    with serving(box):
        settings = with_server(house_settings, f"{box.url}?starttls=required")
        async with open_house(settings, [], "test", lambda _: None) as house:
            with pytest.raises(aiosmtplib.SMTPException):
                await mail.send(house, LETTER)
    assert box.mails == []


@pytest.mark.parametrize(
    ("to", "envelope"),
    [("a@münchen.example", "a@xn--mnchen-3ya.example"), ("민수@한국.example", "민수@xn--3e0b707e.example")],
)
async def test_addresses_in_every_script_have_their_mail(posting: House, box: Mailbox, to: str, envelope: str):
    with serving(box):
        await mail.send(posting, Mail(to, "hello", "text"))
    (arrived,) = box.mails
    assert str(arrived["To"]) == envelope


@pytest.mark.parametrize(
    "wrong",
    [
        Mail("a@example.org\r\nBcc: b@example.org", "hello", "text"),
        Mail("a@example.org", "hello\r\nBcc: b@example.org", "text"),
        Mail("a@example.org, b@example.org", "hello", "text"),
        Mail("nobody", "hello", "text"),
        Mail("a@straße.example", "hello", "text"),  # an old reading is strasse.example, which is somebody else's
        Mail("한, b@example.org", "hello", "text"),
        Mail("한\r\nBcc: b@example.org", "hello", "text"),
        Mail("a@..example", "hello", "text"),
    ],
)
async def test_header_injection_sends_nothing(posting: House, box: Mailbox, wrong: Mail):
    with serving(box):
        await mail.send(posting, wrong)
    assert box.mails == []


async def test_without_a_server_one_is_told_so(house_settings: Settings):
    async with open_house(with_server(house_settings, None), [], "test", lambda _: None) as house:
        with pytest.raises(Unavailable, match="mail_not_set_up"):
            await mail.send(house, LETTER)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 587, "required")),
        ("smtp://127.0.0.1:25", ("127.0.0.1", 25, "offered")),
        ("smtp://mail.example?starttls=offered", ("mail.example", 587, "offered")),
        ("smtps://u:p@mail.example", ("mail.example", 465, "always")),
        ("smtp://mail.example:25?starttls=never", ("mail.example", 25, "never")),
    ],
)
def test_the_address_of_a_server(house_settings: Settings, url: str, expected: tuple[str, int, str]):
    server = mail.server_of(with_server(house_settings, url))
    assert (server.host, server.port, server.tls) == expected
