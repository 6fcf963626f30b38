"""Every wrong setting is named before anything starts, with its reason and without its value."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from madang.catalog import installed
from madang.processes.checking import MADE_BY_UP, WrongSettingError, check_settings

WRONG = [
    ("MADANG_REGISTRATION", "maybe-secret"),
    ("MADANG_MAX_UPLOAD_MB", "secret"),
    ("MADANG_MAX_UPLOAD_MB", "-1"),
    ("MADANG_LOG_LEVEL", "secretly"),
    ("MADANG_STORAGE_URL", "ftp://secret"),
    ("MADANG_RUN_LEASE_SECONDS", "0"),
    ("MADANG_KNOWLEDGE_MAX_PAGES", "secret"),
    ("MADANG_CHAT_MAX_QUESTION_CHARS", "0"),
    ("MADANG_TIME_ZONE", "Mars/Base"),
    ("MADANG_MODEL_PRICES", "{secret"),
    ("MADANG_MODEL_PRICES", '{"openai/x": {"input": "secret"}}'),
    ("MADANG_OIDC_PROVIDERS", '[{"client_secret": "secret"}]'),
    ("MADANG_OLD_SECRET_KEYS", '["secret"]'),
    ("MADANG_DEFAULT_MODEL", "secret/bar"),
    ("MADANG_EMBEDDING_MODEL", "secret"),
    ("OPENAI_BASE_URL", "secret.example"),
    ("DATABASE_URL", "mysql://u:secret@127.0.0.1/x"),
    ("VALKEY_URL", "secret:6379"),
    ("MADANG_SMTP_URL", "mail:secret@example.org"),
]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("MADANG_", "OPENAI_", "DATABASE_", "VALKEY_", "GOOGLE_")):
            monkeypatch.delenv(name)


def test_nothing_set_is_well():
    check_settings(installed(), MADE_BY_UP)


@pytest.mark.parametrize("name", sorted({name for name, _ in WRONG}))
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(name, "")
    check_settings(installed(), MADE_BY_UP)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_one_is_named_with_its_reason_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSettingError) as caught:
        check_settings(installed(), MADE_BY_UP)
    said = str(caught.value)
    assert f" {name} " in said
    assert "secret" not in said.replace("MADANG_OLD_SECRET_KEYS", "").replace("client_secret", "")
    assert len(said) < 300


@pytest.mark.parametrize("process", ["api", "worker", "scheduler"])
def test_a_process_that_lacks_a_setting_ends_with_one_sentence(tmp_path: Path, process: str):
    command = [sys.executable, "-m", "madang.cli", process]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == "The setting DATABASE_URL is not acceptable: Field required.\n"


def test_up_starts_nothing_with_a_wrong_setting(tmp_path: Path):
    environment = {**os.environ, "MADANG_DATA_DIR": str(tmp_path / "data"), "MADANG_REGISTRATION": "maybe"}
    command = [sys.executable, "-m", "madang.cli", "up"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("The setting MADANG_REGISTRATION is not acceptable: ")
    assert not (tmp_path / "data").exists()
