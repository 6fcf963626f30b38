"""Uploads over real sockets: cut off, with lengths that lie, without an end, many at once and twice the same."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import monotonic
from urllib.parse import urlsplit

import httpx
import pytest

from madang.features.files import settings as file_settings
from madang.features.files.service import uploads
from madang.features.knowledge import routes
from tests.api.conftest import PATIENCE_SECONDS, Live

HEAD = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
TAIL = b"\r\n--XX--\r\n"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing larger than a megabyte is taken."""
    limit = file_settings.FileSettings(max_upload_mb=1)
    monkeypatch.setattr(uploads, "load", lambda: limit)
    monkeypatch.setattr(routes, "file_settings", lambda: limit)


def speak(live: Live, token: str, headers: bytes, pieces: Iterator[bytes], *, hang_up: bool = False) -> bytes:
    """What the server says to a request of these very bytes; b"" when the client hung up before."""
    address = urlsplit(live.url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS) as line:
        line.sendall(
            b"POST /api/v1/documents/ HTTP/1.1\r\nHost: madang.test\r\nConnection: close\r\n"
            b"Content-Type: multipart/form-data; boundary=XX\r\nAuthorization: Bearer " + token.encode() + b"\r\n"
            + headers + b"\r\n\r\n"
        )  # fmt: skip
        try:
            for piece in pieces:
                line.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has said enough
        if hang_up:
            return b""
        said = b""
        try:
            while more := line.recv(65_536):
                said += more
        except ConnectionResetError:
            pass
        return said


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def refused(said: bytes) -> tuple[int, str]:
    """The status and the code of a problem."""
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["code"]


def documents(live: Live, token: str) -> list[dict[str, object]]:
    with live.client(token) as person:
        return list(person.get("/api/v1/documents/").json()["items"])


def test_a_length_that_promises_less_than_comes_ends_the_file_too_early(live: Live, supervisor: str):
    body = HEAD + b"x" * 500 + TAIL
    said = speak(live, supervisor, b"Content-Length: 300", iter([body]))
    assert refused(said) == (400, "upload_cut_off")
    assert documents(live, supervisor) == []


@pytest.mark.parametrize("length", [b"-5", b"1e3", b"99999999999999999999", b"0x10", b"5, 6"])
def test_a_length_that_is_none_is_refused(live: Live, supervisor: str, length: bytes):
    said = speak(live, supervisor, b"Content-Length: " + length, iter([HEAD + b"x" + TAIL]))
    assert int(said.split()[1]) in {400, 413}
    assert documents(live, supervisor) == []


def test_who_hangs_up_leaves_nothing_and_hurts_nobody(live: Live, supervisor: str):
    for _ in range(5):
        speak(live, supervisor, b"Content-Length: 900000", iter([HEAD + b"x" * 100_000]), hang_up=True)
    assert documents(live, supervisor) == []
    with live.client() as visitor:
        assert visitor.get("/health/live").status_code == 200


def test_chunks_without_an_end_are_stopped_at_the_limit(live: Live, supervisor: str):
    began = monotonic()

    def endless() -> Iterator[bytes]:
        yield chunk(HEAD)
        while monotonic() - began < PATIENCE_SECONDS:
            yield chunk(b"x" * 65_536)

    said = speak(live, supervisor, b"Transfer-Encoding: chunked", endless())
    assert monotonic() - began < PATIENCE_SECONDS
    if said:  # the server may have hung up on one who goes on talking
        assert refused(said) == (413, "file_too_large")
    assert documents(live, supervisor) == []


def test_chunks_that_stop_in_the_middle_are_named(live: Live, supervisor: str):
    said = speak(live, supervisor, b"Transfer-Encoding: chunked", iter([chunk(HEAD + b"x" * 99), b"0\r\n\r\n"]))
    assert refused(said) == (400, "upload_cut_off")


def test_a_broken_chunk_is_refused(live: Live, supervisor: str):
    said = speak(live, supervisor, b"Transfer-Encoding: chunked", iter([chunk(HEAD), b"zz\r\nnonsense\r\n"]))
    assert not said or int(said.split()[1]) == 400
    assert documents(live, supervisor) == []


def test_twenty_at_once_are_all_taken(live: Live, supervisor: str):
    def send(number: int) -> httpx.Response:
        with live.client(supervisor) as person:
            file = (f"{number}.txt", f"마당 {number} ".encode() * 20_000, "text/plain")
            return person.post("/api/v1/documents/", files={"file": file})

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(send, range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 20


def test_the_same_file_at_the_same_moment_is_one_document_of_each_person(live: Live, supervisor: str):
    other = live.join()
    together = Barrier(8)

    def send(token: str) -> tuple[str, str, bool]:
        with live.client(token) as person:
            person.get("/api/v1/auth/me")
            together.wait(PATIENCE_SECONDS)
            answer = person.post("/api/v1/documents/", files={"file": ("a.txt", b"the same " * 9_000, "text/plain")})
        assert answer.status_code == 202, answer.text
        return token, answer.json()["id"], answer.json()["duplicate"]

    with ThreadPoolExecutor(8) as threads:
        sent = list(threads.map(send, [supervisor, other] * 4))
    for token in (supervisor, other):
        mine = [(document_id, duplicate) for owner, document_id, duplicate in sent if owner == token]
        assert len({document_id for document_id, _ in mine}) == 1
        assert sorted(duplicate for _, duplicate in mine) == [False, True, True, True]
        assert [document["id"] for document in documents(live, token)] == [mine[0][0]]
    assert len({document_id for _, document_id, _ in sent}) == 2
