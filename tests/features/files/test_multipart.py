"""Forms arrive in any pieces, broken or hostile, and are never held whole."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.features.files.service.multipart import read_upload
from madang.kernel.errors import BadRequest, Invalid

KIND = "multipart/form-data; boundary=XX"


def form(content, *, name="file", filename="a.txt", before=b""):
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'.encode()
    return b"%s--XX\r\n%sContent-Type: text/html\r\n\r\n%s\r\n--XX--\r\n" % (before, head, content)


async def pieces(body, sizes):
    position = 0
    while position < len(body):
        size = next(sizes)
        yield body[position : position + size]
        position += size


def read(body, sizes=(7,), kind=KIND):
    def forever():
        while True:
            yield from sizes

    async def run():
        upload = await read_upload(kind, pieces(body, forever()))
        return upload.filename, b"".join([piece async for piece in upload.content])

    return asyncio.run(run())


@given(st.binary(max_size=2000), st.lists(st.integers(1, 90), min_size=1, max_size=5))
def test_any_content_in_any_pieces_comes_out_as_it_was(content, sizes):
    assert read(form(content), sizes) == ("a.txt", content)


def test_other_parts_are_passed_over():
    before = b'--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    assert read(form(b"text", before=before)) == ("a.txt", b"text")


@pytest.mark.parametrize(
    "written",
    [
        b"filename*=UTF-8''%ED%95%9C%EA%B8%80.txt",
        b"filename*=utf-8'ko'%ED%95%9C%EA%B8%80.txt",
        b"filename=\"__.txt\"; filename*=UTF-8''%ED%95%9C%EA%B8%80.txt",
    ],
)
def test_a_name_as_older_clients_write_it_is_read(written):
    whole = form(b"x", filename="NAME").replace(b'filename="NAME"', written)
    assert read(whole) == ("한글.txt", b"x")


def test_a_very_long_name_is_taken_whole():
    assert read(form(b"x", filename="마" * 5000 + ".txt"), sizes=(900,)) == ("마" * 5000 + ".txt", b"x")


def test_a_korean_name_survives():
    assert read(form(b"x", filename="이용 약관.pdf"))[0] == "이용 약관.pdf"


@pytest.mark.parametrize("kind", [None, "", "text/plain", "multipart/form-data", "multipart/form-data; boundary="])
def test_what_is_no_form_is_refused(kind):
    with pytest.raises(BadRequest, match="form_malformed"):
        read(form(b"x"), kind=kind)


@pytest.mark.parametrize("body", [b"nonsense" * 50, b"--XX\r\n\x00\x01:\r\n\r\n", b"--XX\r\n" + b"A" * 100_000])
def test_a_broken_form_is_refused(body):
    with pytest.raises((BadRequest, Invalid)):
        read(body, (1000,))


@pytest.mark.parametrize("body", [b"", b"--XX--\r\n", form(b"x", name="photo")])
def test_a_form_without_the_file_says_so(body):
    with pytest.raises(Invalid, match="file_missing"):
        read(body)


@given(st.integers(1, 20))
def test_a_form_cut_off_in_the_file_is_refused(missing):
    body = form(b"z" * 300)
    with pytest.raises(BadRequest, match="upload_cut_off"):
        read(body[: -missing - 9])


@pytest.mark.parametrize(
    "piece",
    [
        b'--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\n\r\n',
        b"--XX\r\nX-Much: " + b"y" * 3000 + b"\r\n\r\n\r\n",
        b"--XX\r\n" + b"A: b\r\n" * 500,
        b"--XX\r\nA: " + b"b" * 5000,
    ],
    ids=["parts", "headers of parts", "headers", "a header"],
)
def test_a_form_that_never_comes_to_its_file_is_not_read_to_its_end(piece):
    taken = 0

    async def endless():
        nonlocal taken
        while taken < 50_000_000:
            taken += len(piece)
            yield piece

    with pytest.raises(BadRequest, match="form_malformed"):
        asyncio.run(read_upload(KIND, endless()))
    assert taken < 200_000


def test_what_comes_after_the_file_is_not_taken_for_it():
    second = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="b.txt"\r\n\r\nother\r\n'
    body = form(b"first").replace(b"--XX--", second + b"--XX--")
    assert read(body) == ("a.txt", b"first")
