"""What a person does with Madang, from the first page to signing out."""

import re

from playwright.sync_api import Page, Request, Route, expect

from tests.browser.conftest import (
    SLOW_WORDS,
    Open,
    accessible,
    enter,
    register,
    send,
    speak_slowly,
    until,
    whole_answer,
    words_of,
)

RULES = (
    "제1조 (목적) 이 규정은 직원의 휴가에 관한 사항을 정한다.\n\n"
    "제2조 (연차 휴가) 1년간 80퍼센트 이상 출근한 직원에게는 15일의 연차 휴가를 준다.\n\n"
    "제3조 (신청) 연차 휴가를 쓰려는 직원은 3일 전까지 팀장에게 신청서를 낸다.\n"
)


def upload(page: Page) -> None:
    page.get_by_role("link", name="문서").click()
    expect(page.get_by_text("아직 문서가 없습니다")).to_be_visible()
    accessible(page)
    files = [
        {"name": "휴가 규정.txt", "mimeType": "text/plain", "buffer": RULES.encode()},
        {"name": "빈 파일.txt", "mimeType": "text/plain", "buffer": b""},
        {"name": "그림.pdf", "mimeType": "application/pdf", "buffer": b"\x89PNG\r\n\x1a\n" + bytes(64)},
    ]
    page.locator("input[type=file]").first.set_input_files(files)  # type: ignore[arg-type]  # what its documentation shows
    expect(page.get_by_role("button", name="“휴가 규정” 보기")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("빈 파일입니다.")).to_be_visible()
    page.locator("input[type=file]").first.set_input_files(files[0])  # type: ignore[arg-type]  # the same
    expect(page.get_by_text("이미 있는 문서입니다")).to_be_visible()
    accessible(page)


def open_source(page: Page) -> None:
    citation = page.get_by_role("button", name="출처 1: 휴가 규정").first
    citation.click()
    panel = page.get_by_role("complementary", name="출처: 휴가 규정")
    expect(panel.locator("mark")).to_contain_text("15일의 연차 휴가")
    accessible(page)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(citation).to_be_focused()


def test_from_an_upload_to_a_cited_answer_and_back_out(window: Open) -> None:
    page = window()
    register(page)
    expect(page.locator("#content")).to_be_visible()
    upload(page)
    page.get_by_role("link", name="새 대화").click()
    send(page, "연차 휴가는 며칠인가요?")
    whole_answer(page)
    expect(page.locator("article .katex").first).to_be_visible()
    accessible(page)
    open_source(page)
    rename_and_delete(page)
    page.get_by_role("link", name="문서").click()
    page.get_by_role("button", name="삭제: 휴가 규정").click()
    expect(page.get_by_role("dialog")).to_contain_text("“휴가 규정” 문서를 삭제할까요?")
    accessible(page)
    page.get_by_role("dialog").get_by_role("button", name="삭제").click()
    expect(page.get_by_role("button", name="“휴가 규정” 보기")).to_be_hidden()


def rename_and_delete(page: Page) -> None:
    sessions = page.get_by_role("navigation", name="대화 목록")
    sessions.get_by_role("listitem").first.hover()
    sessions.get_by_role("button").first.click()
    page.get_by_role("menuitem", name="이름 바꾸기").click()
    page.get_by_role("textbox", name="대화 이름").fill("휴가 이야기")
    page.keyboard.press("Enter")
    expect(sessions.get_by_role("link", name="휴가 이야기")).to_be_visible()
    page.get_by_label("대화 찾기").fill("없는 낱말들")
    expect(page.get_by_text("맞는 대화가 없습니다")).to_be_visible()
    page.get_by_label("대화 찾기").fill("며칠인가요")
    expect(sessions.get_by_role("link", name="휴가 이야기")).to_be_visible()
    page.get_by_role("button", name="지우기").click()
    sessions.get_by_role("listitem").first.hover()
    sessions.get_by_role("button", name="“휴가 이야기” 더 보기").click()
    page.get_by_role("menuitem", name="삭제").click()
    page.get_by_role("dialog").get_by_role("button", name="삭제").click()
    expect(sessions.get_by_text("아직 대화가 없습니다.")).to_be_visible()
    expect(page.locator("h1")).to_contain_text("무엇을 도와드릴까요?")


def test_stop_then_answer_again(window: Open) -> None:
    page, _ = enter(window)
    speak_slowly(page)
    send(page, "천천히 말해 주세요")
    until(lambda: words_of(page))
    page.get_by_role("button", name="답변 멈추기").click()
    answer = page.locator("article[aria-busy]").last
    expect(answer).to_have_attribute("data-status", "stopped")
    expect(page.get_by_text("답변을 멈췄습니다.")).to_be_visible()
    answer.get_by_role("button", name="다시 답변받기").click()
    whole_answer(page, SLOW_WORDS)
    expect(page.locator("article[aria-busy]")).to_have_count(1)


def test_an_answer_that_fails_says_why_and_offers_a_way_out(window: Open) -> None:
    page, _ = enter(window)

    def with_a_wrong_key(route: Route, request: Request) -> None:
        changed = {"post_data": {**request.post_data_json, "model": "openai/bench?status=401"}}
        route.continue_(**(changed if request.method == "POST" else {}))

    page.route(re.compile(r"/messages$"), with_a_wrong_key)
    send(page, "될까요?")
    expect(page.get_by_role("alert")).to_contain_text("모델 서버가 요청을 거절했습니다", timeout=30_000)
    accessible(page)
    expect(page.get_by_role("alert").get_by_role("button", name="다시 답변받기")).to_be_enabled()


def test_settings_change_at_once_and_stay(window: Open) -> None:
    page, _ = enter(window)
    page.get_by_role("link", name="설정").click()
    accessible(page)
    page.get_by_role("radio", name="English").click()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    page.get_by_role("radio", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    accessible(page)
    page.reload()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.locator("html").get_attribute("lang") == "en"


def test_signing_out_reaches_every_tab(window: Open) -> None:
    first, _ = enter(window, "/settings/account")
    second = window("/documents", context=first.context)
    expect(second.get_by_role("heading", name="문서", exact=True)).to_be_visible()
    first.get_by_role("button", name="로그아웃").click()
    for page in (first, second):
        expect(page.get_by_role("button", name="로그인", exact=True)).to_be_visible()
    second.reload()
    expect(second.get_by_role("button", name="로그인", exact=True)).to_be_visible()
