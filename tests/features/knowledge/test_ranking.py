"""The statement that ranks does what the textbook says, and only over what the asker may see."""

import math
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.features.knowledge import queries
from madang.features.knowledge.contracts import GOOD_ENOUGH, Collection
from madang.features.knowledge.queries import Question, Weights, hybrid
from madang.features.knowledge.service.index import context
from madang.features.knowledge.service.language import grams, words
from madang.features.knowledge.service.search import chance, scored
from tests.features.knowledge.library import (
    SMALL,
    add_document,
    bm25,
    cover,
    fused,
    new_account,
    store_vectors,
)

VOCABULARY = (
    *("마당", "뜰", "환불", "규정", "신청", "방법", "학교", "학생", "임명", "대통령", "아름다운", "집을", "갔다"),
    *("1989년", "서울", "database", "refund", "policy", "running", "server", "client", "PostgreSQL", "18", "vector"),
    *("index", "of", "the", "한옥에서", "문서를", "읽는다", "검색"),
)


def made_up(dice, size):
    return " ".join(dice.choices(VOCABULARY, k=dice.randint(1, size)))


def unit(dice):
    vector = [dice.gauss(0, 1) for _ in range(4)]
    length = math.hypot(*vector)
    return [value / length for value in vector]


def question(query, vector=None):
    return Question(Counter(words(query)), Counter(grams(query)), SMALL if vector else None, vector)


async def ask(house, who, query, vector=None, **options):
    async with house.db.transaction(who) as tx:
        return await hybrid(tx, who.account_id, question(query, vector), **{"limit": 50, **options})


async def a_corpus(house, dice):
    """An account with documents of made-up passages, and as many of somebody else's in between."""
    who, stranger = await new_account(house), await new_account(house)
    passages, vectors, ids = [], [], []
    for number in range(dice.randint(1, 5)):
        texts = [f"{made_up(dice, 30)} {number} {at}" for at in range(dice.randint(1, 8))]
        some = [unit(dice) for _ in texts]
        ids.append(await add_document(house, who, f"제목 {number}", texts, some))
        await add_document(house, stranger, f"제목 {number}", [made_up(dice, 30)] * 3, [unit(dice)] * 3)
        passages += [context(f"제목 {number}", "", body) for body in texts]
        vectors += some
    return who, ids, passages, vectors


@pytest.mark.parametrize("seed", range(6))
async def test_bm25_in_the_database_is_bm25(house, seed):
    dice = random.Random(seed)
    who, _, passages, _ = await a_corpus(house, dice)
    for terms, weights in ((words, Weights(0, 1, 0)), (grams, Weights(0, 0, 1))):
        query = made_up(dice, 8)
        expected = dict(zip(passages, bm25(query, passages, terms), strict=True))
        found = await ask(house, who, query, weights=weights)
        ranked = [expected[context(hit.title, "", hit.text)] for hit in found]
        assert ranked == sorted(ranked, reverse=True)
        assert sum(score > 0 for score in ranked) == sum(score > 0 for score in expected.values())
        spread = [hit.rank_score for hit in found]
        for (a, b), (x, y) in zip(pairwise(spread), pairwise(ranked), strict=True):
            assert (a - b) * (max(ranked) - min(ranked)) == pytest.approx(
                (x - y) * (max(spread) - min(spread)), abs=1e-6
            )


@pytest.mark.parametrize("seed", range(6, 12))
async def test_the_sum_of_standardised_signals_is_what_python_makes_it(house, seed):
    dice = random.Random(seed)
    who, _, passages, vectors = await a_corpus(house, dice)
    query, vector = made_up(dice, 8), unit(dice)
    found = await ask(house, who, query, vector)
    expected = fused(query, vector, passages, vectors)
    assert [hit.rank_score for hit in found] == pytest.approx([score for _, score in expected], abs=2e-3)
    covers = cover(query, passages, words), cover(query, passages, grams)
    for hit in found:
        at = passages.index(context(hit.title, "", hit.text))
        assert hit.similarity == pytest.approx(sum(a * b for a, b in zip(vector, vectors[at], strict=True)), abs=2e-3)
        assert (hit.word_cover, hit.gram_cover) == pytest.approx((covers[0][at], covers[1][at]))


async def test_chosen_documents_are_the_whole_corpus(house):
    dice = random.Random(5)
    who, ids, passages, vectors = await a_corpus(house, dice)
    query, vector = made_up(dice, 8), unit(dice)
    found = await ask(house, who, query, vector, document_ids=ids[:1])
    here = [at for at, passage in enumerate(passages) if passage.startswith("제목 0\n")]
    expected = fused(query, vector, [passages[at] for at in here], [vectors[at] for at in here])
    assert [hit.rank_score for hit in found] == pytest.approx([score for _, score in expected], abs=2e-3)
    assert {hit.document_id for hit in found} == {ids[0]}


async def test_the_index_for_large_accounts_finds_the_same(house, monkeypatch):
    dice = random.Random(3)
    who, _, _, _ = await a_corpus(house, dice)
    query, vector = made_up(dice, 8), unit(dice)
    exact = await ask(house, who, query, vector)
    monkeypatch.setattr(queries, "EXACT_CHUNKS", 0)
    nearest = await ask(house, who, query, vector)
    assert [hit.chunk_id for hit in nearest] == [hit.chunk_id for hit in exact]
    assert [hit.rank_score for hit in nearest] == pytest.approx([hit.rank_score for hit in exact])


async def test_a_term_that_is_everywhere_is_left_out_rather_than_read_without_bound(house, monkeypatch):
    monkeypatch.setattr(queries, "POSTINGS_CAP", 3)
    who = await new_account(house)
    await add_document(house, who, "a", [f"마당 {rare}" for rare in ("하늘", "바다", "구름", "나무", "사람")])
    found = await ask(house, who, "마당 바다", weights=Weights(0, 1, 0))
    assert found[0].text == "마당 바다"
    assert [hit.word_cover for hit in found[:1]] == [1.0]
    assert len(found) == 1


async def test_models_are_never_mixed(house):
    who = await new_account(house)
    document = await add_document(house, who, "a", ["하늘", "바다"], [[1, 0, 0, 0], [0, 1, 0, 0]])
    other = Collection("test/other", 4)
    await store_vectors(house, who, document, [[0, 1, 0, 0], [1, 0, 0, 0]], other)
    first = await ask(house, who, "?", [1, 0, 0, 0])
    async with house.db.transaction(who) as tx:
        asked = Question(Counter(), Counter(), other, [1, 0, 0, 0])
        second = await hybrid(tx, who.account_id, asked, limit=5)
    assert [hit.text for hit in first] == ["하늘", "바다"]
    assert [hit.text for hit in second] == ["바다", "하늘"]


async def test_a_model_that_nothing_was_embedded_with_leaves_the_keywords(house):
    who = await new_account(house)
    await add_document(house, who, "a", ["하늘 바다", "구름"], [[1, 0, 0, 0], [0, 1, 0, 0]])
    async with house.db.transaction(who) as tx:
        asked = Question(Counter(words("바다")), Counter(grams("바다")), Collection("test/never", 7), [0.5] * 7)
        found = await hybrid(tx, who.account_id, asked, limit=5)
    assert [(hit.text, hit.similarity) for hit in found] == [("하늘 바다", None)]


async def test_nothing_is_found_where_nothing_is(house):
    who = await new_account(house)
    assert await ask(house, who, "마당") == []
    await add_document(house, who, "a", ["하늘"], published=False)
    assert await ask(house, who, "하늘") == []


async def test_a_better_place_never_has_a_lower_score(house):
    dice = random.Random(9)
    who, _, _, _ = await a_corpus(house, dice)
    query, vector = made_up(dice, 8), unit(dice)
    found = await ask(house, who, query, vector)
    scores = [passage.score for passage in scored(found, question(query, vector))]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@given(*[st.floats(0, 1)] * 4, st.booleans())
def test_more_of_any_signal_is_never_a_lower_chance(similarity, words_cover, grams_cover, more, foreign):
    base = chance(similarity, words_cover, grams_cover, foreign=foreign)
    assert 0 <= base <= 1
    assert chance(similarity + more, words_cover, grams_cover, foreign=foreign) >= base
    assert chance(similarity, words_cover + more, grams_cover, foreign=foreign) >= base
    assert chance(None, words_cover, grams_cover + more) >= chance(None, words_cover, grams_cover)


def test_another_language_is_judged_by_meaning_alone():
    assert chance(0.83, 0, 0, foreign=True) > GOOD_ENOUGH > chance(0.83, 0, 0)
    assert chance(0.76, 0.2, 0.2, foreign=True) < GOOD_ENOUGH
