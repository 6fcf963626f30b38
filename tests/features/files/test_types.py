"""A file is what it contains, whatever it is called."""

import io
import tracemalloc
import zipfile

import pytest

from madang.features.files.contracts import DOCX, MARKDOWN, PDF, TEXT
from madang.features.files.service.types import media_type_of
from madang.kernel.errors import UnsupportedType
from tests.features.knowledge.traps import crowded_archive, polyglot


def archive(*names):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name in names:
            packed.writestr(name, "x")
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [
        (b"%PDF-1.7 ...", "a.txt", PDF),
        (b"\n\n%PDF-1.4", "a.pdf", PDF),
        (archive("[Content_Types].xml", "word/document.xml"), "a.pdf", DOCX),
        (archive("[Content_Types].xml", "word/document.xml")[:-40], "a.docx", DOCX),
        ("마당은 뜰이다".encode(), "a.exe", TEXT),
        ("마당은 뜰이다".encode("cp949"), "a.txt", TEXT),
        ("마당".encode("utf-16"), "a.txt", TEXT),
        (b"# Title\n", "README.MD", MARKDOWN),
        (("가" * 30_000).encode(), "long.txt", TEXT),
        (b"a" + ("가" * 30_000).encode(), "long.txt", TEXT),
    ],
)
def test_known_by_content(content, name, media_type):
    assert media_type_of(io.BytesIO(content), name) == media_type


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"MZ\x90\x00",
        b"\x7fELF\x02",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        archive("a.txt"),
        archive("[Content_Types].xml", "visio/document.xml"),
        b"PK\x03\x04garbage",
        b"\x00\x01\x02\x03",
        bytes(range(256)) * 4,
        b"\x1b\x01\x02\x03\x04" * 100,
    ],
)
def test_anything_else_is_refused_whatever_its_name(content):
    with pytest.raises(UnsupportedType) as refused:
        media_type_of(io.BytesIO(content), "report.pdf")
    assert refused.value.code == "unsupported_file_type"


def test_a_table_of_contents_with_a_million_members_is_not_read():
    crowd = io.BytesIO(crowded_archive())
    tracemalloc.start()
    try:
        with pytest.raises(UnsupportedType, match="ZIP"):
            media_type_of(crowd, "report.docx")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5_000_000


def test_a_file_that_is_many_things_is_the_one_that_is_read():
    assert media_type_of(io.BytesIO(polyglot()), "page.html") == PDF


def test_a_protected_word_file_is_named_as_such():
    ole = b"\xd0\xcf\x11\xe0" + b"\0" * 2000 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 2000
    with pytest.raises(UnsupportedType) as refused:
        media_type_of(io.BytesIO(ole), "a.docx")
    assert refused.value.code == "document_encrypted"
