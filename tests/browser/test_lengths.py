"""What is long stays readable and inside of the screen; and every screen has a name."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browser.conftest import PASSWORD, Open, accessible, enter, fits, go, newcomer, send
from tests.browser.test_consoles import call

LONG = ("띄어쓰기가전혀없는아주긴이름" * 15)[:200]
TABLE = (
    "|이름|시작|끝|장소|담당자|연락처|준비물|비용|비고|%0A|-|-|-|-|-|-|-|-|-|%0A"
    "|개회식|09:00|09:30|대강당|김하늘|010-1234-5678|마이크|1,200,000|시간엄수|"
)
LINES = """(element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    return new Set([...range.getClientRects()].map((rect) => Math.round(rect.top))).size;
}"""


def in_one_line(what: Locator) -> bool:
    return what.evaluate(LINES) == 1


def answer_with(page: Page, text: str) -> None:
    """Have the next answers to this page say that."""

    def told(route: Route, request: Request) -> None:
        changed: dict[str, Any] = {
            "post_data": {**request.post_data_json, "model": f"openai/bench?rate=400&text={text}"}
        }
        route.continue_(**(changed if request.method == "POST" else {}))

    page.route(re.compile(r"/messages$"), told)


def test_the_words_of_a_wide_table_stay_whole(window: Open) -> None:
    page, _ = enter(window, width=390)
    answer_with(page, TABLE)
    send(page, "행사를 표로 보여 주세요")
    expect(page.locator("article[aria-busy]").last).to_have_attribute("data-status", "complete", timeout=40_000)
    for word in ("담당자", "09:00", "010-1234-5678", "1,200,000", "시간엄수"):
        cell = page.get_by_role("cell", name=word).or_(page.get_by_role("columnheader", name=word))
        expect(cell).to_be_attached()
        assert in_one_line(cell), word
    fits(page)
    accessible(page)


def test_a_name_of_two_hundred_letters_leaves_room_for_what_stands_beside_it(window: Open, supervisor: str) -> None:
    page, owner = enter(window, width=390)
    scope = call(page, supervisor, "/organisations/", name=LONG, owner_email=owner)["id"]
    page.goto("/settings/places")
    leave = page.get_by_role("button", name=f"나가기: {LONG}")
    expect(leave).to_be_visible()
    assert in_one_line(leave)
    fits(page)
    for path in ("/organisations", f"/organisations/{scope}/overview", f"/organisations/{scope}/members"):
        go(page, path)
        expect(page.get_by_title(LONG, exact=True).first).to_be_visible()
        fits(page)
        accessible(page)
    # The sections are still on the first screen, below the name.
    expect(page.get_by_role("link", name="구성원", exact=True)).to_be_in_viewport()


def test_a_name_without_spaces_stays_inside_of_the_list_of_people(window: Open, supervisor: str) -> None:
    page = window("/supervisor/people", email=supervisor, width=390)
    email = newcomer()
    made = page.context.request.post(
        "/api/v1/auth/register", data={"email": email, "password": PASSWORD, "name": LONG[:100]}
    )
    assert made.ok, made.text()
    page.get_by_label("이름과 이메일로 찾기").fill(email)
    row = page.get_by_role("row", name=re.compile(email))
    expect(row).to_be_visible()
    fits(page)
    expect(row.get_by_role("button").last).to_be_in_viewport()


def test_every_screen_has_a_name_of_its_own(window: Open, supervisor: str) -> None:
    page, _ = enter(window, email=supervisor)
    scope = call(page, supervisor, "/organisations/", name="이름 학원")["id"]
    expect(page).to_have_title("마당")
    names = {
        "/documents": "문서 · 마당",
        "/settings/security": "보안 · 설정 · 마당",
        "/organisations": "조직 · 마당",
        f"/organisations/{scope}/members": "구성원 · 이름 학원 · 마당",
        "/supervisor/people": "사람 · 서버 관리 · 마당",
        "/nowhere": "없는 페이지입니다 · 마당",
        "/": "마당",
    }
    for path, name in names.items():
        go(page, path)
        expect(page).to_have_title(name)
    send(page, "대화에도 이름이 있나요?")
    expect(page).to_have_title("대화에도 이름이 있나요? · 마당", timeout=20_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("대화에도 이름이 있나요?")
    door = window("/forgot-password")
    expect(door).to_have_title("비밀번호 다시 정하기 · 마당")
