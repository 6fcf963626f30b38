"""What a question expects, the sentence that has it, and when a passage says nothing to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.features.agents.contracts import AgentContext
from madang.features.agents.service.answering import answer_small
from madang.features.agents.service.expecting import expected
from madang.features.agents.service.language import NOT_IN_DOCUMENTS
from madang.features.agents.service.plain import sentences_of
from madang.features.agents.service.prompts import Source
from madang.features.agents.service.sentences import best_sentence, focus, may_answer
from madang.features.providers.public import model_info
from madang.kernel.ids import new_id
from tests.features.agents.conftest import turn_of
from tests.features.knowledge.library import new_account

LIBRARY = (
    "# 도서관 규칙\n\n책은 한 번에 다섯 권까지 빌릴 수 있습니다. 빌린 책은 14일 안에 돌려주셔야 합니다. "
    "늦으면 하루에 100원을 냅니다.\n\n"
    "- 열람실은 아침 8시에 엽니다.\n- 관장은 최은하입니다."
)
DUES = (
    "대출 기간은 14일입니다. 연체하면 하루에 100원의 연체료가 있습니다.\n\n"
    "한 사람이 동시에 빌릴 수 있는 책은 다섯 권입니다."
)
"""Where the answer shares no word with the question, and another sentence nearly all."""
HARBOUR = (
    "The ferry to Skarv carries ninety cars. The ferry leaves at half past six and the crossing takes two hours. "
    "A ticket for the ferry is 24 euros, and children travel free. The captain of the ferry is Nora Vik. "
    "The ferry runs twice a week."
)


@pytest.mark.parametrize(
    ("passage", "question", "part"),
    [
        (LIBRARY, "책은 며칠 동안 빌릴 수 있나요?", "14일"),
        (DUES, "책은 며칠 동안 빌릴 수 있나요?", "14일"),
        (LIBRARY, "책은 몇 권까지 빌릴 수 있나요?", "다섯 권"),
        (LIBRARY, "책을 늦게 돌려주면 얼마를 내나요?", "100원"),
        (LIBRARY, "빌린 책은 언제까지 돌려주나요?", "14일"),
        (LIBRARY, "도서관 관장은 누구인가요?", "최은하"),
        (LIBRARY, "열람실은 몇 시에 여나요?", "8시"),
        (HARBOUR, "How long does the ferry take?", "two hours"),
        (HARBOUR, "How many cars does the ferry carry?", "ninety"),
        (HARBOUR, "When does the ferry leave?", "half past six"),
        (HARBOUR, "How much is the ferry?", "24 euros"),
        (HARBOUR, "How often does the ferry go?", "twice a week"),
        (HARBOUR, "Who is in charge of the ferry?", "Nora Vik"),
    ],
)
def test_the_sentence_with_the_kind_of_answer_that_is_asked_for(passage, question, part):
    assert part in best_sentence(passage, question)


@pytest.mark.parametrize(
    ("question", "has", "has_not"),
    [
        ("며칠 걸리나요?", "열흘 걸립니다.", "다섯 권입니다."),
        ("며칠 걸리나요?", "하루 걸립니다.", "하루에 100원입니다."),
        ("얼마 동안 쉬나요?", "석 달 동안 쉽니다.", "세 명이 쉽니다."),
        ("학생은 몇 명인가요?", "열네 명입니다.", "50분입니다."),
        ("나이는 몇 살인가요?", "만 19세입니다.", "19번입니다."),
        ("입장료는 얼마인가요?", "이천 원입니다.", "이천에 있습니다."),
        ("몇 년도에 생겼나요?", "1998년입니다.", "3년 걸렸습니다."),
        ("회의는 언제인가요?", "다음 주 목요일입니다.", "3층입니다."),
        ("몇 퍼센트인가요?", "30%입니다.", "30명입니다."),
        ("상담은 누가 하나요?", "이하늘 실장이 합니다.", "전화로 합니다."),
        ("How old is the oak?", "It is about fourteen years old.", "It is an oak."),
        ("What percentage is recycled?", "About 70 percent.", "About 70 boxes."),
        ("When does it open?", "It opens on Mondays.", "It opens slowly."),
        ("How much does it cost?", "It costs £4.", "It weighs 4 kilos."),
        ("Who teaches it?", "It is taught by Carla Mendes.", "It is taught in June."),
    ],
)
def test_an_answer_of_the_kind(question, has, has_not):
    wanted = expected(question)
    assert wanted is not None
    assert wanted.is_in(has, question)
    assert not wanted.is_in(has_not, question)


def test_what_the_question_says_itself_is_no_answer():
    question = "14일 안에 못 돌려주면 며칠 동안 못 빌리나요?"
    wanted = expected(question)
    assert wanted is not None
    assert not wanted.is_in("책은 14일 안에 돌려주세요.", question)
    assert wanted.is_in("14일이 지나면 한 달 동안 못 빌립니다.", question)


@pytest.mark.parametrize(
    "question",
    [
        "왜 그런가요?",
        "2019년 몇 명이 모인 곳은 어디인가요?",
        "규칙을 알려 줘",
        "Why?",
        "What did they build when young?",
    ],
)
def test_other_questions_expect_anything(question):
    assert expected(question) is None


@pytest.mark.parametrize(
    ("passage", "question"),
    [
        (LIBRARY, "주차장은 어디에 있나요?"),
        (LIBRARY, "커피값은 얼마인가요?"),
        (HARBOUR, "Who founded the museum?"),
        (HARBOUR, "How deep is the water at the pier?"),
        ("The ferry is white. It is old.", "How much is the white bus to town?"),
        ("", "When?"),
    ],
)
def test_a_passage_about_something_else_says_nothing(passage, question):
    assert not may_answer(passage, question)


@pytest.mark.parametrize(
    ("passage", "question"),
    [(LIBRARY, "책은 며칠 동안 빌릴 수 있나요?"), (LIBRARY, "How long may I keep a book?"), (HARBOUR, "And when?")],
)
def test_what_is_said_or_cannot_be_judged_is_not_refused(passage, question):
    assert may_answer(passage, question)


@pytest.mark.parametrize(
    ("passage", "sentences"),
    [
        ("1. 첫째 규칙입니다.\n2. 둘째 규칙입니다.", ["첫째 규칙입니다.", "둘째 규칙입니다."]),
        ("Ask Dr. Marsh. She is in.", ["Ask Dr. Marsh.", "She is in."]),
        ("2024. 3. 1.부터 적용됩니다. 끝.", ["2024. 3. 1.부터 적용됩니다.", "끝."]),
        ("**요금**은 `5천 원`이고 [표](http://a.b/c)는 _여기_ 있습니다.", ["요금은 5천 원이고 표는 여기 있습니다."]),
        ("a_b_c and 2 * 3 * 4", ["a_b_c and 2 * 3 * 4"]),
        ("Opening hours\n\nWe open at nine.", ["We open at nine."]),
        ("**여는 시간**\n\n* 아홉 시에 엽니다.", ["아홉 시에 엽니다."]),
        ("Hours\n=====\n\nWe open at nine.", ["We open at nine."]),
        ("| 구분 | 요금 |\n| --- | ---: |\n| 어른 | 5천 원 |", ["구분: 어른, 요금: 5천 원"]),
        ("- [x] Done is done.\n> Quoted.", ["Done is done.", "Quoted."]),
        ("# Only a heading", ["Only a heading"]),
    ],
)
def test_sentences_without_marks(passage, sentences):
    assert sentences_of(passage) == sentences


@given(st.text(alphabet="가나다 몇며칠얼마언제?.\n#*|-_`[]()1aZ%\x00", max_size=120), st.text(max_size=60))
def test_any_text_can_be_read(passage, question):
    assert all(sentence == " ".join(sentence.split()) != "" for sentence in sentences_of(passage))
    assert "\n" not in focus(passage, question)
    assert may_answer(passage, question) in {True, False}


async def answered(house, emit, question, *passages):
    """Emit the small model's answer over passages that were found."""
    who = await new_account(house)
    turn = turn_of(who, question, model="local/gemma3-270m")
    sources = [
        Source(document_id=str(new_id()), title="x", page=page, text=text, score=0.9)
        for page, text in enumerate(passages)
    ]
    await answer_small(AgentContext(house, who, turn, emit), model_info(house, turn.model), sources, looked=True)


@pytest.mark.usefixtures("configure")
async def test_the_small_model_is_not_asked_what_no_passage_says(house, upstream, emit):
    await answered(house, emit, "커피값은 얼마인가요?", LIBRARY)
    assert emit.text == NOT_IN_DOCUMENTS["ko"]
    assert emit.of("cite") == []
    assert upstream.bodies == []


@pytest.mark.usefixtures("configure")
async def test_the_first_passage_that_may_say_it_is_cited(house, upstream, emit):
    upstream.script = {"text": "14일입니다.", "rate": "0"}
    await answered(house, emit, "빌린 책은 며칠 안에 돌려주나요?", "구내식당은 지하에 있습니다.", LIBRARY)
    assert emit.text == "14일입니다. [1]\n\n> 빌린 책은 14일 안에 돌려주셔야 합니다."
    assert [citation.page for citation in emit.of("cite")] == [1]
