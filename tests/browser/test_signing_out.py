"""A shared computer: whoever signs out has left, in every tab, and leaves nothing to the next; and an open screen."""

import json
import re

from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import PASSWORD, Open, accessible, enter, newcomer, sign_in
from tests.browser.test_account import dialog_of, give_password, settings, sign_out

LOGOUT = re.compile(r"/api/v1/auth/logout$")
NOT_TOLD = "아직 서버에 알리지 못했습니다"


def entrance(page: Page) -> Locator:
    return page.get_by_role("button", name="로그인", exact=True)


def test_attack_a_sign_out_that_the_server_did_not_hear_is_undone_by_a_reload(window: Open) -> None:
    page, _ = enter(window)
    other = window(context=page.context)
    expect(other.locator("#content")).to_be_visible()
    settings(page, "account")
    page.context.route(LOGOUT, lambda route: route.abort())
    page.get_by_role("button", name="로그아웃").click()
    for one in (page, other):
        expect(entrance(one)).to_be_visible()
        expect(one.get_by_text(NOT_TOLD)).to_be_visible()
    accessible(page)
    page.reload()
    expect(entrance(page)).to_be_visible()
    expect(page.get_by_text(NOT_TOLD)).to_be_visible()
    page.context.unroute(LOGOUT)
    for one in (page, other):
        expect(one.get_by_text(NOT_TOLD)).to_have_count(0, timeout=60_000)
    assert page.request.post("/api/v1/auth/refresh").status == 401
    page.reload()
    expect(entrance(page)).to_be_visible()
    expect(page.get_by_text(NOT_TOLD)).to_have_count(0)


def test_attack_the_next_person_finds_what_the_last_one_wrote(window: Open) -> None:
    page, email = enter(window, theme="dark")
    page.locator("#composer").fill("아무도 보면 안 되는 이야기")
    page.reload()
    expect(page.locator("#composer")).to_have_value("아무도 보면 안 되는 이야기")
    sign_out(page)
    kept = page.evaluate("JSON.stringify([Object.entries(sessionStorage), Object.entries(localStorage)])")
    assert "이야기" not in kept
    sign_in(page.context, next_one := newcomer())
    page.context.clear_cookies()
    page.goto("/")
    give_password(page, next_one)
    expect(page.locator("#composer")).to_have_value("")

    page.locator("#composer").fill("두 번째 사람의 이야기")
    page.context.clear_cookies()
    page.reload()
    expect(entrance(page)).to_be_visible()
    give_password(page, email)
    expect(page.locator("#composer")).to_have_value("")


def test_what_needs_proof_asks_for_the_password_and_then_goes_on(window: Open) -> None:
    page, _ = enter(window)
    refused: list[str] = []

    def stale(route: Route) -> None:
        if route.request.method != "POST" or refused:
            route.fallback()
            return
        refused.append(route.request.url)
        problem = {"status": 403, "code": "confirmation_needed", "detail": "", "title": "Forbidden"}
        route.fulfill(status=403, content_type="application/problem+json", body=json.dumps(problem))

    page.route(re.compile(r"/users/me/keys$"), stale)
    settings(page, "keys")
    page.get_by_role("button", name="새 키").click()
    dialog_of(page).locator("input[name=name]").fill("보고서 프로그램")
    dialog_of(page).get_by_role("button", name="키 만들기").click()
    asked = page.get_by_role("dialog", name="본인 확인")
    expect(asked).to_be_visible()
    accessible(page)
    asked.locator("input[name=password]").fill("nothing like it at all")
    asked.get_by_role("button", name="계속").click()
    expect(asked.get_by_role("alert")).to_contain_text("비밀번호가 맞지 않습니다")
    asked.locator("input[name=password]").fill(PASSWORD)
    asked.get_by_role("button", name="계속").click()
    expect(page.locator("[data-key]")).to_be_visible()
    assert len(refused) == 1
