"""What is a good password, and how long it takes to say no."""

import asyncio
import unicodedata
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.features.accounts.service import passwords
from madang.features.accounts.service.addresses import normal_email
from madang.kernel.errors import Invalid
from madang.kernel.telemetry import READERS

CHEAP = {"memory_kib": 64, "rounds": 1, "threads": 1}


@pytest.mark.parametrize("word", ["", "a" * 7, "마당마당", "x" + "yz1" * 90])
def test_length_counts_characters(word: str) -> None:
    with pytest.raises(Invalid) as caught:
        passwords.accept(word)
    assert caught.value.code == "password_length"


@pytest.mark.parametrize(
    "word",
    [
        "password1",
        "PASSWORD1",
        "qwerty123",
        "dkssudgktpdy",
        "12345678",
        "87654321",
        "abcdefghij",
        "aaaaaaaa",
        "abababab",
    ],
)
def test_what_anyone_would_try_is_refused(word: str) -> None:
    with pytest.raises(Invalid) as caught:
        passwords.accept(word)
    assert caught.value.code == "password_common"


def test_ones_own_name_or_address_is_refused() -> None:
    for word in ("hong.gildong", "hong.gildong@example.org", "Hong Gildong"):
        with pytest.raises(Invalid):
            passwords.accept(word, "hong.gildong@example.org", "Hong Gildong")


@pytest.mark.parametrize("word", ["courtyard rain 7", "기와집 처마 끝", "Tr0ub4dor&3x"])
def test_a_few_unrelated_words_are_fine(word: str) -> None:
    assert passwords.accept(word) == unicodedata.normalize("NFKC", word)


@given(st.text(min_size=8, max_size=60))
def test_a_password_is_the_same_on_every_keyboard(word: str) -> None:
    decomposed = unicodedata.normalize("NFD", word)
    assert passwords.normalised(decomposed) == passwords.normalised(unicodedata.normalize("NFC", word))


async def test_right_wrong_and_unknown() -> None:
    hashing = passwords.Hashing(**CHEAP)
    kept = await hashing.hash("courtyard rain")
    assert (await hashing.verify(kept, "courtyard rain")).right
    assert not (await hashing.verify(kept, "courtyard sun")).right
    assert not (await hashing.verify(None, "courtyard rain")).right
    assert not (await hashing.verify("not a hash", "courtyard rain")).right


async def test_stronger_parameters_rehash_at_sign_in() -> None:
    kept = await passwords.Hashing(**CHEAP).hash("courtyard rain")
    stronger = passwords.Hashing(memory_kib=128, rounds=1, threads=1)
    verdict = await stronger.verify(kept, "courtyard rain")
    assert verdict.new_hash is not None
    assert (await stronger.verify(verdict.new_hash, "courtyard rain")) == passwords.Verdict(right=True)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" Hong@Example.ORG ", "hong@example.org"),
        ("\uff28\uff2f\uff2e\uff27@example.org", "hong@example.org"),
        ("홍길동@예시.한국", "홍길동@예시.한국"),
    ],
)
def test_an_address_has_one_form(written: str, kept: str) -> None:
    assert normal_email(written) == kept


@pytest.mark.parametrize(
    "written",
    ["", "hong", "@example.org", "hong@", "a b@c.d", "a@b@c", "a\x00@b.c", "a@b..c", f"{'a' * 65}@b.c", "a@.b"],
)
def test_what_is_no_address(written: str) -> None:
    with pytest.raises(Invalid) as caught:
        normal_email(written)
    assert caught.value.code == "email_malformed"


@given(st.text(max_size=300))
def test_an_address_is_kept_in_a_form_that_stays(written: str) -> None:
    try:
        once = normal_email(written)
    except Invalid:
        return
    assert normal_email(once) == once


async def test_hashing_rests_while_answers_are_read() -> None:
    hashing = passwords.Hashing(**CHEAP)

    def work() -> tuple[float, float]:
        began = perf_counter()
        while perf_counter() < began + 0.01:
            pass
        return began, perf_counter()

    try:
        with READERS.track_inprogress():
            first, second = await asyncio.gather(hashing._run(work), hashing._run(work))
        third, fourth = await asyncio.gather(hashing._run(work), hashing._run(work))
    finally:
        hashing.close()
    assert second[0] - first[1] >= passwords.REST * (first[1] - first[0])
    assert fourth[0] >= third[1]
