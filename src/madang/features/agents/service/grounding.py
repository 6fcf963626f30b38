"""Whether a short answer is taken from a passage, judged by its surface.

For the built-in model, which invents when it does not know. Korean words change their endings, so words count as
found by their stems: without a particle, the first two syllables or four letters; numbers only whole.
"""

import re
from typing import Final

ENOUGH: Final = 0.66

_WORD = re.compile(r"\d[\d,.]*\d|\d+|[가-힣]+|[a-zA-Z][a-zA-Z'-]*|[一-鿿]+")
_ASKS_NUMBER = re.compile(
    r"언제|몇|얼마|며칠|날은|날짜|\bwhen\b|how (many|much|long|old|far|deep|tall)|(what|which) (time|year|day|date)"
)
_IS_NUMBER = re.compile(
    r"\d|[월화수목금토일]요일|[한두세네]\s?(개|명|번|시|달|살)|하나|둘|셋|넷|다섯|여섯|일곱|여덟|아홉|열"
    r"|\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|midnight|once|twice)\b"
    r"|\b(mon|tues|wednes|thurs|fri|satur|sun)day"
)
_PARTICLE = re.compile(
    r"(?<=.)(입니다|이에요|예요|이다|이며|이고|에서|에게|으로|까지|부터|에|은|는|이|가|을|를|의|로|와|과|도|만)$"
)
_ENGLISH: Final = (
    "a an and are as at be been by did do does for from had has have he her his how i in is it its no not of on or she "
    "that the their they this to was we were what when where which who will with yes you your"
)
_KOREAN: Final = (
    "네 예 아니요 아니오 입니다 있다 있습니다 했다 했습니다 한다 합니다 된다 됩니다 되었다 되었습니다 것 것이다 "
    "것입니다 그 이 저 그는 그녀는 이것은 그것은 때문 때문에 때문이다 때문입니다 위해 대한 관한 등 및 또는 그리고 수"
)
_EMPTY: Final = frozenset(f"{_ENGLISH} {_KOREAN}".split())


def words_of(text: str) -> list[str]:
    """The words that carry meaning, in lower case."""
    return [word for word in _WORD.findall(text.casefold()) if word not in _EMPTY]


def is_grounded(answer: str, passage: str, question: str) -> bool:
    """Whether the passage holds what the answer says beyond the question.

    Every number must be in the passage or the question, most other words too, and something must be new: an answer
    that only repeats the question is none. A plain yes or no is taken if there is nothing else to judge.
    """
    said = words_of(answer)
    if not said:
        return bool(re.match(r"\s*(네|예|아니|yes|no)", answer.casefold()))
    held, asked = _Stems(passage), _Stems(question)
    if any(word[0].isdigit() and not (held.has(word) or asked.has(word)) for word in said):
        return False
    new = [word for word in said if not asked.has(word)]
    if not new:
        return False
    return sum(held.has(word) for word in new) >= ENOUGH * len(new)


def fits(answer: str, question: str) -> bool:
    """Whether a question for a number, a time or a day is answered with one. Other questions take any answer."""
    return not _ASKS_NUMBER.search(question.casefold()) or bool(_IS_NUMBER.search(answer.casefold()))


class _Stems:
    def __init__(self, text: str) -> None:
        self._text = text.casefold()
        self._words = _WORD.findall(self._text)
        self._numbers = set(re.findall(r"\d[\d,.]*\d|\d+", self._text))

    def has(self, word: str) -> bool:
        if word[0].isdigit():
            return word in self._numbers
        stem = _stem(word)
        return stem in self._text if "가" <= word[0] <= "힣" else any(one.startswith(stem) for one in self._words)


def _stem(word: str) -> str:
    if "가" <= word[0] <= "힣":
        return _PARTICLE.sub("", word)[:2]
    return word[:4] if len(word) > 5 else word
