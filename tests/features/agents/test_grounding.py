"""What counts as taken from a passage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.features.agents.service.grounding import fits, is_grounded
from madang.features.agents.service.sentences import best_sentence, first_sentence, focus

SHOP = "한빛목공은 2009년 강릉에서 시작했다. 대표는 오세린이며 월요일에는 쉰다. 배송비는 5만 원이다."
CLUB = "The rowing club meets at the red boathouse. Training costs 40 euros. Coach Amina Diallo leads it."


@pytest.mark.parametrize(
    ("passage", "question", "answer"),
    [
        (SHOP, "대표는 누구인가요?", "대표는 오세린입니다."),
        (SHOP, "언제 시작했나요?", "2009년에 시작했습니다."),
        (SHOP, "어디에서 시작했나요?", "강릉에서 시작했습니다."),
        (CLUB, "Who leads the training?", "Coach Amina Diallo."),
        (CLUB, "How much does training cost?", "It costs 40 euros."),
    ],
)
def test_taken_from_the_passage(passage, question, answer):
    assert is_grounded(answer, passage, question)


@pytest.mark.parametrize(
    ("passage", "question", "answer"),
    [
        (SHOP, "언제 시작했나요?", "2019년에 시작했습니다."),
        (SHOP, "대표는 누구인가요?", "대표는 김철수입니다."),
        (SHOP, "대표는 누구인가요?", "대표는 누구인가요?"),
        (CLUB, "How much does training cost?", "Training costs 50 euros."),
        (CLUB, "Who leads the training?", "Peter Marlow leads the training."),
        (CLUB, "Who leads the training?", ""),
        (CLUB, "Who leads the training?", "…"),
    ],
)
def test_made_up_or_empty(passage, question, answer):
    assert not is_grounded(answer, passage, question)


def test_the_sentence_that_is_nearest():
    assert best_sentence(CLUB, "How much does training cost?") == "Training costs 40 euros."
    assert best_sentence(SHOP, "배송비는 얼마인가요?") == "배송비는 5만 원이다."
    assert len(best_sentence("x" * 5000, "?")) == 300
    assert best_sentence("", "?") == ""


def test_a_heading_is_no_sentence_and_marks_before_a_line_are_no_words():
    rules = "# Rules of the library\n\nBooks may be kept for 14 days.\n\n- The library opens at eight.\n---\n"
    assert best_sentence(rules, "When does the library open?") == "The library opens at eight."
    assert focus(rules, "rules?") == "Books may be kept for 14 days. The library opens at eight."
    assert best_sentence("# Rules of the library", "rules?") == "Rules of the library"


def test_the_nearest_sentences_keep_their_order():
    passage = "하나는 사과다. 둘은 앵두다. 셋은 자두다. 넷은 포도다. 다섯은 대추다."
    assert focus(passage, "포도와 사과와 자두는?") == "하나는 사과다. 셋은 자두다. 넷은 포도다."
    assert focus("", "?") == ""


@given(st.text(max_size=300), st.text(max_size=40))
def test_any_text_has_its_sentences(passage, question):
    assert len(focus(passage, question)) <= 3 * 300 + 2
    assert "\n" not in first_sentence(passage)


@pytest.mark.parametrize(
    ("question", "answer", "does"),
    [
        ("언제 시작했나요?", "2009년입니다.", True),
        ("쉬는 날은 언제인가요?", "월요일입니다.", True),
        ("쉬는 날은 언제인가요?", "쉰다.", False),
        ("몇 명이 일하나요?", "직원입니다.", False),
        ("How many people work there?", "Eleven.", True),
        ("When does dinner begin?", "In the garden.", False),
        ("Who leads it?", "Amina Diallo.", True),
    ],
)
def test_a_question_for_a_number_wants_one(question, answer, does):
    assert fits(answer, question) == does
