"""What people wrote is never markup in a letter, and only its own links can be followed."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from madang.features.accounts.service.stationery import letter

LINK = "https://madang.example/verify#a-b_c"
TAG = re.compile(r"<[^>]*>")
PIECES = st.sampled_from(
    ["<b>", "</p>", "&amp;", '"', "'", "\n", "\n\n", "한", "javascript:alert(1)", "x", f" {LINK} "]
)


def body_of(page: str) -> str:
    return page.partition("<body")[2].partition(">")[2].removesuffix("</body></html>")


@given(st.lists(PIECES, max_size=20).map("".join))
def test_the_page_says_what_the_text_says_and_nothing_in_it_is_markup(said: str):
    page = body_of(letter("a@example.org", "hello", said).html)
    assert set(TAG.findall(page)) <= {"<p>", "</p>", "<br>", "</a>", f'<a href="{LINK}">'}
    shown = unescape(TAG.sub("", page.replace("<br>", "\n")))
    assert "".join(shown.split()) == "".join(said.split())


def test_a_link_that_stands_alone_is_a_button_and_can_be_copied():
    page = body_of(letter("a@example.org", "hello", f"Hello,\n\n{LINK}\n\nor {LINK}", "Open & see").html)
    assert "<p>Hello,</p>" in page
    assert f'">{LINK}</p>' in page
    assert ">Open &amp; see</a>" in page
    assert page.count(f'href="{LINK}"') == 2


def test_without_words_for_it_a_link_is_a_link():
    assert body_of(letter("a@example.org", "hello", LINK).html) == f'<p><a href="{LINK}">{LINK}</a></p>'
