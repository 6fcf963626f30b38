"""An answer on a screen survives what happens to the screen, the line and the server."""

from playwright.sync_api import expect

from tests.browser.conftest import (
    SLOW_WORDS,
    WORDS,
    LiveServer,
    Open,
    enter,
    send,
    speak_slowly,
    until,
    whole_answer,
    words_of,
)


def test_a_reload_and_a_second_tab_in_the_middle(window: Open) -> None:
    page, _ = enter(window)
    speak_slowly(page)
    send(page, "오래 걸리는 질문")
    until(lambda: len(words_of(page)) > 5)
    page.reload()
    until(lambda: page.locator("article[aria-busy]").count() == 1)
    second = window(page.url, context=page.context)
    for one in (page, second):
        whole_answer(one, SLOW_WORDS)


def test_a_line_that_breaks_in_the_middle(window: Open) -> None:
    page, _ = enter(window)
    speak_slowly(page)
    send(page, "오래 걸리는 질문")
    until(lambda: len(words_of(page)) > 5)
    page.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.context.set_offline(False)
    whole_answer(page, SLOW_WORDS)


def test_a_server_that_is_killed_in_the_middle(window: Open, live_server: LiveServer) -> None:
    page, _ = enter(window)
    speak_slowly(page)
    send(page, "오래 걸리는 질문")
    until(lambda: len(words_of(page)) > 5)
    live_server.kill_api()
    whole_answer(page, SLOW_WORDS)
    page.reload()
    whole_answer(page, SLOW_WORDS)
    expect(page.locator("article[aria-busy]")).to_have_count(1)


def test_what_two_tabs_say_to_each_other(window: Open) -> None:
    page, _ = enter(window)
    send(page, "첫 질문")
    whole_answer(page)
    second = window(page.url, context=page.context)
    expect(second.get_by_text("첫 질문").last).to_be_visible()
    send(page, "둘째 질문")
    until(lambda: second.locator("article[aria-busy]").count() == 2)
    whole_answer(second)
    whole_answer(page)
    assert len(WORDS) == len(set(words_of(second)))
