"""The general linter is set up to catch what the rules of this house forbid."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOC = '"""One planted sin."""\n\n'
BRANCHES = "".join(f"    if a == {n}:\n        b += {n}\n" for n in range(8))
STEPS = "".join(f"    a += {n}\n" for n in range(31))
SINS = {
    "HTTPException from FastAPI": (
        "TID251",
        "service.py",
        "from fastapi import HTTPException\n\nraise HTTPException(400)\n",
    ),
    "HTTPException from Starlette": (
        "TID251",
        "routes.py",
        "from starlette.exceptions import HTTPException\n\nraise HTTPException(400)\n",
    ),
    "a bare task": ("TID251", "service.py", "import asyncio\n\n\nTASK = asyncio.create_task(None)\n"),
    "nine ways through a function": (
        "C901",
        "service.py",
        f'def f(a: int, b: int) -> int:\n    """F."""\n{BRANCHES}    return b\n',
    ),
    "31 statements": ("PLR0915", "service.py", f'def f(a: int) -> int:\n    """F."""\n{STEPS}    return a\n'),
    "an import inside a function": (
        "PLC0415",
        "service.py",
        'def f() -> None:\n    """F."""\n    import json\n\n    json.dumps(1)\n',
    ),
    "an import from next door": ("TID252", "service.py", "from . import tables\n\ntables.Cup()\n"),
    "a blanket type ignore": ("PGH003", "service.py", "X = 1  # type: ignore\n"),
    "a note to do it later": ("FIX002", "service.py", "# TO" + "DO: brew\n"),
    "SQL put together from text": (
        "S608",
        "queries.py",
        'def f(name: str) -> str:\n    """F."""\n    return f"SELECT * FROM {name}"\n',
    ),
    "a public function without words": ("D103", "service.py", "def f() -> None:\n    return None\n"),
}


def caught(file: str, text: str) -> str:
    path = ROOT / "src/madang/features/planted" / file
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--output-format=concise",
        "--no-cache",
        f"--stdin-filename={path}",
        "-",
    ]
    return subprocess.run(command, cwd=ROOT, input=DOC + text, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("sin", SINS)
def test_sin_is_caught(sin: str) -> None:
    code, file, text = SINS[sin]
    assert f" {code} " in caught(file, text)


def test_module_py_may_import_late() -> None:
    _, _, text = SINS["an import inside a function"]
    assert "PLC0415" not in caught("module.py", text)
