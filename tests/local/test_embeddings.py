"""The built-in embeddings: near things are near, questions overtake uploads, nonsense gets a clear answer."""

import base64
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from madang.local.child import free_port
from tests.local.deadline import until

PASSAGE = "경복궁은 1395년에 세워진 조선의 으뜸 궁궐이다. 근정전은 나라의 큰 행사를 치르던 곳이다. " * 4


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    port = free_port()
    environment = {**os.environ, "MADANG_LOCAL_EMBEDDINGS_PORT": str(port)}
    with subprocess.Popen([sys.executable, "-P", "-m", "madang.local.embeddings"], env=environment) as process:
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), 60)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def post(url: str, body: object) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/v1/embeddings", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=100) as answer:
        return json.load(answer)


def embed(url: str, *texts: str, **more: object) -> list[list[float]]:
    return [entry["embedding"] for entry in post(url, {"input": list(texts), **more})["data"]]


def likeness(one: list[float], other: list[float]) -> float:
    return sum(left * right for left, right in zip(one, other, strict=True))


def test_a_question_is_nearest_to_its_answer_in_either_language(url: str):
    (question,) = embed(url, "query: 경복궁은 언제 세워졌나?")
    palace, english, ferry = embed(
        url,
        "passage: 경복궁은 1395년에 세워졌다.",
        "passage: Gyeongbokgung Palace was built in 1395.",
        "passage: The ferry leaves for the island twice a day.",
    )
    assert len(question) == 384
    assert likeness(question, question) == pytest.approx(1, abs=1e-3)
    assert likeness(question, palace) > likeness(question, ferry)
    assert likeness(question, english) > likeness(question, ferry)


def test_the_prefix_and_the_field_say_the_same_and_base64_holds_the_same_numbers(url: str):
    (by_prefix,) = embed(url, "query: 서울의 궁궐")
    (by_field,) = embed(url, "서울의 궁궐", kind="query")
    coded = post(url, {"input": "서울의 궁궐", "kind": "query", "encoding_format": "base64"})["data"][0]["embedding"]
    assert by_prefix == by_field
    assert list(struct.unpack("<384f", base64.b64decode(coded))) == pytest.approx(by_field, abs=1e-6)


def test_questions_do_not_wait_behind_an_upload(url: str):
    upload = threading.Thread(target=embed, args=(url, *[PASSAGE] * 40))
    upload.start()
    until(lambda: waiting(url)["passages"])
    started = time.monotonic()
    asked = 0
    while waiting(url)["passages"] and asked < 3:
        embed(url, f"query: 질문 {asked}")
        asked += 1
    took = time.monotonic() - started
    still_busy = bool(waiting(url)["passages"])
    upload.join()
    assert asked == 3
    assert still_busy, f"three questions took {took:.1f} s, as long as the whole upload"


def waiting(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/health", timeout=20) as answer:
        return json.load(answer)["waiting"]


def test_what_nobody_waits_for_any_more_is_dropped(url: str):
    with pytest.raises(TimeoutError):
        give_up(url)
    until(lambda: waiting(url) == {"queries": 0, "passages": 0}, 30)


def give_up(url: str) -> None:
    body = json.dumps({"input": [PASSAGE] * 400}).encode()
    request = urllib.request.Request(f"{url}/v1/embeddings", body)
    with urllib.request.urlopen(request, timeout=1) as answer:
        answer.read()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b"\xff\xfe", 400),
        ({"input": []}, 400),
        ({"input": ["text"] * 1025}, 400),
        ({"input": 5}, 400),
        ({"input": "text", "kind": "poem"}, 400),
        ({"input": "text", "model": "text-embedding-3-large"}, 404),
        (b"x" * 8_500_000, 413),
    ],
)
def test_nonsense_gets_a_clear_answer(url: str, body: object, status: int):
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(url, body)
    error = json.load(caught.value)["error"]
    assert caught.value.code == status
    assert error["code"]
    assert error["message"]


def test_strange_texts_have_vectors_all_the_same(url: str):
    vectors = embed(url, "", " ", "\0", "🙂" * 300, "가" * 700)
    assert all(len(vector) == 384 for vector in vectors)
    assert likeness(vectors[-1], vectors[-1]) == pytest.approx(1, abs=1e-3)


def test_an_unknown_path_says_what_there_is(url: str):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}/v1/chat", timeout=5)
    assert "/v1/embeddings" in json.load(caught.value)["error"]["message"]
