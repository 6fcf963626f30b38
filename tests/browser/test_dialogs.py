"""Dialogs: whichever way one leaves, the focus is back where one was, and nothing that one did meanwhile is lost."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, enter
from tests.browser.test_account import dialog_of, settings

WAYS_OUT: dict[str, Callable[[Page], None]] = {
    "escape": lambda page: page.keyboard.press("Escape"),
    "cancel": lambda page: dialog_of(page).get_by_role("button", name="취소").click(),
    "beside": lambda page: page.mouse.click(5, 5),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_the_focus_comes_back_to_what_opened_a_dialog(window: Open, way: str) -> None:
    page, _ = enter(window)
    settings(page, "account")
    opener = page.get_by_role("button", name="이름 바꾸기")
    opener.click()
    expect(dialog_of(page)).to_be_visible()
    WAYS_OUT[way](page)
    expect(dialog_of(page)).to_be_hidden()
    expect(opener).to_be_focused()


def test_a_dialog_that_is_opened_again_at_once_stays_open(window: Open) -> None:
    page, _ = enter(window)
    settings(page, "account")
    opener = page.get_by_role("button", name="이름 바꾸기")
    opener.focus()
    for _ in range(20):
        page.keyboard.press("Enter")
        expect(dialog_of(page)).to_be_visible()
        page.keyboard.press("Escape")
        expect(opener).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_function("new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(true), 30)))")
        expect(dialog_of(page)).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog_of(page)).to_be_hidden()
        expect(opener).to_be_focused()
