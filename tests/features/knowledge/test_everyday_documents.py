"""Everyday documents: what they say is found on its page, and what they do not show is not."""

import io
import time

import pytest

from madang.features.files.contracts import DOCX, EPUB, HTML, HWPX, ODT, PPTX, RTF, XLSX
from madang.features.files.service.types import media_type_of
from madang.features.knowledge.service.chunker import chunk_pages
from madang.features.knowledge.service.extracted import NOTES, ReadingError
from madang.features.knowledge.service.formats import read_pages
from madang.features.knowledge.service.language import words
from madang.features.knowledge.service.reader import outcome
from madang.features.knowledge.service.reading import ERRORS
from tests.features.knowledge import everyday, good_documents
from tests.features.knowledge.library import bm25

GOODS = good_documents.goods()
BY_NAME = {good.name: good for good in GOODS}


@pytest.fixture(scope="module")
def chunks():
    """Every passage of every document: name, page, text."""
    found = []
    for good in GOODS:
        pages = read_pages(good.media_type, good.content, 3000).pages
        found += [(good.name, one.page, one.text) for one in chunk_pages(enumerate(pages, 1))]
    return found


@pytest.mark.parametrize("good", GOODS, ids=lambda good: good.name)
def test_a_file_is_known_by_its_content_and_read_as_people_see_it(good):
    assert media_type_of(io.BytesIO(good.content), good.name) == good.media_type
    read = outcome(good.media_type, good.content, 3000, 1_000_000)
    assert "error" not in read
    assert good.says in read["pages"][good.page - 1]
    assert "\n".join(read["pages"]).count(good.says) == 1
    assert not good.not_says or good.not_says not in "\n".join(read["pages"])
    assert read["notes"] == good.notes
    assert read["notes"].keys() <= NOTES


@pytest.mark.parametrize("good", GOODS, ids=lambda good: good.name)
def test_its_question_finds_the_page(good, chunks):
    own = [(page, text) for name, page, text in chunks if name == good.name]
    scores = bm25(good.question, [text for _, text in own], words)
    page, text = own[scores.index(max(scores))]
    assert page == good.page
    assert good.says.split("\n")[0] in text


def test_every_piece_of_a_long_table_names_its_columns(chunks):
    pieces = [text for name, _, text in chunks if name in {"people.csv", "table.docx", "sheet.xlsx"}]
    assert len(pieces) > 20
    assert all("| 내선 |" in text or "| 담당 |" in text or "| 금액 |" in text for text in pieces)


def test_1200_merged_rows_are_read_in_two_seconds():
    content = BY_NAME["merged.docx"].content
    begun = time.process_time()
    pages = read_pages(DOCX, content, 3000).pages
    assert time.process_time() - begun < 2
    assert "\n".join(pages).count("| 전기 설비 | 점검 항목") >= 1200


def damaged(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        *[(damaged(BY_NAME[name].content), BY_NAME[name].media_type) for name in ("changes.docx", "sheet.xlsx")],
        *[(damaged(BY_NAME[name].content), BY_NAME[name].media_type) for name in ("deck.pptx", "farm.hwpx")],
        *[(damaged(BY_NAME[name].content), BY_NAME[name].media_type) for name in ("book.epub", "rules.odt")],
        (everyday.packed({"word/other.xml": "<a/>"}), DOCX),
        (everyday.packed({"xl/workbook.xml": "<a"}), XLSX),
        (everyday.packed({"ppt/presentation.xml": ""}), PPTX),
        (everyday.packed({"Contents/section0.xml": "<a><b>"}), HWPX),
        (everyday.packed({"mimetype": "application/epub+zip"}), EPUB),
        (everyday.packed({"mimetype": "application/vnd.oasis.opendocument.text"}), ODT),
        (b"<html><body></body></html>", HTML),
        (b"{\\rtf1 }", RTF),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000), "application/x-hwp"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000), "application/vnd.ms-outlook"),
        (b"\xff\xfe" + bytes.fromhex("00d8") * 300, "text/plain"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_what_cannot_be_read_says_why(content, media_type):
    assert outcome(media_type, content, 3000, 1_000_000).get("error") in ERRORS


def test_a_text_in_no_encoding_is_named_as_such():
    with pytest.raises(ReadingError, match="encoding_unknown"):
        read_pages("text/plain", bytes(range(128, 256)) * 20, 10)
