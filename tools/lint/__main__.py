"""Run every repository linter: `python -m tools.lint [FOLDER]`. Exits 1 when one finds an error."""

import sys
from pathlib import Path

from tools.lint import database, documented, shape, words
from tools.lint.tree import Finding

LINTERS = (database.check, shape.check, words.check, documented.check)


def run(root: Path) -> list[Finding]:
    """All findings in the repository, in order of path."""
    return sorted(finding for check in LINTERS for finding in check(root))


def main() -> int:
    """Print what was found; 1 when any of it is an error."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()
    findings = run(root.resolve())
    for finding in findings:
        print(f"{'warning: ' if finding.level == 'warning' else ''}{finding}")
    errors = sum(finding.level == "error" for finding in findings)
    print(f"tools.lint: {errors} to mend, {len(findings) - errors} to think about")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
