"""Whether the sentence an answer of the built-in model stands on is right: `python bench/sentences.py [KORQUAD.json]`.

KorQuAD 1.0's development set when its file is given, halved by article: the rules were made on the even ones. Everyday
pages (`everyday.json`, halved by page) and English facts (`facts.json`) are of ours. Right is a sentence that holds an
expected answer, both without spaces and punctuation. Needs no model.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from answers import bare
from machine import table

from madang.features.agents.service.plain import sentences_of
from madang.features.agents.service.sentences import may_answer, ranked

type Case = tuple[str, str, list[str]]


def korquad(path: Path) -> Iterator[tuple[int, Case]]:
    """The article's number, and passage, question and answers."""
    for number, article in enumerate(json.loads(path.read_text("utf-8"))["data"]):
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                yield number, (paragraph["context"], qa["question"], [one["text"] for one in qa["answers"]])


def ours(name: str) -> Iterator[tuple[int, Case]]:
    """The page's number, and page, question and answers; no answers when the page does not say it."""
    for number, page in enumerate(json.loads(Path(__file__).with_name(name).read_text("utf-8"))):
        for one in page["questions"]:
            yield number, (page["text"], one["question"], one["answers"])


def row(name: str, cases: list[Case]) -> tuple[str, ...]:
    """One line of the table: shares of the answered questions, and of both kinds those that are refused."""
    answered = [case for case in cases if case[2]]
    places = [place(*case) for case in answered]
    within = [f"{sum(one < count for one in places) / len(places):.3f}" for count in (1, 2, 3)]
    refused = sum(not may_answer(passage, question) for passage, question, _ in answered)
    silent = [may_answer(passage, question) for passage, question, answers in cases if not answers]
    none = f"{silent.count(False)} of {len(silent)}" if silent else ""
    return name, str(len(answered)), *within, f"{refused / len(answered):.3f}", none


def place(passage: str, question: str, answers: list[str]) -> int:
    """How many sentences come before the first right one."""
    sentences = sentences_of(passage)
    order = ranked(sentences, question)
    right = {at for at, one in enumerate(sentences) if any(bare(answer) in bare(one) for answer in answers)}
    return next((rank for rank, at in enumerate(order) if at in right), len(order))


def main(file: Path | None) -> None:
    """Print the table."""
    sets = {"everyday pages": list(ours("everyday.json")), "English facts": list(ours("facts.json"))}
    if file is not None:
        sets = {"KorQuAD": list(korquad(file)), **sets}
    rows = [
        row(f"{name}, {half}", [case for number, case in cases if number % 2 == odd])
        for name, cases in sets.items()
        for odd, half in enumerate(("looked at", "held out"))
    ]
    print(table(("questions", "n", "first", "of two", "of three", "refused", "not there: refused"), rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
