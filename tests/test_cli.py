"""The command line: at once, and in plain words."""

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from madang import __version__
from madang.cli import main

HEAVY = {"fastapi", "starlette", "sqlalchemy", "celery", "langgraph", "langchain_core", "numpy", "pydantic", "redis"}


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from madang.cli import main;"
        "done = CliRunner().invoke(main, ['--help']); assert done.exit_code == 0, done.output;"
        "print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


def test_help_names_every_command_and_what_the_modules_bring():
    said = CliRunner().invoke(main, ["--help"]).output
    for name in ("up", "api", "worker", "scheduler", "migrate", "doctor", "version", "admin"):
        assert f"\n  {name} " in said


@pytest.mark.parametrize("arguments", [["--json"], []])
def test_the_version_is_told(arguments: list[str]):
    said = CliRunner().invoke(main, ["version", *arguments]).output
    assert (json.loads(said)["madang"] if arguments else said.split()[1]) == __version__


def test_an_unknown_command_is_refused():
    done = CliRunner().invoke(main, ["dance"])
    assert done.exit_code == 2
    assert "No such command" in done.output


def test_every_command_that_prints_data_takes_json():
    for name in ("version", "doctor"):
        command = main.commands[name]
        assert any(isinstance(option, click.Option) and "--json" in option.opts for option in command.params)
