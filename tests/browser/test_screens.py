"""Every screen in both languages and themes, from a phone to a desktop, with eyes, keyboard and axe."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, accessible, enter, fits, go, send, whole_answer


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (390, "light"), (1440, "dark")])
def test_nothing_serious_is_found_anywhere(window: Open, width: int, theme: str) -> None:
    page, _ = enter(window, width=width, theme=theme)
    for path in ("/documents", "/nowhere", "/chat/01a1fc94-5665-76e9-9408-8697ac23fcfd", "/"):
        go(page, path)
        expect(page.locator("main h1, main h2").first).to_be_visible()
        accessible(page)
        fits(page)
    send(page, "좁은 화면에서도 보이나요?")
    whole_answer(page)
    accessible(page)
    fits(page)


def test_a_phone_opens_the_list_as_a_screen_of_its_own(window: Open) -> None:
    page, _ = enter(window, width=390)
    send(page, "안녕하세요, 마당입니까?")
    whole_answer(page)
    page.get_by_role("button", name="메뉴 열기").click()
    rail = page.get_by_role("dialog", name="주 메뉴")
    expect(rail.get_by_role("link", name="안녕하세요, 마당입니까?")).to_be_visible()
    accessible(page)
    rail.get_by_role("button", name="더 보기").click()
    page.get_by_role("menuitem", name="이름 바꾸기").click()
    page.keyboard.press("Escape")
    rail.get_by_role("link", name="설정").click()
    expect(rail).to_be_hidden()
    expect(page.get_by_role("heading", name="설정", exact=True)).to_be_visible()


def test_the_keyboard_goes_everywhere(window: Open) -> None:
    page, _ = enter(window, "/settings")
    expect(page.get_by_role("heading", name="설정", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="본문으로 건너뛰기")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Control+k")
    expect(page.get_by_label("대화 찾기")).to_be_focused()
    page.keyboard.press("Control+Shift+O")
    expect(page.locator("#composer")).to_be_visible()
    page.get_by_role("button", name="모델 고르기").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menu")).to_be_visible()
    accessible(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_be_hidden()
