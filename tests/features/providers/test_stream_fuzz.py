"""100,000 streams by dice: no letter of an answer is lost, and every end is what it was."""

import os
import random

import pytest

from madang.features.providers.service.answer_reader import AnswerReader
from tests.features.providers.stream_fuzzer import Truth, make

STREAMS = int(os.environ.get("MADANG_FUZZ_STREAMS", "100000"))
SEED = int(os.environ.get("MADANG_FUZZ_SEED", "43"))
SHARES = 10


def read(pieces: list[bytes]) -> Truth:
    """What the reader makes of the pieces."""
    reader = AnswerReader()
    text = reasoning = ""
    for piece in [*pieces, b""]:
        batch = reader.take(piece, is_broken_off=not piece)
        if batch.retracts:
            reasoning, text = reasoning + text, ""
        text += batch.text
        reasoning += batch.reasoning
        if reader.end is not None:
            break
    ends = {"finished": reader.finish_reason, "error": "error", "cut_off": "cut", "broken": "broken"}
    return Truth(text, reasoning, ends[reader.end or "broken"])


@pytest.mark.parametrize("share", range(SHARES))
def test_every_stream_is_read_to_the_letter_and_to_its_end(share):
    for number in range(share, STREAMS, SHARES):
        pieces, truth = make(random.Random(f"{SEED}/{number}"))
        truth.end = "stop" if truth.end == "done" else truth.end
        heard = read(pieces)
        assert heard == truth, f"stream {number} of seed {SEED}: {b''.join(pieces)!r}"
