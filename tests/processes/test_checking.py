"""Every wrong setting is named before anything starts, with its reason and without its value."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import madang
from madang.catalog import installed
from madang.kernel.settings import Settings
from madang.local.setting_words import REASONS
from madang.local.settings import LocalSettings
from madang.processes.checking import MADE_BY_UP, WrongSettingError, _kinds, check_settings, read, variable_of

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
    ("MADANG_SMTP_URL", "smtp://u:secret@mail.example?starttls=secretly"),
    ("MADANG_TRUSTED_PROXIES", "10.0.0.0/8, secret"),
    ("MADANG_TRUSTED_PROXIES", '["10.0.0.1", secret'),
    ("MADANG_MAX_CONNECTIONS", "1"),
    ("MADANG_SETUP_TOKEN", "secret"),
    ("MADANG_PUBLIC_URL", "secret.example"),
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


def every_setting() -> Iterator[tuple[type[BaseSettings], str, FieldInfo]]:
    for kind in (Settings, LocalSettings, *(one for module in installed() for one in _kinds(module))):
        for name, field in kind.model_fields.items():
            yield kind, name, field


NONSENSE = (
    "x",
    "-1",
    "1.5",
    "10000000000000000000000",
    "nan",
    "inf",
    "[]",
    "{}",
    '["x"]',
    '[{"name": 1}]',
    "[[]]",
    '{"x": 1}',
    '{"x": {"input": -1}}',
    '{"x": {"input": 1.5, "y": 1}}',
    "[" + "1," * 300 + "1]",
    "\udcff",
    "x" * 5000,
    '[{"name":"a","label":"a","issuer":"a","client_id":"a","memberships":[{"group":"g","scope_id":"x","role":"y"}]}]',
)


def test_whatever_is_wrong_with_any_setting_is_said_in_korean(monkeypatch: pytest.MonkeyPatch):
    """Every error that a setting can have has words of its own, and none shows what was given."""
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    met = 0
    for kind, name, field in every_setting():
        variable = variable_of(kind, name)
        for value in NONSENSE:
            monkeypatch.setenv(variable, value)
            others = {one: "x" * 40 for one, its in kind.model_fields.items() if its.is_required() and one != name}
            try:
                read(kind, **others)
            except WrongSettingError as error:
                met += 1
                said = str(error)
                assert said.startswith(f"설정 {variable}"), said
                assert "알맞지 않은 값입니다" not in said, f"{said} ({field})"
                assert re.search("[가-힣]", said.partition(": ")[2]), said
        monkeypatch.delenv(variable)
    assert met > 500


def test_whatever_settings_raise_themselves_has_words():
    raised = {
        found
        for file in Path(madang.__file__).parent.rglob("settings.py")
        for found in re.findall(r'PydanticCustomError\(\s*"(\w+)"', file.read_text())
    }
    assert raised
    assert raised <= set(REASONS)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MADANG_SECRET_KEY", "short", "설정 MADANG_SECRET_KEY의 값을 쓸 수 없습니다: 32자 이상이어야 합니다."),
        ("MADANG_PORT", "70000", "설정 MADANG_PORT의 값을 쓸 수 없습니다: 65535 이하여야 합니다."),
        (
            "MADANG_REGISTRATION",
            "maybe",
            "설정 MADANG_REGISTRATION의 값을 쓸 수 없습니다: 다음 가운데 하나여야 합니다: 'open', 'invite', 'closed'.",
        ),
        (
            "MADANG_PUBLIC_URL",
            "example.org",
            "설정 MADANG_PUBLIC_URL의 값을 쓸 수 없습니다: 다음과 같은 형식이어야 합니다: https://madang.example.org.",
        ),
    ],
)
def test_in_korean_one_reads_what_is_allowed(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str):
    monkeypatch.setenv("MADANG_LANG", "ko")
    monkeypatch.setenv(name, value)
    given = {its: value for its, value in MADE_BY_UP.items() if variable_of(Settings, its) != name}
    with pytest.raises(WrongSettingError) as caught:
        check_settings(installed(), given)
    assert str(caught.value) == said


@pytest.mark.parametrize("process", ["api", "worker", "scheduler"])
def test_a_process_that_lacks_a_setting_ends_with_one_sentence(tmp_path: Path, process: str):
    command = [sys.executable, "-m", "madang.cli", process]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == "The setting DATABASE_URL is not acceptable: it must be set.\n"


def test_up_starts_nothing_with_a_wrong_setting(tmp_path: Path):
    environment = {**os.environ, "MADANG_DATA_DIR": str(tmp_path / "data"), "MADANG_REGISTRATION": "maybe"}
    command = [sys.executable, "-m", "madang.cli", "up"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("The setting MADANG_REGISTRATION is not acceptable: ")
    assert not (tmp_path / "data").exists()
