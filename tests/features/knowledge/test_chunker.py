"""Nothing is lost, nothing moves, and a citation opens the page that says it."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from madang.features.knowledge.service.chunker import TARGET, WHOLE, chunk_pages

SENTENCES = st.sampled_from(
    [
        "마당은 한국 집의 모든 방이 열리는 뜰이다.",
        "Refunds are accepted within seven days of delivery.",
        "제3조(환불) 상품을 받은 날부터 7일 안에 신청할 수 있다!",
        "1989년 2월 15일, 3.14 그리고 v2.0",
        "가" * 1500,
        "word " * 400,
        "# 환불 규정",
        "## Refunds",
        "짧다",
    ]
)
GAPS = st.sampled_from([" ", "\n", "\n\n", "\n \n\n", "  "])
PAGES = st.lists(
    st.lists(st.tuples(SENTENCES, GAPS), max_size=12).map(lambda parts: "".join(a + b for a, b in parts)), max_size=5
)


def bare(text):
    return re.sub(r"\s+", "", text)


@given(PAGES)
def test_every_character_is_in_exactly_one_chunk_of_its_own_page(pages):
    chunks = chunk_pages(enumerate(pages, 1))
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    for number, page in enumerate(pages, 1):
        assert bare("".join(chunk.text for chunk in chunks if chunk.page == number)) == bare(page)
    assert [chunk.page for chunk in chunks] == sorted(chunk.page for chunk in chunks)


@given(PAGES)
def test_chunks_fit_what_the_model_reads_and_are_never_empty(pages):
    for chunk in chunk_pages(enumerate(pages, 1)):
        assert chunk.text.strip() == chunk.text != ""
        assert len(chunk.text) <= WHOLE + TARGET


@given(st.integers(540, WHOLE))
def test_a_whole_paragraph_stays_whole(length):
    paragraph = ("이 문장은 문단을 채운다. " * 100)[:length].strip()
    others = "다른 문단이다. " * 30
    chunks = chunk_pages([(1, f"{others}\n\n{paragraph}\n\n{others}")])
    assert any(paragraph in chunk.text for chunk in chunks)


def test_a_long_paragraph_is_cut_between_sentences_in_parts_of_about_one_size():
    paragraph = " ".join(
        f"이것은 {number}번째 문장으로서 제법 길게 이어지는 이야기를 담고 있다." for number in range(60)
    )
    chunks = chunk_pages([(1, paragraph)])
    assert len(chunks) >= 3
    assert all(chunk.text.endswith("있다.") for chunk in chunks)
    sizes = [len(chunk.text) for chunk in chunks]
    assert max(sizes) < 1.5 * min(sizes)


def test_small_paragraphs_are_gathered():
    chunks = chunk_pages([(1, "\n\n".join(f"문단 {number}. 짧은 글이다." for number in range(20)))])
    assert len(chunks) == 1


def test_a_chunk_knows_the_headings_it_stands_under():
    body = "규정의 본문이다. " * 40
    text = f"# 이용 약관\n\n{body}\n\n## 환불\n\n{body}\n\n## 배송\n\n{body}\n\n# 부칙\n\n{body}"
    chunks = chunk_pages([(1, text), (2, body)])
    found = {chunk.text[:5]: chunk.heading for chunk in chunks}
    assert found["## 환불"] == "이용 약관"
    assert found["# 부칙\n"] == ""
    assert chunks[-1].heading == "부칙"


def test_a_heading_begins_a_chunk_and_is_not_left_alone():
    text = "앞의 글이다.\n\n# 제목\n\n## 작은 제목\n\n본문이다."
    chunks = chunk_pages([(1, text)])
    assert [chunk.text for chunk in chunks] == ["앞의 글이다.", "# 제목\n\n## 작은 제목\n\n본문이다."]


def test_a_long_text_without_any_break_takes_no_longer_than_others():
    begun = time.process_time()
    chunks = chunk_pages([(1, "QUJD" * 500_000)])
    assert sum(len(chunk.text) for chunk in chunks) == 2_000_000
    assert time.process_time() - begun < 10
