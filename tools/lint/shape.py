"""The shape of the house: which files a feature holds, and how long a file may be."""

import json
from collections.abc import Iterator
from pathlib import Path

from tools.lint.tree import Finding, files, python_sources

WAYS_IN = ("module", "routes", "sockets", "jobs", "reactions", "tools", "cli", "public")
INNER = ("service", "access", "queries", "tables", "contracts", "settings")
FEATURE_FILES = (*WAYS_IN, *INNER)
WARN_LINES, FAIL_LINES, DOOR_LINES, KERNEL_LINES = 300, 500, 150, 3000
BASELINE = "tools/size_baseline.json"
MEASURED = (".py", ".ts", ".tsx", ".css")
GENERATED = ("web/src/kernel/api/schema", "web/src/kernel/schema")


def check(root: Path) -> Iterator[Finding]:
    """Names of files, their length, and the size of the kernel."""
    yield from names(root)
    yield from lengths(root)
    yield from kernel(root)


def names(root: Path) -> Iterator[Finding]:
    """A feature or product holds only files of the agreed names."""
    for source in python_sources(root, "src"):
        if source.package and source.role not in (*FEATURE_FILES, "__init__"):
            yield Finding(
                source.path,
                1,
                "feature-files",
                f"a feature holds only {', '.join(FEATURE_FILES)}; move this into one of them"
                " (service may become a package when it outgrows 500 lines)",
            )


def lengths(root: Path) -> Iterator[Finding]:
    """Long files warn, then fail; the baseline holds old sins at their size and only shrinks."""
    baseline = load_baseline(root)
    for path in files(root):
        if not path.endswith(MEASURED) or path.startswith(GENERATED):
            continue
        lines = (root / path).read_text().count("\n")
        limit = DOOR_LINES if path.endswith("/public.py") else FAIL_LINES
        allowed = baseline.pop(path, limit)
        if lines > max(limit, allowed):
            yield Finding(path, 1, "size", f"{lines} lines, {limit} are allowed; split it by what it does")
        elif allowed > limit and lines < allowed:
            message = f"{path} shrank to {lines} lines: lower its entry, or remove it at {limit} or fewer"
            yield Finding(BASELINE, 1, "size", message)
        elif lines > WARN_LINES and allowed <= limit:
            yield Finding(path, 1, "size", f"{lines} lines; think of splitting it before {limit}", "warning")
    for path in baseline:
        yield Finding(BASELINE, 1, "size", f"{path} is gone or short enough: remove its entry")


def load_baseline(root: Path) -> dict[str, int]:
    """Files that were too long when the rule came, and the length each may have at most."""
    path = root / BASELINE
    return dict(json.loads(path.read_text())) if path.exists() else {}


def kernel(root: Path) -> Iterator[Finding]:
    """The kernel stays small."""
    total = sum(source.text.count("\n") for source in python_sources(root, "src") if "/kernel/" in source.path)
    if total >= KERNEL_LINES:
        message = f"the kernel has {total} lines and must stay under {KERNEL_LINES}; move what one feature uses into it"
        yield Finding("src/madang/kernel", 1, "kernel-size", message)
