"""Question sets for the retrieval benches: documents, questions, and what is right."""

import importlib
import inspect
import json
import pydoc_data.topics
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from english_questions import OFF_TOPIC, QUESTIONS


@dataclass(frozen=True)
class Question:
    """A question; `right` are the keys of the passages that answer it, `documents` the names of those they are in."""

    text: str
    right: frozenset[int]
    documents: frozenset[str]


@dataclass(frozen=True)
class QuestionSet:
    """Documents by name, and questions about them.

    `passages` are what ranks are counted in, each with its document's name. Without them a chunk is right when it
    has the question's answer, of `answers`, in it.
    """

    name: str
    documents: dict[str, str]
    questions: list[Question]
    passages: tuple[tuple[str, str], ...] = ()
    answers: tuple[str, ...] = ()
    off_topic: tuple[str, ...] = ()


def korquad(given: Path | None) -> QuestionSet | None:
    """KorQuAD 1.0 dev: a document an article, a passage a paragraph. None when it is not found.

    Looked for where `--korquad` says, and beside the checkout in `*/data/korquad`.
    """
    found = [given] if given else sorted(Path(__file__).parents[2].glob("*/data/korquad/*dev*.json"))
    if not found:
        return None
    documents: dict[str, str] = {}
    passages: list[tuple[str, str]] = []
    asked: list[tuple[str, str]] = []
    for article in json.loads(found[0].read_text())["data"]:
        documents[article["title"]] = "\n\n".join(each["context"].strip() for each in article["paragraphs"])
        for paragraph in article["paragraphs"]:
            context = paragraph["context"].strip()
            passages.append((article["title"], context))
            asked += [(qa["question"], context) for qa in paragraph["qas"]]
    places: dict[str, list[int]] = {}
    for number, (_, context) in enumerate(passages):
        places.setdefault(context, []).append(number)
    questions = [
        Question(text, frozenset(places[gold]), frozenset(passages[number][0] for number in places[gold]))
        for text, gold in asked
    ]
    return QuestionSet("KorQuAD 1.0 dev", documents, questions, tuple(passages))


def reference() -> QuestionSet:
    """The language reference that ships with Python, and questions of ours."""
    documents = dict(pydoc_data.topics.topics)
    questions = [
        Question(text, frozenset([number]), frozenset(name for name, body in documents.items() if has(body, answer)))
        for number, (text, answer) in enumerate(QUESTIONS)
    ]
    answers = tuple(answer for _, answer in QUESTIONS)
    return QuestionSet("Python's language reference", documents, questions, answers=answers, off_topic=OFF_TOPIC)


MODULES = (
    *("argparse", "asyncio.tasks", "asyncio.streams", "base64", "bisect", "calendar", "codecs", "collections"),
    *("configparser", "contextlib", "copy", "csv", "datetime", "decimal", "difflib", "dis", "email.message"),
    *("fractions", "ftplib", "functools", "gettext", "glob", "gzip", "hashlib", "heapq", "http.client"),
    *("http.cookiejar", "imaplib", "inspect", "io", "ipaddress", "itertools", "json", "locale", "logging", "mailbox"),
    *("math", "mimetypes", "operator", "os", "pathlib", "pdb", "pickle", "pkgutil", "platform", "plistlib", "pprint"),
    *("queue", "random", "re", "sched", "secrets", "selectors", "shelve", "shlex", "shutil", "smtplib", "socket"),
    *("socketserver", "sqlite3", "ssl", "statistics", "string", "struct", "subprocess", "sys", "tarfile", "tempfile"),
    *("textwrap", "threading", "timeit", "traceback", "types", "typing", "unittest.mock", "urllib.parse"),
    *("urllib.request", "uuid", "warnings", "weakref", "xml.dom.minidom", "zipfile", "builtins"),
)


def docstrings() -> QuestionSet:
    """Documentation strings of Python's library, a document a module: the first sentence asks for the rest."""
    first: dict[str, tuple[str, str]] = {}
    for module in MODULES:
        for found in _documented(importlib.import_module(module)):
            asks, _, rest = (inspect.getdoc(found) or "").partition("\n\n")
            body = "\n".join(line for line in rest.strip().splitlines() if line.strip())
            if 25 <= len(asks) <= 160 and 150 <= len(body) <= 900:
                first.setdefault(body, (" ".join(asks.split()), module))
    bodies: dict[str, list[str]] = {}
    questions: list[Question] = []
    for number, (body, (asks, module)) in enumerate(first.items()):
        bodies.setdefault(module, []).append(body)
        questions.append(Question(asks, frozenset([number]), frozenset([module])))
    documents = {module: "\n\n".join(parts) for module, parts in bodies.items()}
    return QuestionSet("Python's documentation strings", documents, questions, answers=tuple(first))


def _documented(module: ModuleType) -> Iterator[object]:
    """The module's own classes and functions, and their methods."""
    package = module.__name__.partition(".")[0]
    for name, thing in vars(module).items():
        if name.startswith("_") or (getattr(thing, "__module__", None) or package).partition(".")[0] != package:
            continue
        yield thing
        if inspect.isclass(thing):
            yield from (member for key, member in vars(thing).items() if not key.startswith("_"))


def has(text: str, answer: str) -> bool:
    """Whether the text has the answer's words, white space aside."""
    return flat(answer) in flat(text)


def flat(text: str) -> str:
    """The text without white space."""
    return re.sub(r"\s+", "", text)


def place(passages: Sequence[tuple[str, str]], title: str, text: str) -> int | None:
    """The passage that a chunk of the document is a part of, or has in it."""
    chunk = flat(text)
    for number, (owner, context) in enumerate(passages):
        if owner == title and (chunk in flat(context) or flat(context) in chunk):
            return number
    return None
