"""Each linter catches the sin it is for, and says the mend."""

from pathlib import Path

import pytest

from tools.lint.__main__ import run
from tools.lint.tree import Finding

FEATURE = "src/madang/features/tea"
GOOD = 'async def brew(tx, kind):\n    """Brew one cup."""\n    return await tx.scalar(select(Cup))\n'
TABLE = 'class Cup(Row):\n    __tablename__ = "cups"\n'


def plant(root: Path, path: str, text: str) -> list[Finding]:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return run(root)


def numbered(lines: int) -> str:
    return "x = 1\n" * lines


SINS = {
    "a commit in a service": ("one-commit", f"{FEATURE}/service.py", "await tx.commit()\n", "transaction(who)"),
    "a commit in another part of the kernel": (
        "one-commit",
        "src/madang/kernel/jobs.py",
        "tx.commit()\n",
        "kernel/db.py",
    ),
    "a select in routes": (
        "statements-at-home",
        f"{FEATURE}/routes.py",
        "from sqlalchemy import select\nquery = select(Cup)\n",
        "queries",
    ),
    "a renamed insert in a job": (
        "statements-at-home",
        f"{FEATURE}/jobs.py",
        "from sqlalchemy.dialects.postgresql import insert as put\nput(Cup)\n",
        "service",
    ),
    "another feature's table in SQL": (
        "own-tables",
        "src/madang/features/cake/service.py",
        'text("SELECT * FROM \\"user\\".cups")\n',
        "features/tea",
    ),
    "KEYS": ("no-key-walks", "src/madang/kernel/cache.py", 'await valkey.keys("tea:*")\n', "sorted set"),
    "KEYS as a raw command": (
        "no-key-walks",
        f"{FEATURE}/service.py",
        'v.execute_command("keys", "*")\n',
        "sorted set",
    ),
    "KEYS in a script": ("no-key-walks", f"{FEATURE}/service.py", "S = \"redis.call('KEYS', '*')\"\n", "sorted set"),
    "a SCAN without end": ("no-key-walks", f"{FEATURE}/service.py", 'valkey.scan_iter(match="a*")\n', "count"),
    "a file of 501 lines": ("size", f"{FEATURE}/service.py", numbered(501), "split it"),
    "a door of 151 lines": ("size", f"{FEATURE}/public.py", numbered(151), "split it"),
    "a web file of 501 lines": ("size", "web/src/features/tea/Cup.tsx", numbered(501), "split it"),
    "a fat kernel": ("kernel-size", "src/madang/kernel/everything.py", numbered(3000), "move"),
    "a file of another name": ("feature-files", f"{FEATURE}/utils.py", "x = 1\n", "move this"),
    "a folder of another name": ("feature-files", f"{FEATURE}/helpers/more.py", "x = 1\n", "move this"),
    "a bare noqa": ("ignores", f"{FEATURE}/service.py", "x = 1  # noqa\n", "its reason"),
    "a noqa without reason": ("ignores", f"{FEATURE}/service.py", "x = 1  # noqa: E501\n", "its reason"),
    "a type ignore without code": ("ignores", "src/a.py", "x = 1  # type: ignore  # they are untyped\n", "its code"),
    "a pyright ignore without reason": ("ignores", "src/a.py", "x = 1  # pyright: ignore[reportAny]\n", "its reason"),
    "a file-wide noqa": ("ignores", "tests/a.py", "# ruff: noqa\n", "its code"),
    "an eslint-disable without reason": ("ignores", "web/src/a.ts", "// eslint-disable-next-line no-alert\n", "reason"),
    "an eslint-disable of everything": ("ignores", "web/src/a.ts", "/* eslint-disable */\n", "rule"),
    "a ts-ignore": ("ignores", "web/src/a.ts", "// @ts-ignore it is fine, really\n", "expect-error"),
    "a path of one machine": ("own-words", "docs/a.md", "see " + "/ro" + "ot/notes.md\n", "relative path"),
    "a folder outside": ("own-words", "README.md", "see ../sha" + "red/notes.md\n", "outside"),
    "a package registry": (
        "own-words",
        "deploy/a.sh",
        "pip install -i https://py" + "pi.example.org/simple x\n",
        "registry",
    ),
    "a setting without words": (
        "documented",
        f"{FEATURE}/settings.py",
        "class Tea(BaseSettings):\n    cups: int = Field(default=1)\n",
        "description",
    ),
    "a command without words": (
        "documented",
        f"{FEATURE}/cli.py",
        "@group.command()\ndef brew():\n    pass\n",
        "docstring",
    ),
    "an option without words": (
        "documented",
        f"{FEATURE}/cli.py",
        '@click.option("--cups")\ndef brew():\n    """Brew."""\n',
        "help=",
    ),
    "a plug without words": (
        "documented",
        "src/madang/kernel/module.py",
        "class Module:\n    def pots(self):\n        return ()\n",
        "docstring",
    ),
}


@pytest.mark.parametrize("sin", SINS)
def test_sin_is_caught_with_its_mend(sin: str, tmp_path: Path) -> None:
    rule, path, text, mend = SINS[sin]
    plant(tmp_path, f"{FEATURE}/tables.py", TABLE)
    findings = plant(tmp_path, path, text)
    caught = [finding for finding in findings if finding.level == "error" and finding.rule == rule]
    assert caught, findings
    assert all(mend in finding.message for finding in caught)


GOOD_CODE = {
    "statements at home": (f"{FEATURE}/queries.py", "from sqlalchemy import select\nselect(Cup)\n"),
    "a service that became a package": (
        f"{FEATURE}/service/brewing.py",
        "from sqlalchemy import select\nselect(Cup)\n",
    ),
    "a dictionary's keys": (f"{FEATURE}/service.py", "x.keys()\n"),
    "a bounded scan": (f"{FEATURE}/service.py", 'valkey.scan(match="a", count=10)\n'),
    "an ignore that explains itself": ("src/a.py", "x = 1  # noqa: E501  # the address is that long\n"),
    "two ignores that explain themselves": (
        "src/a.py",
        "x = 1  # type: ignore[misc]  # pyright: ignore[reportAny]  # their stubs are wrong\n",
    ),
    "an explained web ignore": ("web/src/a.ts", "// eslint-disable-next-line a/b -- the list never changes\n"),
    "a word that holds a word": ("README.md", "time-shared/space-shared, and work/root\n"),
}


@pytest.mark.parametrize("case", GOOD_CODE)
def test_good_code_passes(case: str, tmp_path: Path) -> None:
    assert plant(tmp_path, *GOOD_CODE[case]) == []


def test_a_long_file_warns_before_it_fails(tmp_path: Path) -> None:
    (finding,) = plant(tmp_path, f"{FEATURE}/service.py", numbered(301))
    assert (finding.rule, finding.level) == ("size", "warning")


@pytest.mark.parametrize(
    ("lines", "held", "caught"),
    [(600, 600, False), (601, 600, True), (599, 600, True), (400, 600, True)],
    ids=["as long as ever", "grown", "shrunk, entry too high", "short, entry needless"],
)
def test_the_size_baseline_only_shrinks(lines: int, held: int, caught: bool, tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/size_baseline.json").write_text(f'{{"{FEATURE}/service.py": {held}}}')
    findings = plant(tmp_path, f"{FEATURE}/service.py", numbered(lines))
    assert any(finding.level == "error" for finding in findings) is caught


def test_an_entry_for_a_file_that_is_gone_is_caught(tmp_path: Path) -> None:
    (finding,) = plant(tmp_path, "tools/size_baseline.json", '{"src/gone.py": 900}')
    assert "remove its entry" in finding.message


def test_this_repository_is_clean() -> None:
    findings = run(Path(__file__).parents[2])
    assert [str(finding) for finding in findings if finding.level == "error"] == []
