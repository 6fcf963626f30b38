"""Numbers that Word counts itself ("제3조", "2.1"): written into the paragraphs that show them."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from madang.features.knowledge.service.docx_xml import Node, plain_run, text_of, w

LEVELS = 9
_PLACE = re.compile(r"%([1-9])")
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_GANADA = "가나다라마바사아자차카타파하"
_CHOSUNG = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ"
_HANJA = "一二三四五六七八九十"
_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
_SERIES = {
    "ganada": _GANADA,
    "chosung": _CHOSUNG,
    "ideographDigital": _HANJA,
    "chineseCounting": _HANJA,
    "decimalEnclosedCircle": _CIRCLED,
}


@dataclass(slots=True)
class _Level:
    start: int = 1
    form: str = "decimal"
    text: str = ""


@dataclass(slots=True)
class _List:
    levels: dict[int, _Level]
    counts: dict[int, int] = field(default_factory=dict[int, int])


def write_down(root: Node, numbering: Node, styles: dict[str, Node]) -> None:
    """Put each paragraph's number before its text, and take its automatic one away. Bullets stay as they are."""
    lists = _lists(numbering)
    for paragraph in root.iter(w("p")):
        properties = paragraph.find(w("pPr"))
        place = _place(properties, styles)
        if properties is None or place is None or place[0] not in lists:
            continue
        found = lists[place[0]]
        level = found.levels.get(place[1])
        if level is None or level.form in {"bullet", "none"} or not text_of(paragraph).strip():
            continue
        label = _label(found, place[1])
        own = properties.find(w("numPr"))
        if own is not None:
            properties.remove(own)
        paragraph.insert(list(paragraph).index(properties) + 1, plain_run(label + " " if label else ""))


def _lists(numbering: Node) -> dict[str, _List]:
    """The lists by number; those of one abstract list count together, as Word does."""
    abstract = {
        node.get(w("abstractNumId"), ""): _List(dict(_levels(node))) for node in numbering.iter(w("abstractNum"))
    }
    found: dict[str, _List] = {}
    for node in numbering.iter(w("num")):
        reference = node.find(w("abstractNumId"))
        base = abstract.get(reference.get(w("val"), "") if reference is not None else "")
        if base is None:
            continue
        overrides = dict(_overrides(node))
        levels = dict(base.levels)
        for key, start in overrides.items():
            known = levels.get(key, _Level())
            levels[key] = _Level(start, known.form, known.text)
        found[node.get(w("numId"), "")] = _List(levels, {}) if overrides else base
    return found


def _levels(node: Node) -> Iterator[tuple[int, _Level]]:
    for level in node.findall(w("lvl")):
        key = _number(level.get(w("ilvl")), 0)
        yield (
            key,
            _Level(_number(_value(level, "start"), 1), _value(level, "numFmt") or "decimal", _value(level, "lvlText")),
        )


def _overrides(node: Node) -> Iterator[tuple[int, int]]:
    for override in node.findall(w("lvlOverride")):
        start = _value(override, "startOverride")
        if start:
            yield _number(override.get(w("ilvl")), 0), _number(start, 1)


def _place(properties: Node | None, styles: dict[str, Node]) -> tuple[str, int] | None:
    """Number and level of the list that a paragraph is in, by itself or by its style."""
    own = properties.find(w("numPr")) if properties is not None else None
    if own is None and properties is not None:
        style = styles.get(_value(properties, "pStyle"))
        own = style.find(f"{w('pPr')}/{w('numPr')}") if style is not None else None
    if own is None or _value(own, "numId") in {"", "0"}:
        return None
    return _value(own, "numId"), _number(_value(own, "ilvl"), 0)


def _label(found: _List, at: int) -> str:
    """Count one on at this level, and say the number."""
    level = found.levels[at]
    found.counts[at] = found.counts.get(at, level.start - 1) + 1
    for deeper in range(at + 1, LEVELS):
        found.counts.pop(deeper, None)
    counts = defaultdict(lambda: 1, found.counts)

    def put(match: re.Match[str]) -> str:
        other = int(match.group(1)) - 1
        return numeral(counts[other], found.levels.get(other, level).form)

    return _PLACE.sub(put, level.text)


def numeral(number: int, form: str) -> str:
    """A number in one of Word's forms; in digits where the form is not known."""
    if form in _SERIES and 1 <= number <= len(_SERIES[form]):
        return _SERIES[form][number - 1]
    if form in {"lowerLetter", "upperLetter"} and 1 <= number <= 26:
        letter = chr(96 + number)
        return letter.upper() if form == "upperLetter" else letter
    if form in {"lowerRoman", "upperRoman"} and 1 <= number < 4000:
        roman = _roman(number)
        return roman.upper() if form == "upperRoman" else roman
    return f"{number:02}" if form == "decimalZero" else str(number)


def _roman(number: int) -> str:
    said = ""
    for value, letters in _ROMAN:
        said += letters * (number // value)
        number %= value
    return said


def _value(node: Node, name: str) -> str:
    child = node.find(w(name))
    return child.get(w("val"), "") if child is not None else ""


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else otherwise
