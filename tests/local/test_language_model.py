"""The built-in language model: small, but it speaks OpenAI's protocol and reads a passage in either language."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from madang.local.child import free_port
from madang.local.language_model import weights
from tests.local.deadline import until
from tests.local.test_embeddings import answers

ENGLISH = "The night ferry to Ulleung leaves Pohang at eight in the evening and costs 64,000 won."
KOREAN = "한들초등학교 도서관은 2011년에 문을 열었고, 책은 한 번에 세 권까지 빌릴 수 있다."
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    folder = os.environ.get("MADANG_MODELS_DIR") or str(tmp_path_factory.mktemp("models"))
    environment = {**os.environ, "MADANG_LOCAL_MODELS_PORT": str(port), "MADANG_MODELS_DIR": folder}
    with subprocess.Popen([sys.executable, "-P", "-m", "madang.local.language_model"], env=environment) as process:
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), 120)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def ask(url: str, text: str, **more: object) -> dict[str, Any]:
    body = {"model": "gemma3-270m", "messages": [{"role": "user", "content": text}], "stop": ["\n"], **more}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=200) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    ("passage", "question", "expected"),
    [
        (ENGLISH, "How much does the ferry cost?", "64,000"),
        (KOREAN, "도서관은 언제 문을 열었나?", "2011"),
    ],
)
def test_it_reads_the_answer_off_a_passage(url: str, passage: str, question: str, expected: str):
    answer = ask(url, f"Passage: {passage}\nQuestion: {question}", temperature=0)
    assert expected in answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] < 60


def test_it_greets_back_and_keeps_to_the_limit(url: str):
    answer = ask(url, "안녕하세요", max_tokens=8)
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["usage"]["completion_tokens"] <= 8


def test_a_system_message_alone_or_an_empty_one_breaks_nothing(url: str):
    body = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": ""}], "max_tokens": 8}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=200) as answer:
        assert json.load(answer)["choices"]


def test_parts_that_are_not_ours_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("madang.local.language_model.SHA256", "0" * 64)
    with pytest.raises(ValueError, match="Reinstall"):
        weights(tmp_path)
    assert list(tmp_path.iterdir()) == []
