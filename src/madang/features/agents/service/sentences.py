"""Sentences of a passage by what they share with a question, and by whether they have what it asks for.

What is shared are words (Korean morphemes, English stems) and character pairs within words, which forgive what a
dictionary does not know; each weighs its rarity among the passage's sentences. `bench/sentences.py` measures it.
"""

import re
from collections import Counter
from math import log
from typing import Final

from madang.features.agents.service.expecting import TELLING, Expected, expected
from madang.features.agents.service.plain import sentences_of
from madang.features.knowledge.public import words

FOCUS: Final = 3
LONGEST: Final = 300

WORD: Final = 3
"""What a shared word weighs beside a shared pair of characters."""

LITTLE: Final = 0.2
"""A sentence that shares fewer of the question's words, in shares of them, is about something else."""

HALF: Final = 0.5
"""The same where the passage has nothing of the kind that is asked for."""

_LIGHT: Final = frozenset(["있", "없", "하", "되", "알", "싶", "주", "보", "수", "것", "때"])
"""Words of any sentence, which say nothing about what it is about."""

_OTHER = re.compile(r"[\W_]+")
_HANGUL = re.compile("[가-힣]")


def ranked(sentences: list[str], question: str) -> list[int]:
    """Positions of the sentences, the one that most likely answers first."""
    expects = expected(question)
    parts = [_parts(sentence) for sentence in sentences]
    frequency = Counter(part for one in parts for part in one)
    count = len(sentences)
    weight = {
        (kind, part): (WORD if kind == "word" else 1) * log(1 + (count - times + 0.5) / (times + 0.5))
        for (kind, part), times in frequency.items()
    }
    asked = _parts(_without_asking(question, expects))
    gain = expects.worth * sum(weight.get(part, 0) for part in asked) if expects else 0
    scores = [sum(weight[part] for part in one & asked) for one in parts]
    if expects and gain:
        scores = [
            score + gain * expects.is_in(sentence, question) for score, sentence in zip(scores, sentences, strict=True)
        ]
    return sorted(range(count), key=lambda position: -scores[position])


def focus(passage: str, question: str, count: int = FOCUS) -> str:
    """The sentences that share most with the question, in the passage's order."""
    sentences = sentences_of(passage)
    chosen = sorted(ranked(sentences, question)[:count])
    return " ".join(cut(sentences[position]) for position in chosen)


def best_sentence(passage: str, question: str) -> str:
    """The sentence that shares most with the question, at most 300 characters."""
    sentences = sentences_of(passage)
    return cut(sentences[ranked(sentences, question)[0]]) if sentences else ""


def may_answer(passage: str, question: str) -> bool:
    """Whether the passage's nearest sentence is near enough to be shown as what the passage says to the question.

    A question without words of its own ("And when?") and one in another script than the passage cannot be judged.
    """
    sentences = sentences_of(passage)
    expects = expected(question)
    asked = set(words(_without_asking(question, expects))) - _LIGHT
    if not sentences or not asked or bool(_HANGUL.search(question)) != bool(_HANGUL.search(passage)):
        return bool(sentences)
    shared = len(asked & set(words(sentences[ranked(sentences, question)[0]]))) / len(asked)
    has_kind = not (expects and expects.worth == TELLING) or any(expects.is_in(one, question) for one in sentences)
    return shared >= (LITTLE if has_kind else HALF)


def first_sentence(text: str) -> str:
    """The first sentence on the first line, without spaces around."""
    return (sentences_of(text.strip().split("\n", 1)[0]) or [""])[0]


def cut(sentence: str) -> str:
    """The sentence, shortened to 300 characters."""
    return sentence if len(sentence) <= LONGEST else sentence[: LONGEST - 1] + "…"


def _without_asking(question: str, expects: Expected | None) -> str:
    """The question without its asking words in Korean: 동안 of 며칠 동안 is no word that its answer would share."""
    return question.replace(expects.asked, " ", 1) if expects and _HANGUL.search(question) else question


def _parts(text: str) -> set[tuple[str, str]]:
    parts = {("word", word) for word in words(text)}
    for word in _OTHER.sub(" ", text.casefold()).split():
        parts.update(("pair", pair) for pair in {word[at : at + 2] for at in range(len(word) - 1)} or {word})
    return parts
