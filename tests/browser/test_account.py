"""One's own account: the second step, passkeys, keys, leaving and staying, joining; every screen with eyes and axe."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import (
    PASSWORD,
    LiveServer,
    Open,
    accessible,
    enter,
    fill_account,
    fits,
    go,
    newcomer,
    opened,
    sign_in,
    until,
)
from tests.browser.test_consoles import call

SECTIONS = ("general", "account", "security", "keys", "places", "usage")
DOORS = ("/register", "/forgot-password", "/join/NOSUCH")
LINKS = ("/reset-password#no", "/verify-email#no")
TITLES = {"ko": "설정", "en": "Settings"}


def settings(page: Page, section: str) -> None:
    go(page, f"/settings/{section}")
    expect(page.get_by_role("heading", name=re.compile("설정|Settings"), level=1)).to_be_visible()


def dialog_of(page: Page) -> Locator:
    return page.get_by_role("dialog")


def sign_out(page: Page) -> None:
    settings(page, "account")
    page.get_by_role("button", name="로그아웃").click()
    expect(page.get_by_role("button", name="로그인", exact=True)).to_be_visible()


def give_password(page: Page, email: str, password: str = PASSWORD) -> None:
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="로그인", exact=True).click()


def turn_on_second_step(page: Page) -> tuple[pyotp.TOTP, list[str]]:
    """Turn codes of an app on, by the screens; the app, and the recovery codes."""
    settings(page, "security")
    page.get_by_role("button", name="켜기").click()
    dialog_of(page).locator("input[name=password]").fill("nothing like it at all")
    dialog_of(page).get_by_role("button", name="다음").click()
    expect(dialog_of(page).get_by_role("alert")).to_contain_text("비밀번호가 맞지 않습니다")
    dialog_of(page).locator("input[name=password]").fill(PASSWORD)
    dialog_of(page).get_by_role("button", name="다음").click()
    expect(dialog_of(page).get_by_role("img", name="인증 앱용 QR 코드")).to_be_visible()
    until(lambda: dialog_of(page).get_by_role("img").evaluate("(image) => image.naturalWidth > 0"))
    accessible(page)
    secret = re.sub(r"\s", "", dialog_of(page).locator("p.font-mono").inner_text())
    app = pyotp.TOTP(secret)
    dialog_of(page).locator("input[name=code]").fill(app.now())
    dialog_of(page).get_by_role("button", name="켜기").click()
    codes = dialog_of(page).get_by_role("listitem")
    expect(codes).to_have_count(10)
    accessible(page)
    page.keyboard.press("Escape")
    expect(codes).to_have_count(10)
    shown = codes.all_inner_texts()
    with page.expect_download() as saved:
        dialog_of(page).get_by_role("button", name="내려받기").click()
    assert all(code in saved.value.path().read_text() for code in shown)
    dialog_of(page).get_by_role("button", name="보관했습니다").click()
    expect(page.get_by_text("10개 남음")).to_be_visible()
    return app, shown


def test_a_second_step_is_turned_on_asked_for_and_passed_by_code_or_by_recovery_code(window: Open) -> None:
    page, email = enter(window)
    app, recovery = turn_on_second_step(page)
    sign_out(page)

    give_password(page, email)
    expect(page.get_by_role("heading", name="본인 확인")).to_be_visible()
    accessible(page)
    page.get_by_label("인증 코드").fill("000000")
    expect(page.get_by_text("코드가 맞지 않거나 이미 사용되었습니다")).to_be_visible()
    # The first code turned it on and is used up; the next one is good already.
    page.get_by_label("인증 코드").fill(app.at(datetime.now(UTC) + timedelta(seconds=30)))
    expect(page.locator("#content")).to_be_visible()

    sign_out(page)
    give_password(page, email)
    page.get_by_role("button", name="복구 코드로 확인하기").click()
    page.get_by_label("복구 코드").fill(recovery[0])
    page.get_by_role("button", name="확인", exact=True).click()
    expect(page.locator("#content")).to_be_visible()
    settings(page, "security")
    expect(page.get_by_text("9개 남음")).to_be_visible()
    page.get_by_role("button", name="끄기").click()
    accessible(page)
    dialog_of(page).locator("input[name=password]").fill(PASSWORD)
    dialog_of(page).get_by_role("button", name="끄기").click()
    expect(page.get_by_text("꺼짐")).to_be_visible()


@pytest.fixture
def named_window(browser: Browser, live_server: LiveServer, supervisor: str) -> Iterator[Open]:
    """As `window`, by a name: passkeys belong to names, never to numbers."""
    complaints: list[str] = []
    with opened(browser, live_server.url.replace("127.0.0.1", "localhost"), complaints) as open_window:
        yield open_window
    assert complaints == []


def test_a_passkey_is_made_named_used_and_removed(named_window: Open) -> None:
    page, _ = enter(named_window)
    chip = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    line = page.context.new_cdp_session(page)
    line.send("WebAuthn.enable")
    line.send("WebAuthn.addVirtualAuthenticator", {"options": {**chip, "isUserVerified": True}})
    settings(page, "security")
    page.get_by_role("button", name="패스키 추가").click()
    accessible(page)
    dialog_of(page).locator("input[name=password]").fill(PASSWORD)
    dialog_of(page).locator("input[name=name]").fill("서재 컴퓨터")
    dialog_of(page).get_by_role("button", name="다음").click()
    expect(page.get_by_text("“서재 컴퓨터” 패스키를 추가했습니다.")).to_be_visible()
    accessible(page)

    sign_out(page)
    page.get_by_role("button", name="패스키로 로그인").click()
    expect(page.locator("#content")).to_be_visible()

    settings(page, "security")
    page.get_by_role("button", name="“서재 컴퓨터” 더 보기").click()
    page.get_by_role("menuitem", name="이름 바꾸기").click()
    dialog_of(page).locator("input[name=name]").fill("거실 컴퓨터")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="“거실 컴퓨터” 더 보기").click()
    page.get_by_role("menuitem", name="삭제").click()
    dialog_of(page).get_by_role("button", name="삭제").click()
    expect(page.get_by_text("아직 없습니다.")).to_be_visible()


def test_a_key_is_shown_once_does_what_it_may_and_ends(window: Open) -> None:
    page, _ = enter(window)
    settings(page, "keys")
    expect(page.get_by_text("아직 만든 키가 없습니다.")).to_be_visible()
    page.get_by_role("button", name="새 키").click()
    dialog_of(page).get_by_role("button", name="키 만들기").click()
    expect(dialog_of(page).get_by_text("키 이름을 입력해 주세요.")).to_be_visible()
    dialog_of(page).locator("input[name=name]").fill("보고서 프로그램")
    dialog_of(page).get_by_label("할 수 있는 일").select_option("choose")
    dialog_of(page).get_by_label("대화").select_option("read")
    accessible(page)
    dialog_of(page).get_by_role("button", name="키 만들기").click()
    key = page.locator("[data-key]").inner_text()
    assert key.startswith("mk_")
    accessible(page)
    dialog_of(page).get_by_role("button", name="복사했습니다").click()
    expect(page.get_by_text("대화 (읽기)")).to_be_visible()
    expect(page.get_by_text(key)).to_have_count(0)

    bearer = {"Authorization": f"Bearer {key}"}
    assert page.request.get("/api/v1/chat/sessions/", headers=bearer).status == 200
    assert page.request.post("/api/v1/chat/sessions/", headers=bearer, data={}).status == 403
    assert page.request.get("/api/v1/users/me/keys", headers=bearer).status == 403
    accessible(page)
    page.get_by_role("button", name="삭제: 보고서 프로그램").click()
    expect(dialog_of(page)).to_contain_text("“보고서 프로그램” 키를 삭제할까요?")
    dialog_of(page).get_by_role("button", name="삭제").click()
    expect(page.get_by_text("아직 만든 키가 없습니다.")).to_be_visible()
    assert page.request.get("/api/v1/chat/sessions/", headers=bearer).status == 401


def test_a_new_password_and_an_ended_device_sign_the_other_devices_out(window: Open) -> None:
    page, email = enter(window)
    other, _ = enter(window, email=email)
    settings(page, "security")
    expect(page.get_by_text("이 기기", exact=True)).to_have_count(1)
    stranger = page.get_by_role("listitem").filter(has_not_text="이 기기").filter(has_text="접속")
    stranger.get_by_role("button", name=re.compile("^로그아웃: ")).click()
    expect(page.get_by_text("그 기기에서 로그아웃했습니다.")).to_be_visible()
    other.goto("/")
    expect(other.get_by_role("button", name="로그인", exact=True)).to_be_visible()

    sign_in(other.context, email)
    page.get_by_role("button", name="비밀번호 바꾸기").click()
    dialog_of(page).locator("input[name=password]").fill(PASSWORD)
    dialog_of(page).locator("input[name=new-password]").fill("short")
    dialog_of(page).get_by_role("button", name="비밀번호 바꾸기").click()
    expect(dialog_of(page).get_by_text("비밀번호 길이를 확인해 주세요")).to_be_visible()
    accessible(page)
    dialog_of(page).locator("input[name=new-password]").fill("새 마당의 대추나무 17")
    dialog_of(page).get_by_role("button", name="비밀번호 바꾸기").click()
    expect(page.get_by_text("비밀번호를 바꿨습니다.")).to_be_visible()
    other.goto("/")
    give_password(other, email)
    expect(other.get_by_role("alert")).to_contain_text("이메일이나 비밀번호가 맞지 않습니다")
    give_password(other, email, "새 마당의 대추나무 17")
    expect(other.locator("#content")).to_be_visible()


def test_who_leaves_takes_everything_along_and_can_come_back(window: Open) -> None:
    page, email = enter(window)
    settings(page, "account")
    page.get_by_role("button", name="이름 바꾸기").click()
    dialog_of(page).get_by_label("이름").fill("푸른 하늘")
    page.keyboard.press("Enter")
    expect(page.get_by_text("푸른 하늘")).to_be_visible()
    with page.expect_download() as taken:
        page.get_by_role("button", name="모두 내려받기").click()
    assert taken.value.path().read_bytes()[:2] == b"PK"

    page.get_by_role("button", name="계정 삭제").click()
    expect(dialog_of(page)).to_contain_text(email)
    accessible(page)
    dialog_of(page).locator("input[name=password]").fill(PASSWORD)
    dialog_of(page).get_by_role("button", name="계정 삭제").click()
    expect(page.get_by_role("button", name="로그인", exact=True)).to_be_visible()
    give_password(page, email)
    expect(page.get_by_role("heading", name="삭제가 예정된 계정입니다")).to_be_visible()
    expect(page.get_by_text("에 삭제됩니다.")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="계정 유지하기").click()
    expect(page.locator("#content")).to_be_visible()


def test_an_invitation_takes_in_who_makes_an_account_and_who_has_one_and_they_can_leave(
    window: Open, supervisor: str
) -> None:
    page, owner = enter(window)
    place = call(page, supervisor, "/organisations/", name="푸른 학교", owner_email=owner)
    made = call(page, owner, f"/scopes/{place['id']}/invites", role="student", max_uses=2)

    guest = window(f"/join/{made['code']}")
    expect(guest.get_by_text("푸른 학교")).to_be_visible()
    expect(guest.get_by_text("조직 · 학생으로 참여")).to_be_visible()
    accessible(guest)
    expect(guest.get_by_role("button", name="처음입니다", pressed=True)).to_be_visible()
    fill_account(guest, newcomer(), "하늘")
    guest.get_by_role("button", name="계정 만들기").click()
    expect(guest.get_by_text("“푸른 학교”에 참여했습니다.")).to_be_visible()

    member, _ = enter(window)
    settings(member, "places")
    member.get_by_label("초대 코드").fill(made["code"])
    member.get_by_role("button", name="확인하기").click()
    accessible(member)
    member.get_by_role("button", name="하늘 님으로 참여하기").click()
    expect(member.locator("#content")).to_be_visible()
    settings(member, "places")
    member.get_by_role("button", name="나가기: 푸른 학교").click()
    dialog_of(member).get_by_role("button", name="나가기").click()
    expect(member.get_by_text("아직 속한 조직이 없습니다.")).to_be_visible()

    late = window(f"/join/{made['code']}")
    expect(late.get_by_role("heading", name="쓸 수 없는 초대입니다")).to_be_visible()
    accessible(late)


def test_an_invited_visitor_with_an_account_signs_in_beside_making_one(window: Open, supervisor: str) -> None:
    """Whether the invited address has an account is told to nobody: the page is the same for both."""
    page, owner = enter(window)
    _, member = enter(window)
    place = call(page, supervisor, "/organisations/", name="푸른 학교", owner_email=owner)
    seen: set[str] = set()
    for email in (newcomer(), member):
        made = call(page, owner, f"/scopes/{place['id']}/invites", role="student", email=email)
        guest = window(f"/join/{made['code']}")
        expect(guest.get_by_role("heading", name="계정 만들기", level=1)).to_be_visible()
        expect(guest.get_by_text("초대받은 이메일 주소로 계정을 만드시면")).to_be_visible()
        seen.add(re.sub(r"\d", "", guest.locator("main").inner_text()))
    assert len(seen) == 1
    guest.get_by_role("button", name="계정이 있습니다").click()
    expect(guest.get_by_text("초대받은 이메일 주소의 계정으로")).to_be_visible()
    accessible(guest)
    give_password(guest, member)
    expect(guest.get_by_text("“푸른 학교”에 참여했습니다.")).to_be_visible()


@pytest.mark.parametrize(
    ("width", "theme", "language"),
    [(390, "light", "en"), (390, "dark", "ko"), (1440, "dark", "en"), (1440, "light", "ko")],
)
def test_nothing_serious_is_found_at_an_invitation(
    window: Open, supervisor: str, width: int, theme: str, language: str
) -> None:
    inside, owner = enter(window)
    place = call(inside, supervisor, "/organisations/", name="푸른 학교", owner_email=owner)
    made = call(inside, owner, f"/scopes/{place['id']}/invites", role="student", email=newcomer())
    page = window(f"/join/{made['code']}", width=width, theme=theme, language=language)
    for way in ("처음입니다", "계정이 있습니다") if language == "ko" else ("I am new here", "I have an account"):
        page.get_by_role("button", name=way).click()
        expect(page.get_by_role("button", name=way, pressed=True)).to_be_visible()
        accessible(page)
        fits(page)


@pytest.mark.parametrize(("width", "theme", "language"), [(390, "dark", "ko"), (1440, "light", "en")])
def test_nothing_serious_is_found_in_the_settings(window: Open, width: int, theme: str, language: str) -> None:
    page, _ = enter(window, "/settings", width=width, theme=theme, language=language)
    for section in SECTIONS:
        settings(page, section)
        expect(page.get_by_role("heading", name=TITLES[language], level=1)).to_be_visible()
        expect(page.get_by_role("status", name=re.compile("불러오는 중|Loading"))).to_have_count(0)
        accessible(page)
        fits(page)


@pytest.mark.parametrize(("width", "theme", "language"), [(390, "light", "en"), (1440, "dark", "ko")])
def test_nothing_serious_is_found_at_the_door(window: Open, width: int, theme: str, language: str) -> None:
    page = window(width=width, theme=theme, language=language)
    for path in ("/", *DOORS, *LINKS):
        if path in LINKS:
            page.goto(path)
        elif path != "/":
            go(page, path)
        expect(page.locator("main h1")).to_be_visible()
        accessible(page)
        fits(page)
        assert "#" not in page.url


def test_a_failed_sign_in_at_a_provider_says_why_and_leaves_the_address_clean(window: Open) -> None:
    page = window("/?sign-in-error=oidc_denied")
    expect(page.get_by_role("alert")).to_be_visible()
    assert "sign-in-error" not in page.url
