"""What only supervisors and those who run an organisation can do: about people's ways in, the deleted, directories."""

import re
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PASSWORD, Open, accessible, enter, fits, go


class Boss:
    """The supervisor, past the screens."""

    def __init__(self, page: Page, email: str) -> None:
        self.request = page.context.request
        self.entry = self.request.post("/api/v1/auth/login", data={"email": email, "password": PASSWORD}).json()

    def __call__(self, method: str, path: str, **body: object) -> Any:
        headers = {"Authorization": f"Bearer {self.entry['access_token']}"}
        answer = self.request.fetch(f"/api/v1{path}", method=method, data=body or None, headers=headers)
        assert answer.ok, answer.text()
        return answer.json() if answer.status not in {202, 204} else None


def deed(panel: Locator, name: str) -> Locator:
    """The button of something that can be done about the person."""
    return panel.get_by_role("listitem").get_by_role("button", name=name, exact=True)


def confirm(page: Page, action: str, *, password: str | None = None) -> None:
    """Answer the question that is asked over the person's panel."""
    dialog = page.get_by_role("dialog").last
    if password is not None:
        dialog.get_by_label("내 비밀번호").fill(password)
    dialog.get_by_role("button", name=action, exact=True).click()


def take_back_and_reset(boss: Page, panel: Locator) -> None:
    deed(panel, "관리자 해제").click()
    confirm(boss, "관리자 해제", password=PASSWORD)
    expect(deed(panel, "관리자로 지정")).to_be_visible()
    deed(panel, "초기화").click()
    confirm(boss, "초기화", password=PASSWORD)
    expect(boss.get_by_text("2단계 인증을 초기화했습니다.")).to_be_visible()


def disable_and_delete_for_a_while(boss: Page, panel: Locator) -> None:
    deed(panel, "사용 중지").click()
    expect(boss.get_by_role("dialog").last).to_contain_text("API 키가 사라집니다")
    confirm(boss, "사용 중지")
    deed(panel, "다시 허용").click()
    deed(panel, "삭제").click()
    confirm(boss, "삭제")
    expect(panel).to_contain_text("그때까지 되살릴 수 있습니다")
    accessible(boss)
    deed(panel, "되살리기").click()
    expect(deed(panel, "삭제")).to_be_visible()


def test_a_supervisor_shares_the_house_and_mends_somebodys_ways_in(window: Open, supervisor: str) -> None:
    person, email = enter(window)
    boss = window("/supervisor/people", email=supervisor, width=1440)
    boss.get_by_label("이름과 이메일로 찾기").fill(email)
    boss.get_by_role("row", name=re.compile(email)).get_by_role("button", name="하늘", exact=True).click()
    panel = boss.get_by_role("dialog").first
    accessible(boss)
    deed(panel, "관리자로 지정").click()
    confirm(boss, "관리자로 지정", password="a wrong one 11")
    expect(boss.get_by_role("alert")).to_have_text("비밀번호가 맞지 않습니다.")
    accessible(boss)
    confirm(boss, "관리자로 지정", password=PASSWORD)
    expect(panel.locator("dl")).to_contain_text("서버 관리자")
    person.reload()
    expect(person.get_by_role("link", name="서버 관리")).to_be_visible()

    take_back_and_reset(boss, panel)
    person.reload()
    expect(person.locator("input[name=password]")).to_be_visible()
    disable_and_delete_for_a_while(boss, panel)
    boss.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    go(boss, "/supervisor/audit")
    expect(boss.get_by_role("row", name=re.compile("서버 관리자에서 해제함")).first).to_be_visible()


def test_what_was_deleted_is_found_and_restored(window: Open, supervisor: str) -> None:
    page = window("/supervisor/organisations", email=supervisor, width=390)
    boss = Boss(page, supervisor)
    school = boss("POST", "/organisations/", name="돌아온 학원")["id"]
    branch = boss("POST", f"/scopes/{school}/children", kind="partner", name="닫힌 지점")["id"]
    boss("DELETE", f"/scopes/{branch}")
    boss("DELETE", f"/scopes/{school}")
    page.get_by_role("button", name="삭제된 것 보기").click()
    row = page.get_by_role("table", name="삭제됨").get_by_role("row", name=re.compile("돌아온 학원"))
    row.get_by_role("button", name="되살리기: 돌아온 학원").click()
    expect(row).to_be_hidden()
    expect(page.get_by_role("link", name="돌아온 학원")).to_be_visible()
    go(page, f"/organisations/{school}/places")
    page.get_by_role("button", name="삭제된 것 보기").click()
    accessible(page)
    fits(page)
    page.get_by_role("button", name="되살리기: 닫힌 지점").click()
    expect(page.get_by_text("삭제된 것이 없습니다.")).to_be_visible()
    expect(page.get_by_role("link", name="닫힌 지점").last).to_be_visible()


def make_a_token(page: Page) -> tuple[str, str]:
    """The address for the directory and its token, which is shown this once."""
    expect(page.get_by_text("아직 토큰이 없습니다.")).to_be_visible()
    page.get_by_role("button", name="토큰 만들기").click()
    page.get_by_role("dialog").get_by_label("이름").fill("Entra ID")
    page.get_by_role("dialog").get_by_role("button", name="만들기", exact=True).click()
    shown = page.locator("main [role=status] .font-mono")
    expect(shown).to_have_count(2)
    url, token = shown.all_inner_texts()
    return url.strip(), token.strip()


def test_a_directory_is_let_in_and_its_groups_give_roles(window: Open, supervisor: str) -> None:
    page = window("/organisations", email=supervisor, width=390)
    boss = Boss(page, supervisor)
    school = boss("POST", "/organisations/", name="연동 학원")["id"]
    branch = boss("POST", f"/scopes/{school}/children", kind="partner", name="강남 지점")["id"]
    boss("POST", f"/scopes/{branch}/children", kind="class", name="수학 1반")
    go(page, f"/organisations/{school}/directory")
    url, token = make_a_token(page)
    accessible(page)
    fits(page)
    group = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "수학과 선생님"}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    assert httpx.post(f"{url}/Groups", json=group, headers=headers).status_code == 201
    page.reload()
    expect(page.get_by_text(token)).to_have_count(0)
    page.get_by_role("button", name="역할 정하기: 수학과 선생님").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("역할").select_option("instructor")
    dialog.get_by_label("어디에서").select_option("강남 지점")
    dialog.get_by_label("그 안에서").select_option("수학 1반")
    accessible(page)
    dialog.get_by_role("button", name="저장").click()
    expect(page.get_by_role("row", name=re.compile("수학과 선생님"))).to_contain_text("선생님 · 수학 1반")
    page.get_by_role("button", name="폐기: Entra ID").click()
    page.get_by_role("dialog").get_by_role("button", name="폐기").click()
    expect(page.get_by_text("아직 토큰이 없습니다.")).to_be_visible()
    assert httpx.post(f"{url}/Groups", json=group, headers=headers).status_code == 401
