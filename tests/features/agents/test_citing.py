"""Citations in a text that is still being written."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.features.agents.service.citing import CitationReader, snippet

WORDS = [
    "[1]",
    "[2]",
    "[9]",
    "[1, 2]",
    "[0]",
    "[0, 1]",
    "[",
    "]",
    "[x]",
    "12",
    " ",
    ".",
    "말",
    "[ 2 ]",
    "a",
    "\n",
    "\n\n",
]
MARKS_OF_CODE = ["`", "``", "```", "~~~", "$", "$$", "\\(", "\\)", "\\[", "\\]", "\\$", "\\"]
PIECES = st.lists(st.sampled_from([*WORDS, *MARKS_OF_CODE]), max_size=20)


def read(text, cuts=(), count=2):
    reader = CitationReader(count)
    shown, new = [], []
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        piece, numbers = reader.take(text[begin:end])
        shown.append(piece)
        new += numbers
    piece, numbers = reader.finish()
    return "".join(shown) + piece, new + numbers


@settings(max_examples=500)
@given(PIECES, st.data())
def test_wherever_it_is_cut_the_outcome_is_the_same(pieces, data):
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    assert read(text, cuts) == read(text)


@settings(max_examples=300)
@given(PIECES)
def test_every_source_is_reported_once_and_nothing_but_markers_is_touched(pieces):
    text = "".join(pieces)
    shown, new = read(text)
    assert len(new) == len(set(new))
    assert set(new) <= {1, 2}
    assert MARKS.sub("", shown) == MARKS.sub("", text)


MARKS = re.compile(r"[\[\]\d\s,…]")


def test_examples():
    assert read("무료입니다 [2]. 또한 [1, 2]", [8]) == ("무료입니다 [2]. 또한 [1][2]", [2, 1])
    assert read("nothing [7] here") == ("nothing  here", [])
    assert read("a[0] = x[i]") == ("a[0] = x[i]", [])
    assert read("open [1") == ("open [1", [])
    assert read("[[9]12] and [1[9]2]", [2]) == ("[…12] and [1…2]", [])


@pytest.mark.parametrize(
    "text",
    [
        "구간 [0, 1]",
        "구간 [1, 12]",
        "```python\nprint(arr[0], arr[1], m[1])\nx=[1,2,3]\n```\n",
        "~~~\n[1]\n~~~",
        "> ```\n> a[1]\n> ```\n",
        "보기: `a[1]`, ``b`[2]``",
        "수식 $a[2]$와 $$x[1]\n+ y[2]$$, \\(b[1]\\), \\[c[2]\\]",
        "값 m[7]",
    ],
)
def test_code_formulas_intervals_and_indexes_cite_nothing_and_stay_as_they_are(text):
    for size in (1, 2, 3, 7, 100):
        assert read(text, range(size, len(text), size)) == (text, [])


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("참가비는 $5이고 [1] 할인은 $3입니다.", [1]),
        ("따옴표 ` 하나 [2]\n다음", [2]),
        ("```\n[1]\n```\n끝 [2]", [2]),
        ("$x$ 다음 [1], `y` 다음 [2]", [1, 2]),
        ("$5 [1]\n[2]$", [1, 2]),
    ],
)
def test_money_lone_marks_and_what_follows_code_leave_citations_alone(text, cited):
    for size in (1, 2, 3, 7, 100):
        assert read(text, range(size, len(text), size)) == (text, cited)


@given(st.text(max_size=600))
def test_a_snippet_is_short_and_one_line(text):
    cut = snippet(text)
    assert len(cut) <= 240
    assert "\n" not in cut
