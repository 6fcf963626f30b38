"""What a text is found by, in both languages."""

import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.features.knowledge.service.language import grams, is_korean, words


def test_korean_words_lose_their_particles_and_endings():
    assert words("환불신청방법을 알려주세요") == ["환불", "신청", "방법", "알리"]
    assert words("학교에서는 학생들이 뛰었다")[:2] == ["학교", "학생"]


def test_a_verb_is_found_in_any_form():
    assert set(words("임명되었다")) & set(words("임명된 사람은 누구인가"))
    assert words("아름다운 집") == ["아름답", "집"]


def test_question_words_say_nothing_in_either_language():
    assert words("누가 언제 어디서 무엇을 어떻게 왜") == []
    assert words("What is it and who was there?") == []


def test_english_words_are_stemmed_and_lower_case():
    assert words("Running Databases") == words("run database")
    assert words("The refund policies") == ["refund", "polici"]


@pytest.mark.parametrize("mixed", ["GPT-5 모델", "ＧＰＴ５ 모델", "gpt5 모델"])
def test_width_and_case_do_not_matter(mixed):
    assert "gpt" in words(mixed)
    assert "모델" in words(mixed)


def test_grams_of_hangul_ignore_spaces():
    assert grams("환불 신청") == grams("환불신청") == ["환불", "불신", "신청"]


def test_grams_of_letters_stay_inside_words():
    assert grams("refund of goods") == ["refu", "efun", "fund", "good", "oods"]
    assert grams("v2 가나다") == ["v2", "가나", "나다"]


def test_decomposed_hangul_is_the_same_text():
    assert grams(unicodedata.normalize("NFD", "마당의 문서")) == grams("마당의 문서")
    assert words(unicodedata.normalize("NFD", "마당의 문서")) == words("마당의 문서")


@given(st.text(max_size=200))
def test_any_text_is_read_without_error(text):
    for term in words(text) + grams(text):
        assert term
        assert "\0" not in term


def test_threads_do_not_disturb_each_other():
    texts = ["마당은 뜰이다", "환불 신청 방법", "running databases"] * 50
    alone = [words(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(words, texts)) == alone


def test_the_reader_process_does_not_need_the_tagger():
    import subprocess

    code = "import sys, madang.features.knowledge.service.formats; print('mecab_ko' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("text", "korean"),
    [
        ("환불 규정", True),
        ("GPT-5 모델이란?", True),
        ("refund policy", False),
        ("2026", None),
        ("", None),
        ("東京", False),
    ],
)
def test_the_script_of_a_text(text, korean):
    assert is_korean(text) is korean
    assert is_korean(unicodedata.normalize("NFD", text)) is korean


@pytest.mark.parametrize("letter", ["a", "я", "ね", "ก", "가", "9"])
def test_no_term_is_too_long_for_an_index(letter):
    assert max(map(len, words(letter * 3000) + grams(letter * 3000))) <= 64
