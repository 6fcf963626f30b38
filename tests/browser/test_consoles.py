"""The consoles: an organisation from its founding to a member who is out, and every screen with eyes and axe."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PASSWORD, Open, accessible, enter, fits, go, send, whole_answer

SECTIONS = ("overview", "members", "invites", "places", "budgets", "usage", "directory", "audit")
HOUSE_SECTIONS = ("organisations", "people", "budgets", "usage", "invites", "audit")


def call(page: Page, email: str, path: str, /, **body: object) -> Any:
    """POST as somebody, past the screens; the answer."""
    request = page.context.request
    entry = request.post("/api/v1/auth/login", data={"email": email, "password": PASSWORD}).json()
    answer = request.post(f"/api/v1{path}", data=body, headers={"Authorization": f"Bearer {entry['access_token']}"})
    assert answer.ok, answer.text()
    return answer.json()


def found(boss: Page, owner_email: str) -> str:
    """A supervisor makes an organisation for its owner; the address of its console."""
    boss.get_by_role("link", name="서버 관리").click()
    expect(boss.get_by_text("모두 잘 돌아가고 있습니다.")).to_be_visible()
    boss.get_by_role("button", name="조직 만들기").click()
    dialog = boss.get_by_role("dialog")
    dialog.get_by_label("이름").fill("한빛 학원")
    dialog.get_by_label("소유자 이메일").fill("nobody at all")
    dialog.get_by_role("button", name="만들기", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text("이메일 주소를 확인해 주세요.")
    dialog.get_by_label("소유자 이메일").fill("nobody@example.com")
    dialog.get_by_role("button", name="만들기", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text("없는 계정입니다.")
    accessible(boss)
    dialog.get_by_label("소유자 이메일").fill(owner_email)
    dialog.get_by_role("button", name="만들기", exact=True).click()
    expect(boss.get_by_role("heading", name="한빛 학원")).to_be_visible()
    return re.sub(r"/overview$", "", boss.url)


def invite(owner: Page) -> str:
    """The owner makes an invite for one student; the link, which is shown once."""
    owner.get_by_role("link", name="초대", exact=True).click()
    expect(owner.get_by_text("아직 초대가 없습니다.")).to_be_visible()
    owner.get_by_role("button", name="초대 만들기").click()
    accessible(owner)
    owner.get_by_role("dialog").get_by_role("button", name="만들기", exact=True).click()
    shown = owner.get_by_text(re.compile(r"^http://\S+/join/\S+$"))
    expect(shown).to_be_visible()
    assert owner.get_by_role("img", name="초대 링크의 QR 코드").evaluate("img => img.decode().then(() => true)")
    accessible(owner)
    link = shown.inner_text()
    owner.reload()
    expect(owner.get_by_role("row").filter(has_text="0 / 1")).to_be_visible()
    expect(shown).to_be_hidden()
    return link


def add_a_class(owner: Page) -> None:
    owner.get_by_role("link", name="파트너와 반").first.click()
    owner.get_by_role("button", name="추가").click()
    dialog = owner.get_by_role("dialog")
    dialog.get_by_role("button", name="만들기", exact=True).click()
    expect(dialog.get_by_text("이름을 입력해 주세요.")).to_be_visible()
    expect(dialog.get_by_label("이름")).to_be_focused()
    dialog.get_by_label("이름").fill("강남 지점")
    dialog.get_by_role("button", name="만들기", exact=True).click()
    row = owner.get_by_role("row", name=re.compile("강남 지점"))
    row.get_by_role("button", name="“강남 지점” 더 보기").click()
    owner.get_by_role("menuitem", name="삭제").click()
    expect(owner.get_by_role("dialog")).to_contain_text("“강남 지점”을 삭제할까요?")
    expect(owner.get_by_role("dialog").get_by_role("heading")).to_have_css("text-align", "start")
    owner.get_by_role("dialog").get_by_role("button", name="삭제").click()
    expect(row).to_be_hidden()
    owner.get_by_role("button", name="되돌리기").click()
    expect(row).to_be_visible()
    expect(owner.get_by_role("navigation", name="파트너와 반").get_by_role("link", name="강남 지점")).to_be_visible()


def set_a_budget(owner: Page) -> None:
    owner.get_by_role("link", name="예산").click()
    expect(owner.get_by_text("예산이 없어 한도 없이 씁니다.")).to_be_visible()
    owner.get_by_role("button", name="예산 만들기").click()
    dialog = owner.get_by_role("dialog")
    dialog.get_by_label("단위").select_option("tokens")
    dialog.get_by_label("한도").fill("많이")
    dialog.get_by_role("button", name="만들기", exact=True).click()
    expect(dialog.get_by_text("0보다 큰 수를 입력해 주세요.")).to_be_visible()
    dialog.get_by_label("한도").fill("5,000,000")
    dialog.get_by_role("button", name="만들기", exact=True).click()
    expect(owner.get_by_role("meter", name="월 예산 사용률")).to_be_visible()
    accessible(owner)


def members_menu(owner: Page, email: str) -> Locator:
    """Open what can be done with a member; their row."""
    owner.get_by_role("link", name="구성원").first.click()
    row = owner.get_by_role("row", name=re.compile(email))
    row.get_by_role("button").click()
    return row


def make_instructor(owner: Page, email: str) -> None:
    row = members_menu(owner, email)
    accessible(owner)
    owner.get_by_role("menuitemradio", name="선생님").click()
    expect(row).to_contain_text("선생님")


def suspend(owner: Page, email: str) -> None:
    row = members_menu(owner, email)
    owner.get_by_role("menuitem", name="정지").click()
    owner.get_by_role("dialog").get_by_role("button", name="정지").click()
    expect(row).to_contain_text("정지됨")


def look_at_usage(owner: Page) -> None:
    owner.get_by_role("link", name="사용량").click()
    owner.get_by_label("기준").select_option("tokens")
    expect(owner.get_by_role("img", name=re.compile("날짜별 토큰")).locator("svg path").first).to_be_attached()
    owner.get_by_role("button", name="사람").click()
    expect(owner.get_by_role("table", name="사람").get_by_role("row", name=re.compile("하늘"))).to_be_visible()
    accessible(owner)


def read_the_log(owner: Page) -> None:
    owner.get_by_role("link", name="감사 기록").click()
    expect(owner.get_by_role("row", name=re.compile("구성원을 바꿈")).first).to_be_visible()
    with owner.expect_download() as download:
        owner.get_by_role("button", name="내보내기").click()
        owner.get_by_role("menuitem", name="CSV").click()
    assert "organisations.member_changed" in download.value.path().read_text("utf-8")


def test_an_organisation_from_its_founding_to_a_member_who_is_out(window: Open, supervisor: str) -> None:
    owner, owner_email = enter(window, width=1440)
    expect(owner.get_by_role("link", name="조직")).to_be_hidden()
    console = found(enter(window, email=supervisor)[0], owner_email)
    owner.reload()
    owner.get_by_role("link", name="조직", exact=True).click()
    owner.get_by_role("link", name="한빛 학원").click()
    expect(owner.get_by_text("정해진 예산이 없습니다.")).to_be_visible()

    guest, guest_email = enter(window)
    guest.goto(invite(owner))
    guest.get_by_role("button", name="하늘 님으로 참여하기").click()
    expect(guest.get_by_text("“한빛 학원”에 참여했습니다.")).to_be_visible()
    guest.goto("/organisations")
    expect(guest.get_by_text("학생")).to_be_visible()
    add_a_class(owner)
    make_instructor(owner, guest_email)
    set_a_budget(owner)
    go(guest, "/")
    send(guest, "무엇을 가르칠까요?")
    whole_answer(guest)
    look_at_usage(owner)
    suspend(owner, guest_email)
    guest.goto("/organisations")
    expect(guest.get_by_text("여기에서 정지되었습니다.")).to_be_visible()
    accessible(guest)
    guest.goto(console)
    expect(guest.get_by_role("heading", name="없는 조직입니다")).to_be_visible()
    read_the_log(owner)


def test_a_student_sees_where_they_are_and_is_told_why_not_more(window: Open, supervisor: str) -> None:
    page, email = enter(window)
    scope = call(page, supervisor, "/organisations/", name="바다 학원")["id"]
    made = call(page, supervisor, f"/scopes/{scope}/invites", role="student")
    call(page, email, f"/invites/{made['code']}/redeem")
    go(page, f"/organisations/{scope}/audit")
    expect(page.get_by_role("heading", name="볼 수 없는 화면입니다")).to_be_visible()
    accessible(page)
    sections = page.get_by_role("navigation", name="조직 메뉴").get_by_role("link")
    expect(sections).to_have_text(["개요", "파트너와 반"])
    go(page, "/supervisor")
    expect(page.get_by_role("heading", name="서버 관리자만 볼 수 있습니다")).to_be_visible()


@pytest.mark.parametrize(("width", "language", "theme"), [(390, "en", "dark"), (1440, "ko", "light")])
def test_nothing_serious_is_found_on_any_console(
    window: Open, supervisor: str, width: int, language: str, theme: str
) -> None:
    page, _ = enter(window, "/organisations", email=supervisor, width=width, language=language, theme=theme)
    scope = call(page, supervisor, "/organisations/", name="산들 학원")["id"]
    call(page, supervisor, "/budgets/", subject_kind="scope", subject_id=scope, unit="tokens", limit=10, window="week")
    paths = [f"/organisations/{scope}/{one}" for one in SECTIONS] + [f"/supervisor/{one}" for one in HOUSE_SECTIONS]
    for path in ["/organisations", *paths]:
        go(page, path)
        expect(page.locator("main h1")).to_be_visible()
        expect(page.locator("main [role=status][aria-label]")).to_have_count(0)
        accessible(page)
        fits(page)
