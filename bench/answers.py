"""How often the built-in model answers right, through the assistant: `python bench/answers.py [KORQUAD.json]`.

Korean: every 144th question of KorQuAD 1.0's development set (40 of 5,774) with its own paragraph, when the file is
given; English and more Korean: passages and questions written for this bench, and everyday pages (a library, a clinic,
a gym, …) with questions that they answer and questions that they do not. An answer is right when it holds an expected
answer, both without spaces and punctuation. Each question about a passage is also asked of one about something else:
there the right answer is none, as it is to what an everyday page does not say. Calls are metered, as always.
"""

import json
import os
import platform
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import uvloop
from ground import Ground, model_server, open_ground

from madang.features.agents.contracts import AgentContext, Turn
from madang.features.agents.service.answering import answer_small
from madang.features.agents.service.language import NOT_IN_DOCUMENTS, WRITTEN
from madang.features.agents.service.prompts import Source
from madang.features.agents.service.record import Record
from madang.features.providers.public import Message, model_info
from madang.kernel.ids import new_id

STEP, COUNT = 144, 40
VERDICTS = ("answered right", "answered wrong", "quoted right", "quoted wrong", "said no")


@dataclass
class Heard:
    """An emitter that keeps nothing: the record around it does."""

    seen: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: self.seen.append(name)


@dataclass(frozen=True)
class Asked:
    """A question with its paragraph and its answers."""

    group: str
    question: str
    passage: str
    answers: list[str]


def bare(text: str) -> str:
    """Without spaces and punctuation, in lower case."""
    return re.sub(r"[\W_]+", "", text.casefold())


def own_pairs() -> list[Asked]:
    """Those of answers.json."""
    return [
        Asked(f"{topic['language']}, ours", one["question"], topic["passage"], one["answers"])
        for topic in json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
        for one in topic["questions"]
    ]


def everyday_pairs() -> list[Asked]:
    """Those of everyday.json; what a page does not say has no answers."""
    languages = {"ko": "Korean", "en": "English"}
    return [
        Asked(f"{languages[page['language']]}, everyday", one["question"], page["text"], one["answers"])
        for page in json.loads(Path(__file__).with_name("everyday.json").read_text("utf-8"))
        for one in page["questions"]
    ]


def korquad_pairs(path: Path) -> list[Asked]:
    """Every 144th question in the order of the file."""
    every = [
        Asked("Korean, KorQuAD", qa["question"], paragraph["context"], [one["text"] for one in qa["answers"]])
        for article in json.loads(path.read_text("utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    return every[::STEP][:COUNT]


async def reply(ground: Ground, asked: Asked, passage: str) -> str:
    """What the assistant says when the search has found this passage."""
    turn = Turn(new_id(), ground.who, [Message("user", asked.question)])
    record = Record(Heard())
    source = Source(document_id=str(UUID(int=1)), title="x", page=1, text=passage, score=1.0)
    context = AgentContext(ground.house, ground.who, turn, record)
    await answer_small(context, model_info(ground.house, "local/gemma3-270m"), [source], looked=True)
    return record.outcome().text


def judge(asked: Asked, said: str) -> str:
    """Whether it answered, quoted or said that there is no answer, and whether the right answer is in it."""
    if said.startswith(tuple(NOT_IN_DOCUMENTS.values())):
        return "said no"
    quoted = said.startswith(tuple(WRITTEN.values()))
    shown = said if quoted else said.split("\n", 1)[0]
    right = any(bare(answer) in bare(shown) for answer in asked.answers)
    return ("quoted" if quoted else "answered") + (" right" if right else " wrong")


async def measure(ground: Ground, pairs: list[Asked], *, verbose: bool) -> None:
    """Ask everything and print the tables: of what the passage says, and of what it does not."""
    said_there: dict[str, Counter[str]] = {}
    not_there: dict[str, Counter[str]] = {}
    began = time.perf_counter()
    count = 0
    for number, asked in enumerate(pairs):
        said = await reply(ground, asked, asked.passage)
        verdict = judge(asked, said)
        (said_there if asked.answers else not_there).setdefault(asked.group, Counter())[verdict] += 1
        if verbose:
            print(f"{verdict:15} {asked.question} | {' / '.join(asked.answers)} | {said!r}", flush=True)
        count += 1
        if "everyday" not in asked.group:
            other = next(one for one in pairs[number + 7 :] + pairs if one.passage != asked.passage)
            wrongly = judge(asked, await reply(ground, asked, other.passage))
            not_there.setdefault(f"{asked.group}, another passage", Counter())[wrongly] += 1
            count += 1
    seconds = (time.perf_counter() - began) / count
    for heading, table in (("The passage says it", said_there), ("It does not", not_there)):
        print(f"{heading:42}{'n':>4}" + "".join(f"{verdict:>17}" for verdict in VERDICTS))
        for group, seen in table.items():
            print(f"{group:42}{seen.total():>4}" + "".join(f"{seen[verdict]:>17}" for verdict in VERDICTS))
    print(f"{seconds:.2f} s an answer, on {platform.machine()} with {os.cpu_count()} cores, {time.strftime('%B %Y')}")


async def main(korquad: str | None, *, verbose: bool) -> None:
    """Measure in a house of its own."""
    pairs = everyday_pairs() + own_pairs() + (korquad_pairs(Path(korquad)) if korquad else [])
    with model_server("madang.local.language_model", "MODELS"):
        async with open_ground() as ground:
            await measure(ground, pairs, verbose=verbose)


if __name__ == "__main__":
    files = [one for one in sys.argv[1:] if not one.startswith("-")]
    uvloop.run(main(files[0] if files else None, verbose="-v" in sys.argv))
