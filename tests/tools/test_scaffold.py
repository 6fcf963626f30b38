"""A new feature passes every linter before anyone has touched it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.lint.__main__ import run
from tools.scaffold import CATALOGUES, ScaffoldError, scaffold

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The source of the house, to build in."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "static"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "tests").mkdir()
    shutil.copytree(ROOT / CATALOGUES, tmp_path / CATALOGUES)
    return tmp_path


def said(copy: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=copy, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("group", ["features", "products"])
def test_a_new_feature_passes_the_linters(group: str, copy: Path) -> None:
    before = {str(finding) for finding in run(copy)}
    made = scaffold(copy, "question_bank", group=group)
    assert {str(finding) for finding in run(copy)} <= before
    assert said(copy, "-m", "ruff", "check", "--no-cache", *map(str, made)) == ""
    assert said(copy, "-m", "ruff", "format", "--check", "--no-cache", *map(str, made)) == ""
    assert said(copy, "-c", "from importlinter.cli import lint_imports as l; raise SystemExit(l(no_cache=True))") == ""


def test_a_new_feature_is_typed(copy: Path) -> None:
    made = scaffold(copy, "question_bank")
    source = [str(path) for path in made if "src/madang/features" in str(path)]
    found = said(copy, "-m", "mypy", "--cache-dir", str(ROOT / ".mypy_cache/scaffold"), *source)
    assert [line for line in found.splitlines() if "question_bank" in line and "error" in line] == []


def test_what_a_new_feature_refuses_has_words_on_every_screen(copy: Path) -> None:
    made = scaffold(copy, "question_bank")
    (code,) = re.findall(r'NotFound\("(\w+)"', "".join(path.read_text() for path in made))
    for language in ("en", "ko"):
        was, now = (json.loads((root / CATALOGUES / f"{language}.json").read_text())["errors"] for root in (ROOT, copy))
        assert now.keys() - was.keys() == {code}
        assert now | was == now, "the others are as they were"


def test_the_migration_follows_the_last(copy: Path) -> None:
    last = max(path.stem for path in (copy / "src/madang/migrations/versions").glob("[0-9]*.py"))
    (made,) = [path for path in scaffold(copy, "question_bank") if "migrations" in str(path)]
    assert made.stem == f"{int(last[:4]) + 1:04d}_question_bank"
    assert f'down_revision = "{last}"' in made.read_text()


def test_a_new_feature_works(copy: Path) -> None:
    """Its own tests pass on a database that its own migration has made."""
    scaffold(copy, "question_bank")
    shutil.copytree(ROOT / "tests", copy / "tests", dirs_exist_ok=True)
    shutil.copytree(ROOT / "tools", copy / "tools")
    environment = os.environ | {"PYTHONPATH": f"{copy / 'src'}:{copy}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-n0", "tests/features/question_bank"]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    "name", ["QuestionBank", "question-bank", "2nd", "", "chat/../x", "accounts", "class", "import"]
)
def test_a_bad_or_taken_name_is_refused(name: str, copy: Path) -> None:
    before = sorted(copy.rglob("*"))
    with pytest.raises(ScaffoldError):
        scaffold(copy, name)
    assert sorted(copy.rglob("*")) == before
