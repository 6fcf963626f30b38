"""Lines that a page's width has broken, joined again as their writer wrote them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from madang.features.knowledge.service.language import path_cost

SPACED = 250
"""By how much reading two halves as two words must cost more than as one, for them to be one.

Of 5,663 line ends between Korean letters that were made at every width from 28 to 45 in KorQuAD 1.0's articles, 96.1 %
come out as they were written; with a space at each of them, 43.6 %.
"""

WORDS = 2
"""Words on either side that the morphemes are judged by; more of them change nothing."""

FULL = 0.6
"""A line of so much of the usual width may go on in the next one."""

LONGEST_HEAD = 80
"""A line longer than this is no page's head or foot."""

_ENDS = re.compile(r"(?:[.!?。:;…]|[다요죠까음함임])[\"'”’)\]」』]*$")
_BEGINS = re.compile(
    r"(?:[-•·*▪◦○●■□#|❍※]|\(?\d{1,3}[.)]\s|[가-하][.)]\s|[①-⑳]|제\s*\d+\s*[조항장절관]|\$\$|(?:표|그림|Table|Figure)\s*\d)"
)
_FINAL = re.compile(r"[.!?。…][\"'”’)\]」』]*$")
_KOREAN_SEAM = re.compile(r"[가-힣]$")
_HYPHEN = re.compile(r"[A-Za-z]{2,}-$")


def warm_up() -> None:
    """Load the morphemes."""
    path_cost("마당")


def unwrap(text: str) -> str:
    """Lines that a page's width has broken, joined again; ends of sentences and items of lists stay."""
    return "\n".join(_joined([line.strip() for line in text.split("\n")]))


def _joined(lines: Sequence[str]) -> Iterator[str]:
    full = FULL * _usual_width(lines)
    running = ""
    for line, following in pairwise([*lines, ""]):
        running = join(running, line) if running else line
        if line and following and len(line) >= full and not _ends(line, following) and not _BEGINS.match(following):
            continue
        yield running
        running = ""


def _usual_width(lines: Sequence[str]) -> int:
    """The length that lines of running text have; one title that is wider does not count."""
    lengths = sorted(len(line) for line in lines if line)
    if len(lengths) < 4:
        return lengths[-1] if lengths else 0
    return min(lengths[-1], lengths[len(lengths) * 3 // 4] * 5 // 4)


def _ends(line: str, following: str) -> bool:
    """Whether the line's end is a sentence's; a syllable that may end one does so only if no word goes on."""
    if not _ENDS.search(line):
        return False
    if _FINAL.search(line) or not _KOREAN_SEAM.search(line):
        return True
    return not following[:1].isalnum() or _is_two_words(line, following)


def join(line: str, following: str) -> str:
    """Two lines as one: without a space where a Korean word was broken, or a hyphenated one."""
    if _HYPHEN.search(line) and following[:1].islower():
        return line[:-1] + following
    if _KOREAN_SEAM.search(line) and "가" <= following[:1] <= "힣" and not _is_two_words(line, following):
        return line + following
    return f"{line} {following}"


def _is_two_words(line: str, following: str) -> bool:
    before = " ".join(line[-60:].split()[-WORDS:])
    after = " ".join(following[:60].split()[:WORDS])
    return path_cost(f"{before} {after}") - path_cost(before + after) <= SPACED


def join_pages(pages: list[str]) -> list[str]:
    """Move the rest of a sentence that a page's end cut in two back to the page on which it begins."""
    found = list(pages)
    for at in range(len(found) - 1):
        here, there = found[at], found[at + 1]
        last, first = here.rpartition("\n")[2], there.partition("\n")[0]
        if not here or not there or not _goes_on(last, first):
            continue
        end = re.search(r"[.!?。][\"'”’)\]」』]*(?=\s|$)", first)
        if end is None or len(first[: end.end()]) > 400:
            continue
        rest = first[: end.end()]
        found[at] = here[: len(here) - len(last)] + join(last, rest)
        found[at + 1] = there[len(rest) :].lstrip()
    return found


def _goes_on(last: str, first: str) -> bool:
    if len(last) < 20 or last.startswith(("#", "|")) or _FINAL.search(last) or _BEGINS.match(first):
        return False
    return (
        bool(re.search(r"[가-힣A-Za-z,]$", last))
        and bool(re.match(r"[가-힣a-z]", first))
        and not (_ENDS.search(last) and _is_two_words(last, first))
    )


def without_running_lines(pages: list[str]) -> tuple[list[str], bool]:
    """Pages without the lines that stand at the head or the foot of most of them, numbers aside; whether any did."""
    if len(pages) < 3:
        return pages, False
    split = [page.split("\n") for page in pages]
    edges = Counter(key for lines in split for key in set(_edges(lines).values()))
    repeated = {key for key, times in edges.items() if times >= max(3, 0.6 * len(pages))}
    if not repeated:
        return pages, False
    return ["\n".join(_trimmed(lines, repeated)).strip("\n") for lines in split], True


def _edges(lines: Sequence[str]) -> dict[int, str]:
    """Where a page's first two and last two lines of text are, and what they say; the outermost without its numbers."""
    full = [at for at, line in enumerate(lines) if line.strip() and len(line) <= LONGEST_HEAD]
    if len(full) < 3:
        return {}
    bare = {at: " ".join(lines[at].split()) for at in (*full[:2], *full[-2:])}
    return bare | {at: re.sub(r"\d+", "0", bare[at]) for at in (full[0], full[-1])}


def _trimmed(lines: Sequence[str], repeated: set[str]) -> list[str]:
    gone = {at for at, key in _edges(lines).items() if key in repeated}
    return [line for at, line in enumerate(lines) if at not in gone]
