"""What kind of answer a question expects, judged by its asking words: a date, a length of time, a price, a person.

A question for a place or a thing expects nothing here: nearly every sentence has a word that could be one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from madang.features.agents.service import numbers
from madang.features.knowledge.public import people

type _Kind = tuple[re.Pattern[str], float, Callable[[str], set[str]]]

TELLING: Final = 1.0
"""What a sentence gains by an answer of the expected kind, in shares of what the question weighs."""

WEAK: Final = 0.4
"""The same for people: capitals and the dictionary only guess at names."""


@dataclass(frozen=True, slots=True)
class Expected:
    """An expected answer: the words that ask for it, what it is worth, and how to find candidates in a text."""

    asked: str
    worth: float
    candidates: Callable[[str], set[str]]

    def is_in(self, sentence: str, question: str) -> bool:
        """Whether the sentence has a candidate that the question does not have already."""
        return bool(self.candidates(sentence) - self.candidates(question))


def expected(question: str) -> Expected | None:
    """What the question expects, None when it could be anything.

    Of several asking words the last counts in Korean and the first in English, which is where the question is asked.
    """
    found = [*_counted(question), *_asked(question)]
    if not found:
        return None
    if _HANGUL.search(question):
        kind = max(found, key=lambda each: each[0].end())[1]
    else:
        kind = min(found, key=lambda each: each[0].start())[1]
    return kind if kind.worth else None


def _asked(question: str) -> list[tuple[re.Match[str], Expected]]:
    return [
        (match, Expected(match.group(), worth, candidates))
        for pattern, worth, candidates in _KINDS
        for match in pattern.finditer(question)
    ]


def _counted(question: str) -> list[tuple[re.Match[str], Expected]]:
    """Questions with 몇 (how many) and a counter, which the answer has too."""
    return [
        (match, Expected(match.group(), TELLING, _having(numbers.KOREAN + _same_counter(match[1]))))
        for match in _HOW_MANY.finditer(question)
    ]


def _same_counter(word: str) -> str:
    """A pattern of the counter that the word begins with, and of those that count the same."""
    alike = next((group for group in _ALIKE if word.startswith(group)), None)
    if alike is not None:
        return f"(?:{'|'.join(alike)})"
    if word.startswith(_NO_COUNTERS):
        return rf"(?!{_UNITS})[가-힣]"
    return re.escape(_ENDING.sub("", word) or word)


def _having(pattern: str) -> Callable[[str], set[str]]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda text: {"".join(match.group().split()).casefold() for match in compiled.finditer(text)}


def _people(text: str) -> set[str]:
    """What looks like a person: names that the dictionary knows, titles, and capitals inside a sentence."""
    titled = {"".join(match.group().split()) for match in _TITLED.finditer(text)}
    known = people(text) if _HANGUL.search(text) else set[str]()
    return known | titled | {name for match in _CAPITALS.finditer(text) if (name := _name(match))}


def _name(match: re.Match[str]) -> str | None:
    """The name, None for a day, a month and the one word that begins the text."""
    name = match.group().removeprefix("The ").removeprefix("A ")
    begins = match.start() == 0 or name != match.group()
    return None if _NO_NAME.fullmatch(name) or (begins and " " not in name) else name


_HANGUL = re.compile("[가-힣]")
_HOW_MANY = re.compile(r"(?<!몇)몇(?!몇)\s?(?:십|백|천|만)?\s?(번째|시간|(?![시월년])[가-힣a-zA-Z%]{1,3})")
_ENDING = re.compile(r"(?<=.)(?:이나|까지|부터|에서|인가|이|가|을|를|은|는|의|에|인|으로|로|나|간|만)+$")
_UNITS: Final = "년|월|일|시|분|초|원|%|세기|달러"
_NO_COUNTERS: Final = ("개", "가지", "종류", "나라")
_PEOPLE: Final = r"(?<!\d)(?<!\d\s)분"
"""분 counts people after a word and minutes after a figure."""

_ALIKE: Final = (
    ("번째", "째"),
    ("개월", "달", "년"),
    ("퍼센트", "퍼센", "프로", "%"),
    ("명", "사람", _PEOPLE, "인"),
    ("사람", "명", _PEOPLE, "인"),
    ("분", "명", "사람", "인"),
    ("살", "세"),
    ("세", "살"),
    ("번", "회", "차례", "차", "번째"),
    ("회", "번", "차례"),
    ("차례", "번", "회"),
    ("달", "개월"),
    ("주", "주일"),
    ("곳", "개", "군데"),
)
_TITLED = re.compile(
    r"[가-힣]{1,4}\s?(?:씨|양|군|선생님?|교수|박사|원장|실장|소장|대표|감독|대통령|왕|황제|장군|의원|회장|사장|총리|장관|기자|후보"
    r"|강사|작가|신부|목사|스님)(?![가-힣]{2})"
)
_CAPITALS = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof)\.? )?\b[A-Z][a-z]+(?:[ -][A-Z][a-z]+)*")
_NO_NAME = re.compile(rf"{numbers.WEEKDAY}|{numbers.MONTH}|The|An?|I|We|It", re.IGNORECASE)

_END: Final = r"(?=\s?(?:언제|얼마|\?|$))"
_PRICE: Final = "비료금격용액값"
_AFTER_A_PRICE: Final = (
    "(?:" + "|".join(f"(?<=[{_PRICE}]{between})" for between in ("", " ", "[은는이가도]", "[은는이가도] ")) + ")"
)
"""Behind a word for a price, which is one of the question's own words: 배송비는 얼마, 요금 얼마."""

_TIMES: Final = "(?:days|weeks|months|years|hours|minutes)"
_MEASURES: Final = "much|tall|high|deep|wide|large|big|heavy|far|old|fast"


def _kind(worth: float, candidates: Callable[[str], set[str]], *asked: str) -> _Kind:
    return re.compile("|".join(asked), re.IGNORECASE), worth, candidates


_KINDS: Final = (
    _kind(
        TELLING,
        _having(numbers.PERCENT),
        rf"[가-힣](?:비율|율|률)은{_END}",
        r"\b(?:what|which) (?:percent\w*|share)",
    ),
    _kind(TELLING, _having(numbers.CLOCK), r"몇\s?시(?!간)(?:부터|까지|에)?", "(?:what|which) time"),
    _kind(
        TELLING,
        _having(numbers.DURATION),
        rf"며칠(?:이나| ?동안|간)?|얼마나 (?:오래|걸)|얼마 ?(?:동안|만에)|기간은{_END}",
        rf"how long|(?:what is the )?longest time|how many (?={_TIMES})",
    ),
    _kind(TELLING, _having(f"{numbers.DURATION}|{numbers.DATE}"), "언제까지", "(?:by|until) when"),
    _kind(TELLING, _having(numbers.OFTEN), "얼마나 자주", "how (?:often|frequently)"),
    _kind(
        TELLING,
        _having(numbers.YEAR),
        rf"몇\s?년도|어느 해|(?:연도|년도)는{_END}|(?:한|된|던|난|간|인|든|운|온) 해는",
        "(?:what|which) year",
    ),
    _kind(TELLING, _having(rf"\d[\d,]*\s?년|{numbers.YEAR}"), r"몇\s?년(?!도)"),
    _kind(
        TELLING,
        _having(numbers.DATE),
        rf"언제(?!나|까지)(?:부터)?|무슨 요일|날짜|몇\s?월|며칠에|(?:날|시기|시점)은{_END}",
        r"(?<!by )(?<!until )\bwhen\b",
        "(?:what|which) (?:day|date|month|season)s?",
    ),
    _kind(
        TELLING,
        _having(numbers.MONEY),
        f"{_AFTER_A_PRICE}(?:얼마|무료)",
        rf"(?<=[{_PRICE}][은는])(?=\s?\?|\s?$)",
        "얼마(?!나)(?=[^?]*(?:내|받|벌|지불|빌|배상))",
        r"how much (?=(?:is|are|was|were|money)\b|.*\b(?:costs?|pay|charge|price|fee|earn)\b)",
        "what (?=(?:is|are|was) the (?:price|fee|cost)|does .*cost)",
    ),
    _kind(
        TELLING,
        _having(numbers.AMOUNT),
        r"얼마(?!나 (?:오래|걸|자주)|\s?(?:동안|만에))(?:나)?",
        rf"(?:높이|길이|넓이|면적|크기|무게|속도|거리|인구|점수)는{_END}",
        rf"how (?:{_MEASURES})|what age",
    ),
    _kind(TELLING, _having(numbers.COUNT), rf"how many (?!{_TIMES})"),
    _kind(
        WEAK,
        _people,
        "누가|누구|누굴|누군|사람은|인물은",
        r"\bwho\b|\bwhom\b|\bwhose\b|(?:what|which) (?=doctor|teacher|person)",
    ),
    _kind(
        0,
        _having("(?!)"),
        "어디|어느|곳은|장소는|무엇|무얼|뭐|뭘|어떤|무슨(?! 요일)|왜|어떻게|이름",
        r"\bwhere\b|\bwhat\b|\bwhich\b|\bwhy\b|\bhow\b",
    ),
)
