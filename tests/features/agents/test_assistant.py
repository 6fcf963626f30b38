"""The assistant: documents when there is reason to, citations for what was used, and the truth otherwise."""

import asyncio
import time
from contextlib import suppress

import pytest
from sqlalchemy import text

from madang.features.agents.public import AgentUnknown, Citation, forget_run, run_agent, warm_up
from madang.features.agents.service.language import NOT_IN_DOCUMENTS
from madang.features.agents.service.small_talk import REPLIES
from madang.features.providers.public import ModelCutOff, ModelSilent, ModelUnknown
from madang.kernel.jobs import spawn
from tests.features.agents.conftest import Remembered, turn_of
from tests.features.knowledge.library import add_document, new_account
from tests.pace import ticking

SHOP = [
    "한빛목공은 2009년 강릉에서 시작한 가구 회사이다. 대표는 오세린이다.",
    "한빛목공의 배송비는 강원도 안에서 무료이고 다른 지역은 5만 원이다.",
    "한빛목공의 휴일은 월요일이다. 수리 문의는 전화로 받는다.",
]
FEE = "한빛목공 다른 지역 배송비"


@pytest.fixture(autouse=True)
def without_vectors(configure):
    """The keyword index alone ranks, so that no embedding model is needed."""
    configure(local_embeddings_url=None)


@pytest.fixture(autouse=True)
async def warm(house):
    """Importing LangGraph takes seconds on a busy machine, which no test should count."""
    await warm_up(house)


@pytest.fixture
async def reader(house):
    """Somebody with one document."""
    who = await new_account(house)
    return who, await add_document(house, who, "규정집", SHOP)


def says(upstream, answer):
    upstream.script = {"text": answer, "rate": "0"}


async def checkpoints_of(house, turn):
    async with house.db.transaction() as tx:
        query = text("SELECT count(*) FROM checkpoints.checkpoints WHERE thread_id LIKE :run")
        return await tx.scalar(query, {"run": f"{turn.run_id}/%"})


async def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)


async def test_without_documents_it_just_answers(house, upstream, emit):
    who = await new_account(house)
    says(upstream, "옛날 옛적에 [1] 있었습니다.")
    outcome = await run_agent(house, turn_of(who, "안녕", "안녕하세요", "이야기 하나 해 줘"), emit)
    assert emit.of("step") == ["answer"]
    assert outcome.text == emit.text == "옛날 옛적에 [1] 있었습니다."
    assert [message["content"] for message in upstream.bodies[-1]["messages"]][1:] == [
        "안녕",
        "안녕하세요",
        "이야기 하나 해 줘",
    ]
    assert [usage.model for usage in outcome.usage] == ["openai/bench"]
    assert emit.of("usage") == list(outcome.usage)


async def test_an_answer_cites_what_it_uses_and_nothing_else(house, upstream, emit, reader):
    who, document_id = reader
    says(upstream, "다른 지역은 5만 원입니다 [1]. 그리고 [44]")
    turn = turn_of(who, FEE)
    outcome = await run_agent(house, turn, emit)
    assert emit.of("step") == ["search", "answer"]
    assert outcome.text == "다른 지역은 5만 원입니다 [1]. 그리고 "
    assert outcome.citations == (Citation(1, document_id, "규정집", 2, SHOP[1]),)
    names = [name for name, _ in emit.events]
    assert names.index("cite") < len(names) - 1 - names[::-1].index("delta"), "a source is told with its marker"
    system, question = upstream.bodies[-1]["messages"]
    assert "[1]" in system["content"]
    assert question["content"].startswith('<source number="1" title="규정집" page="2">')
    assert question["content"].endswith(FEE)
    assert await checkpoints_of(house, turn) == 0


@pytest.mark.parametrize("script", [{"tokens": "0"}, {"text": " \n "}, {"tokens": "0", "reasoning": "3"}])
@pytest.mark.parametrize("model", ["openai/bench", "local/gemma3-270m"])
async def test_a_model_that_ends_without_a_word_is_said_to_have_failed(house, upstream, emit, script, model):
    upstream.script = {"rate": "0", **script}
    with pytest.raises(ModelSilent):
        await run_agent(house, turn_of(await new_account(house), "Tell me a story.", model=model), emit)
    assert emit.text == ""
    assert len(emit.of("usage")) == 1, "what it took is told all the same"


async def test_small_talk_looks_nowhere(house, upstream, emit, reader):
    says(upstream, "안녕하세요!")
    await run_agent(house, turn_of(reader[0], "안녕하세요"), emit)
    assert emit.of("step") == ["answer"]


async def test_what_the_documents_do_not_say(house, upstream, emit, reader):
    says(upstream, "문서에는 없습니다.")
    outcome = await run_agent(house, turn_of(reader[0], "화성까지의 거리는?"), emit)
    assert "nothing in them fits" in upstream.bodies[-1]["messages"][0]["content"]
    assert outcome.citations == ()


async def test_chosen_documents_are_read_whatever_is_asked(house, upstream, emit, reader):
    who, document_id = reader
    await add_document(house, who, "다른 책", ["가구와 배송비에 관한 다른 이야기"])
    says(upstream, "요약입니다 [1]")
    outcome = await run_agent(house, turn_of(who, "가구 회사 요약", document_ids=[document_id]), emit)
    assert "다른 책" not in upstream.bodies[-1]["messages"][-1]["content"]
    assert [citation.document_id for citation in outcome.citations] == [document_id]


async def test_other_peoples_documents_do_not_exist(house, upstream, emit, reader):
    stranger = await new_account(house)
    says(upstream, "모릅니다 [1]")
    outcome = await run_agent(house, turn_of(stranger, FEE, document_ids=[reader[1]]), emit)
    assert "5만" not in str(upstream.bodies[-1])
    assert outcome.citations == ()


async def test_a_follow_up_is_searched_with_the_question_before(house, upstream, emit, reader):
    says(upstream, "5만 원입니다 [1]")
    turn = turn_of(reader[0], "한빛목공 강원도 배송비", "무료입니다 [1]", "다른 지역은?")
    outcome = await run_agent(house, turn, emit)
    assert outcome.citations[0].page == 2


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("다른 지역은 5만 원입니다.\nQuestion: 또", f"다른 지역은 5만 원입니다. [1]\n\n> {SHOP[1]}"),
        ("배송비는 77만 원입니다.", f"문서에는 이렇게 쓰여 있습니다. [1]\n\n> {SHOP[1]}"),
    ],
)
async def test_the_small_model_is_taken_at_its_word_only_if_it_is_there(house, upstream, emit, reader, said, expected):
    says(upstream, said)
    outcome = await run_agent(house, turn_of(reader[0], FEE, model="local/gemma3-270m"), emit)
    assert outcome.text == expected
    assert [citation.number for citation in outcome.citations] == [1]
    assert upstream.bodies[-1]["messages"][0]["content"].startswith("Passage: ")


@pytest.mark.parametrize(("said", "language"), [("안녕하세요", "ko"), ("Hello!", "en")])
async def test_the_small_model_need_not_make_small_talk(house, upstream, emit, said, language):
    who = await new_account(house)
    outcome = await run_agent(house, turn_of(who, said, model="local/gemma3-270m"), emit)
    assert outcome.text == REPLIES[language]["greeting"]
    assert upstream.total == 0


async def test_the_small_model_is_not_asked_what_the_documents_do_not_say(house, upstream, emit, reader):
    turn = turn_of(reader[0], "How far is Mars?", model="local/gemma3-270m")
    outcome = await run_agent(house, turn, emit)
    assert outcome.text == NOT_IN_DOCUMENTS["en"]
    assert upstream.total == 0


async def test_a_second_attempt_goes_on_where_the_search_ended(house, upstream, reader):
    turn = turn_of(reader[0], FEE)
    upstream.script = {"tokens": "1000", "rate": "50"}
    first = Remembered()
    attempt = spawn(run_agent(house, turn, first), "attempt")
    await until(lambda: first.of("delta"))
    attempt.cancel()
    with suppress(asyncio.CancelledError):
        await attempt
    await until(lambda: upstream.live == 0, 10)  # of the twenty seconds that the answer would take
    assert await checkpoints_of(house, turn) == 1
    says(upstream, "5만 원입니다 [1]")
    second = Remembered()
    outcome = await run_agent(house, turn, second, 2)
    assert (first.of("step"), second.of("step")) == (["search", "answer"], ["answer"])
    assert outcome.text == second.text == "5만 원입니다 [1]"
    assert outcome.citations[0].page == 2
    await forget_run(house, turn.run_id, 2)
    assert await checkpoints_of(house, turn) == 0


async def test_a_second_attempt_that_finds_nothing_begins_again(house, upstream, emit, reader):
    says(upstream, "5만 원입니다 [1]")
    outcome = await run_agent(house, turn_of(reader[0], FEE), emit, 2)
    assert emit.of("step") == ["search", "answer"]
    assert len(outcome.citations) == 1


async def test_a_run_that_will_not_go_on_is_forgotten(house, upstream, emit, reader):
    turn = turn_of(reader[0], FEE)
    upstream.script = {"tokens": "9", "rate": "300", "cut_after": "3"}
    with pytest.raises(ModelCutOff):
        await run_agent(house, turn, emit)
    assert emit.of("usage")[0].estimated
    assert await checkpoints_of(house, turn) == 1
    await forget_run(house, turn.run_id, 1)
    assert await checkpoints_of(house, turn) == 0


async def test_stopping_tells_the_cost_so_far_and_closes_the_model(house, upstream):
    who = await new_account(house)
    upstream.script = {"tokens": "1000", "rate": "50"}
    heard = [Remembered() for _ in range(20)]
    runs = [spawn(run_agent(house, turn_of(who, "이야기 해 줘"), emit), "run") for emit in heard]
    await until(lambda: all(emit.of("delta") for emit in heard))
    async with ticking() as clock:
        for run in runs:
            run.cancel()
        await until(lambda: upstream.live == 0)
        await asyncio.gather(*runs, return_exceptions=True)
        assert clock.seconds() < 0.5
    for emit in heard:
        (usage,) = emit.of("usage")
        assert usage.estimated
        assert usage.output_tokens > 0


async def test_unknown_agents_and_models(house, emit):
    who = await new_account(house)
    with pytest.raises(AgentUnknown):
        await run_agent(house, turn_of(who, "?", agent="nobody"), emit)
    with pytest.raises(ModelUnknown):
        await run_agent(house, turn_of(who, "?", model="nobody/nothing"), emit)
    assert emit.of("delta") == []
