"""What is generated is as the code says, and what is written by hand names only what there is."""

import re
import sys
from pathlib import Path
from subprocess import run

import pytest

from tools import reference

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"`((?:MADANG|OPENAI|DATABASE|VALKEY)_[A-Z_]+)`")


def test_nothing_generated_is_stale() -> None:
    """In a process of its own: click keeps in each command how its help was first asked for."""
    command = [sys.executable, "-m", "tools.reference", "--check"]
    done = run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readme_names_only_settings_that_there_are(name: str) -> None:
    named = set(VARIABLE.findall((ROOT / name).read_text()))
    known = set(VARIABLE.findall(reference.settings()))
    assert named
    assert named <= known, f"unknown in {name}: {named - known}"


def test_both_readmes_name_the_same_settings() -> None:
    english, korean = (set(VARIABLE.findall((ROOT / name).read_text())) for name in ("README.md", "README.ko.md"))
    assert english == korean


def test_an_undocumented_setting_would_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page follows the code: a setting that appears makes it stale."""
    before = reference.settings()
    monkeypatch.setattr(reference, "row", lambda *_: "| `MADANG_NEW` | | |\n")
    assert reference.settings() != before


def test_a_decision_says_its_number_and_itself() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert decisions
    assert [page.stem for page in decisions if not re.match(rf"# {page.stem[:4]}\. \S", page.read_text())] == []
