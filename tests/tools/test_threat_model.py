"""The threat model names tests that exist, a test for every wall, and every attack of tests/attacks."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "docs" / "guides" / "threat-model.md"


def named(page: str) -> set[str]:
    """The tests that a page names, as code."""
    return set(re.findall(r"`(test_\w+)`", page))


def every_test() -> Iterator[tuple[str, Path]]:
    """Every test function and its file."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name, path


def test_every_test_that_the_threat_model_names_exists() -> None:
    said = named(MODEL.read_text())
    assert len(said) > 50
    assert said - {name for name, _ in every_test()} == set()


def test_every_wall_of_the_threat_model_has_a_test() -> None:
    rows = [line for line in MODEL.read_text().splitlines() if line.startswith("|") and not line.startswith("| ---")]
    bare = [line for line in rows if not named(line) and line.split("|")[1].strip() not in {"wants", "slip"}]
    assert bare == []


def test_every_attack_on_the_walls_between_people_stands_in_the_threat_model() -> None:
    there = {name for name, path in every_test() if path.parent.name == "attacks" and name.startswith("test_attack_")}
    assert there - named(MODEL.read_text()) == set()


def test_a_test_that_is_no_more_would_be_found() -> None:
    assert named("`test_that_was_renamed`, `tests/attacks/`, test_in_prose") == {"test_that_was_renamed"}
