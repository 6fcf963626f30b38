"""Every kind of document is read, and whatever cannot be is named, while the reader's harm stays in its process."""

import time
from contextlib import suppress

import pytest

from madang.features.files.contracts import DOCX, MARKDOWN, PDF, TEXT
from madang.features.knowledge.service.extracted import PAGE_CHARACTERS, clean, cut
from madang.features.knowledge.service.line_joining import unwrap
from madang.features.knowledge.service.reader import outcome
from madang.features.knowledge.service.reading import ERRORS, UnreadableError, read_document
from madang.features.knowledge.settings import KnowledgeSettings
from tests.features.knowledge import hostile, traps

LIMITS = KnowledgeSettings(max_pages=3000, max_characters=100_000, read_seconds=60, read_memory_mb=1024)


async def read(tmp_path, content, media_type, limits=LIMITS):
    path = tmp_path / "document"
    path.write_bytes(content)
    with path.open("rb") as file:
        return (await read_document(file, media_type, limits)).pages


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
async def test_korean_text_in_every_usual_encoding(tmp_path, encoding):
    assert await read(tmp_path, "마당은 뜰이다.\r\n둘째 줄".encode(encoding), TEXT) == ["마당은 뜰이다.\n둘째 줄"]


async def test_a_pdf_keeps_its_pages(tmp_path):
    content = hostile.pdf(["마당은 한국 집의 뜰이다."], [], ["Refunds within seven days."])
    assert await read(tmp_path, content, PDF) == ["마당은 한국 집의 뜰이다.", "", "Refunds within seven days."]


async def test_a_word_file_keeps_headings_and_tables(tmp_path):
    content = hostile.docx((1, "환불 규정"), "칠 일 안에 환불한다.", [["구분", "기간"], ["환불", "7일"]])
    assert await read(tmp_path, content, DOCX) == [
        "# 환불 규정\n\n칠 일 안에 환불한다.\n\n| 구분 | 기간 |\n| --- | --- |\n| 환불 | 7일 |"
    ]


async def test_a_long_text_is_cut_to_pages_between_paragraphs(tmp_path):
    paragraphs = [f"{number}. " + "글이 이어진다. " * 40 for number in range(30)]
    pages = await read(tmp_path, "\n\n".join(paragraphs).encode(), MARKDOWN)
    assert len(pages) > 3
    assert all(len(page) <= PAGE_CHARACTERS + 10 for page in pages)
    assert "\n\n".join(pages).split() == " ".join(paragraphs).split()


@pytest.mark.parametrize("letters", ["가" * 20_000, "word " * 4_000, "줄\n" * 9_000])
async def test_pages_stay_small_and_whole_whatever_the_text(tmp_path, letters):
    pages = await read(tmp_path, letters.encode(), TEXT)
    assert all(len(page) <= 2 * PAGE_CHARACTERS for page in pages)
    assert "".join("".join(pages).split()) == "".join(letters.split())


@pytest.mark.parametrize(
    ("make", "media_type", "code"),
    [
        (hostile.encrypted_pdf, PDF, "document_encrypted"),
        (hostile.many_pages_pdf, PDF, "too_many_pages"),
        (hostile.circular_pdf, PDF, {"no_text_found", "document_corrupt"}),
        (lambda: hostile.pdf([]), PDF, "no_text_found"),
        (lambda: b"%PDF-1.7\n" + b"garbage" * 100, PDF, "document_corrupt"),
        (lambda: hostile.pdf(["x"])[:200], PDF, "document_corrupt"),
        (hostile.bomb_docx, DOCX, "document_too_large"),
        (hostile.entities_docx, DOCX, {"document_corrupt", "no_text_found"}),
        (hostile.broken_docx, DOCX, "document_corrupt"),
        (lambda: hostile.docx("x")[:900], DOCX, "document_corrupt"),
        (hostile.docx, DOCX, "no_text_found"),
        (lambda: b" \n\t\n", TEXT, "no_text_found"),
        (lambda: "가".encode("utf-16") + bytes.fromhex("00d8") * 300, TEXT, "encoding_unknown"),
        (lambda: b"text " * 30_000, TEXT, "document_too_large"),
    ],
    ids=[
        *("encrypted", "10,000 pages", "circular", "blank", "garbage", "half a PDF", "ZIP bomb", "XML bomb"),
        *("broken XML", "half a ZIP", "empty Word file", "white space", "broken UTF-16", "long"),
    ],
)
async def test_what_cannot_be_read_is_named(tmp_path, make, media_type, code):
    with pytest.raises(UnreadableError) as failed:
        await read(tmp_path, make(), media_type)
    assert failed.value.code in ({code} if isinstance(code, str) else code)
    assert failed.value.code in ERRORS


@pytest.mark.parametrize(
    "make",
    [
        traps.script_pdf,
        traps.huge_box_pdf,
        traps.self_drawing_pdf,
        traps.polyglot,
        traps.nested_docx,
        traps.climbing_docx,
    ],
    ids=lambda make: make.__name__,
)
async def test_a_trap_beside_the_text_does_not_spring(tmp_path, make):
    """The text is read; nothing else is run, drawn, unpacked or fetched."""
    media_type = DOCX if make.__name__.endswith("docx") else PDF
    assert [page.strip() for page in await read(tmp_path, make(), media_type)] == ["Courtyard"]


@pytest.mark.parametrize("make", [traps.external_entity_docx, traps.external_dtd_docx], ids=["entity", "definitions"])
async def test_a_word_file_cannot_ask_for_files_of_its_reader(tmp_path, make):
    pages = []
    with suppress(UnreadableError):
        pages = await read(tmp_path, make(), DOCX)
    assert "".join(pages).strip() in {"", "Courtyard"}


@pytest.mark.parametrize(
    "make",
    [
        traps.deep_tree_pdf,
        traps.deep_array_pdf,
        traps.inflating_pdf,
        traps.wide_table_docx,
        traps.deep_tables_docx,
        traps.lying_docx,
    ],
    ids=lambda make: make.__name__,
)
async def test_what_would_take_all_time_or_memory_is_refused(tmp_path, make):
    media_type = DOCX if make.__name__.endswith("docx") else PDF
    limits = KnowledgeSettings(read_seconds=3, read_memory_mb=1024)
    with pytest.raises(UnreadableError) as refused:
        await read(tmp_path, make(), media_type, limits)
    assert refused.value.code in ERRORS


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbf", b"\xff\xfe", "\u200b\u2060\u200d \n\u00a0\u3000".encode(), "\ufeff\u202e".encode("utf-16")],
    ids=["only a mark", "only a mark of UTF-16", "nothing to be seen", "marks"],
)
def test_what_nobody_can_see_is_no_text(content):
    assert outcome(TEXT, content, 10, 1000) == {"error": "no_text_found"}


@pytest.mark.parametrize("ends", ["\r", "\n", "\r\n", "\r\n\r"])
def test_lines_may_end_in_any_way(ends):
    paragraphs = [f"{number}. " + "글이 이어진다. " * 40 for number in range(30)]
    blank = "\n\n".replace("\n", ends)
    assert [page.split() for page in cut(blank.join(paragraphs))] == [
        page.split() for page in cut("\n\n".join(paragraphs))
    ]


async def test_a_huge_picture_does_no_harm(tmp_path):
    assert await read(tmp_path, hostile.huge_image_pdf(), PDF) == ["그림이 있다."]


async def test_a_reader_that_hangs_is_ended(tmp_path):
    begun = time.monotonic()
    limits = KnowledgeSettings(read_seconds=0.05)
    with pytest.raises(UnreadableError, match="document_too_slow"):
        await read(tmp_path, hostile.pdf(["x"]), PDF, limits)
    assert time.monotonic() - begun < 30, "it was not waited for"


async def test_a_reader_out_of_memory_says_so(tmp_path):
    limits = KnowledgeSettings(read_memory_mb=1024, max_characters=100_000_000)
    with pytest.raises(UnreadableError, match="document_too_large"):
        await read(tmp_path, b"a\n\n" * 20_000_000, TEXT, limits)


def test_the_limits_bind_the_process_itself():
    import subprocess
    import sys

    code = (
        "from madang.features.knowledge.service.sandbox import limit_resources; limit_resources(256, 1)\n"
        "try: open('/tmp/madang-never', 'w').write('x' * 9) and None\n"
        "except OSError as error: print(error.errno)\n"
        "while True: pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -24


def test_broken_lines_are_joined_and_lists_are_not():
    text = (
        "마당은 한국 집의 모든 방이 열리는 뜰이며 이 문장은 다음 줄로\n이어진다.\n"
        "- 첫째 항목은 길게 이어지는 항목이라 줄을 다 채운다 정말\n- 둘째"
    )
    assert unwrap(text).split("\n") == [
        "마당은 한국 집의 모든 방이 열리는 뜰이며 이 문장은 다음 줄로 이어진다.",
        "- 첫째 항목은 길게 이어지는 항목이라 줄을 다 채운다 정말",
        "- 둘째",
    ]


def test_cleaning_composes_hangul_and_drops_what_cannot_be_stored():
    assert clean("마당\x00의\u00ad \ud800글\r\n\r\n") == "마당의 글"


@pytest.mark.parametrize("ending", [126, 127])
async def test_no_document_is_blamed_for_a_reader_that_cannot_be_loaded(tmp_path, monkeypatch, ending):
    broken = tmp_path / "python"
    broken.write_text(f"#!/bin/sh\nexit {ending}\n")
    broken.chmod(0o755)
    monkeypatch.setattr("madang.features.knowledge.service.reading.sys.executable", str(broken))
    with pytest.raises(UnreadableError) as caught:
        await read(tmp_path, b"text", TEXT)
    assert caught.value.code == "ingest_failed"


async def test_the_reader_is_told_where_libraries_lie_and_no_secret(tmp_path, monkeypatch):
    teller = tmp_path / "python"
    teller.write_text('#!/bin/sh\nprintf \'{"pages": ["%s|%s"]}\' "$LD_LIBRARY_PATH" "$MADANG_SECRET_KEY"\n')
    teller.chmod(0o755)
    monkeypatch.setattr("madang.features.knowledge.service.reading.sys.executable", str(teller))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    monkeypatch.setenv("MADANG_SECRET_KEY", "hidden")
    assert await read(tmp_path, b"text", TEXT) == ["/opt/lib|"]
