"""Names of files cannot hurt anyone."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.features.files.service.names import MAX_NAME, disposition, safe_name


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\약관.docx", "약관.docx"),
        ("/abs/path.txt", "path.txt"),
        ("a\r\nContent-Type: html\x00.txt", "aContent-Type_ html.txt"),
        ("  .. ", "file"),
        ("", "file"),
        (None, "file"),
        ("...", "file"),
        ('re"port".pdf', "re_port_.pdf"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        (unicodedata.normalize("NFD", "한글 문서.txt"), "한글 문서.txt"),
        ("한" * 500 + ".pdf", "한" * (MAX_NAME - 4) + ".pdf"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("C:\\aux .tar.gz", "_aux .tar.gz"),
        ("com1.pdf", "_com1.pdf"),
        ("LPT².md", "_LPT².md"),
        ("console.txt", "console.txt"),
        ("com10.txt", "com10.txt"),
        ("..\\..//%2e%2e\x00/etc\\shadow", "shadow"),
        ("👩‍👩‍👧 가족.pdf", "👩👩👧 가족.pdf"),
        ("🏡" * 10_000, "🏡" * MAX_NAME),
        ("\u202e\u2066\u200f\ufeff", "file"),
        ("a" * (MAX_NAME - 1) + " b.x", "a" * (MAX_NAME - 2) + ".x"),
    ],
)
def test_known_tricks(given_name, kept):
    assert safe_name(given_name) == kept


@given(st.text())
def test_any_name_becomes_a_plain_one(name):
    safe = safe_name(name)
    assert 0 < len(safe) <= MAX_NAME
    assert not set(safe) & set('/\\<>:"|?*')
    assert unicodedata.is_normalized("NFC", safe)
    assert all(unicodedata.category(char)[0] != "C" for char in safe)
    assert safe_name(safe) == safe
    assert safe == safe.strip(" .")


@given(st.text())
def test_a_disposition_is_one_ascii_header(name):
    header = disposition(safe_name(name))
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert header.startswith("attachment; ")
