"""The files that the linters read, and what a linter says about one."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

CODE_FOLDERS = ("src", "tests", "tools", "bench")
PACKAGES = ("features", "products")
CACHES = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".import_linter_cache"}
SKIPPED = {".git", ".venv", "node_modules", ".madang", "dist", "static", "test-results", *CACHES}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is not as it should be; `message` says the mend."""

    path: str
    line: int
    rule: str
    message: str
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """As editors and terminals link it: `path:line: rule: message`."""
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path inside the repository, its text and its syntax tree."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The parsed file; raises SyntaxError when it is not Python."""
        return parse(self.text)

    @property
    def package(self) -> str | None:
        """The feature or product that the file belongs to, as `features/chat`; None outside of them."""
        parts = self.path.split("/")
        if len(parts) > 4 and parts[:2] == ["src", "madang"] and parts[2] in PACKAGES:
            return f"{parts[2]}/{parts[3]}"
        return None

    @property
    def role(self) -> str:
        """The file's part in its feature (`routes`, `service`, …); a file of the package `service` is `service`."""
        parts = self.path.split("/")
        return parts[4].removesuffix(".py") if self.package else parts[-1].removesuffix(".py")


@cache
def parse(text: str) -> ast.Module:
    """A syntax tree, parsed once however many linters read it."""
    return ast.parse(text)


def python_sources(root: Path, *folders: str) -> Iterator[Source]:
    """Every Python file under the folders (all folders of code if none are named), in order of path."""
    for path in files(root):
        if path.endswith(".py") and path.split("/")[0] in (folders or CODE_FOLDERS):
            yield Source(path, (root / path).read_text())


def files(root: Path) -> tuple[str, ...]:
    """Paths inside the repository of all files that belong to it: tracked, or new and not ignored."""
    if (root / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]  # whichever git there is
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.splitlines()
        return tuple(sorted(path for path in set(listed) if (root / path).is_file()))
    walked = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return tuple(sorted(str(path) for path in walked if not any(map(_is_left_behind, path.parts))))


def _is_left_behind(part: str) -> bool:
    """Whether tools make a folder of this name, so that nothing in it belongs to the repository."""
    return part in SKIPPED or part.endswith(".egg-info")
