"""Small talk is recognised, and no question is ever mistaken for it."""

import pytest

from madang.features.agents.service.language import language_of
from madang.features.agents.service.small_talk import REPLIES, small_talk


@pytest.mark.parametrize(
    ("message", "talk"),
    [
        ("안녕하세요", "greeting"),
        ("안녕하세요!!! ^^", "greeting"),
        ("안녕 반가워요~", "greeting"),
        ("Hi there!", "greeting"),
        ("Hello, how are you?", "greeting"),
        ("고마워요", "thanks"),
        ("정말 감사합니다.", "thanks"),
        ("Thank you so much!", "thanks"),
        ("bye bye", "farewell"),
        ("안녕히 계세요", "farewell"),
        ("뭘 할 수 있어?", "ability"),
        ("무엇을 할 수 있나요?", "ability"),
        ("What can you do?", "ability"),
        ("너는 누구야?", "identity"),
        ("Who are you?", "identity"),
    ],
)
def test_small_talk(message, talk):
    assert small_talk(message) == talk
    assert REPLIES[language_of(message)][talk]


@pytest.mark.parametrize(
    "message",
    [
        "안녕하세요, 환불 규정이 어떻게 되나요?",
        "Hi, when does dinner begin?",
        "감사 인사는 몇 쪽에 있나요?",
        "누가 감사를 맡았나요?",
        "할 수 있는 일은 무엇이라고 쓰여 있나요?",
        "help desk phone number",
        "hello world in Python",
        "이름이 뭐라고 나와 있어?",
        "신부는 누구야?",
        "What can you do with the DS-40?",
        "",
        "?",
        "네",
        "안녕" * 100,
    ],
)
def test_a_question_is_no_small_talk(message):
    assert small_talk(message) is None


@pytest.mark.parametrize(
    ("text", "preferred", "language"),
    [("When?", "ko", "en"), ("언제 begin?", "en", "ko"), ("2 + 2?", "ko", "ko"), ("2 + 2?", None, "en")],
)
def test_the_question_decides_the_language(text, preferred, language):
    assert language_of(text, preferred) == language
