"""How often the built-in model answers right, through the assistant: `python bench/answers.py [KORQUAD.json]`.

Korean: every 144th question of KorQuAD 1.0's development set (40 of 5,774) with its own paragraph, when the file is
given; English and more Korean: passages and questions written for this bench. An answer is right when it holds an
expected answer, both without spaces and punctuation. Each question is also asked of a paragraph about something else:
there the right answer is none. Needs MADANG_LOCAL_MODELS_URL.
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

from madang.features.agents.contracts import AgentContext, Turn
from madang.features.agents.service.answering import answer_small
from madang.features.agents.service.language import WRITTEN
from madang.features.agents.service.running import Record
from madang.features.providers.public import Message, model_info
from madang.kernel.auth import Principal
from madang.kernel.house import House, open_house
from madang.kernel.settings import Settings

STEP, COUNT = 144, 40
NOBODY = Principal(UUID(int=0))


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


def korquad_pairs(path: Path) -> list[Asked]:
    """Every 144th question in the order of the file."""
    every = [
        Asked("Korean, KorQuAD", qa["question"], paragraph["context"], [one["text"] for one in qa["answers"]])
        for article in json.loads(path.read_text("utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    return every[::STEP][:COUNT]


async def reply(house: House, asked: Asked, passage: str) -> str:
    """What the assistant says when the search has found this passage."""
    turn = Turn(UUID(int=0), NOBODY, [Message("user", asked.question)])
    record = Record(Heard())
    source = {"document_id": str(UUID(int=1)), "title": "x", "page": 1, "text": passage, "score": 1.0}
    context = AgentContext(house, NOBODY, turn, record)
    await answer_small(context, model_info(house, "local/gemma3-270m"), [source], looked=True)
    return record.outcome().text


def judge(asked: Asked, said: str) -> str:
    """Whether it answered or only quoted, and whether the right answer is in it."""
    quoted = said.startswith(tuple(WRITTEN.values()))
    shown = said if quoted else said.split("\n", 1)[0]
    right = any(bare(answer) in bare(shown) for answer in asked.answers)
    return ("quoted" if quoted else "answered") + (" right" if right else " wrong")


async def measure(house: House, pairs: list[Asked], *, verbose: bool) -> None:
    """Ask everything and print the table."""
    table: dict[str, Counter[str]] = {}
    began = time.perf_counter()
    for number, asked in enumerate(pairs):
        said = await reply(house, asked, asked.passage)
        verdict = judge(asked, said)
        table.setdefault(asked.group, Counter())[verdict] += 1
        other = next(one for one in pairs[number + 7 :] + pairs if one.passage != asked.passage)
        invented = not judge(asked, await reply(house, asked, other.passage)).startswith("quoted")
        table[asked.group]["invented"] += invented
        if verbose:
            print(f"{verdict:15} {asked.question} | {asked.answers[0]} | {said}")
    seconds = (time.perf_counter() - began) / len(pairs) / 2
    print(
        f"{'questions':18}{'n':>4}{'answered right':>16}{'wrong':>7}{'quoted the answer':>19}{'other quote':>13}",
        end="",
    )
    print(f"{'answered from a wrong passage':>31}")
    for group, seen in table.items():
        total = sum(count for verdict, count in seen.items() if verdict != "invented")
        print(
            f"{group:18}{total:>4}{seen['answered right']:>16}{seen['answered wrong']:>7}{seen['quoted right']:>19}"
            f"{seen['quoted wrong']:>13}{seen['invented']:>31}"
        )
    print(f"{seconds:.2f} s an answer, on {platform.machine()} with {os.cpu_count()} cores, {time.strftime('%B %Y')}")


async def main(korquad: str | None, *, verbose: bool) -> None:
    """Measure in a house without a database."""
    pairs = own_pairs() + (korquad_pairs(Path(korquad)) if korquad else [])
    nowhere = Settings(
        database_url="postgresql://x@127.0.0.1:1/x", valkey_url="redis://127.0.0.1:1", secret_key="x" * 32
    )
    async with open_house(nowhere, [], "bench", lambda _: None) as house:
        await measure(house, pairs, verbose=verbose)


if __name__ == "__main__":
    files = [one for one in sys.argv[1:] if not one.startswith("-")]
    uvloop.run(main(files[0] if files else None, verbose="-v" in sys.argv))
