"""Citations in a text that is still being written."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from madang.features.agents.service.citing import CitationReader, snippet

PIECES = st.lists(
    st.sampled_from(["[1]", "[2]", "[9]", "[1, 2]", "[0]", "[", "]", "[x]", "12", " ", ".", "말", "[ 2 ]"])
)


def read(text, cuts, count=2):
    reader = CitationReader(count)
    shown, new = [], []
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        piece, numbers = reader.take(text[begin:end])
        shown.append(piece)
        new += numbers
    return "".join(shown) + reader.finish(), new


@settings(max_examples=300)
@given(PIECES, st.data())
def test_wherever_it_is_cut_the_outcome_is_the_same(pieces, data):
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    assert read(text, cuts) == read(text, [])


@settings(max_examples=300)
@given(PIECES)
def test_every_marker_names_a_source_and_every_source_once(pieces):
    shown, new = read("".join(pieces), [])
    assert len(new) == len(set(new))
    used = {int(number) for number in re.findall(r"\[(\d+)\]", shown)}
    assert used <= {1, 2}
    assert set(new) <= {1, 2}


def test_examples():
    assert read("무료입니다 [2]. 또한 [1, 2]", [8]) == ("무료입니다 [2]. 또한 [1][2]", [2, 1])
    assert read("nothing [7] here", []) == ("nothing  here", [])
    assert read("a[0] = x[i]", []) == ("a = x[i]", [])
    assert read("open [1", []) == ("open [1", [])
    assert read("[[9]12] and [1[9]2]", [2]) == ("[…12] and [1…2]", [])


@given(st.text(max_size=600))
def test_a_snippet_is_short_and_one_line(text):
    cut = snippet(text)
    assert len(cut) <= 240
    assert "\n" not in cut
