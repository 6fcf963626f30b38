"""Each import contract catches a planted violation of its kind, and none cries wolf."""

import os
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

HOUSE = {
    "cli": "import madang.processes",
    "processes/api": "import madang.catalog\nimport madang.adapters.opening",
    "catalog": "import madang.features.chat.module\nimport madang.products.shop.module",
    "adapters/opening": "import madang.kernel.db",
    "kernel/db": "",
    "features/chat/module": "import madang.features.chat.routes",
    "features/chat/routes": "import fastapi\nimport madang.features.chat.service",
    "features/chat/service": "import madang.features.runs.public\nimport madang.features.chat.tables",
    "features/chat/tables": "import madang.kernel.db",
    "features/runs/public": "import madang.features.runs.service",
    "features/runs/service": "import madang.kernel.db",
    "features/tea/public": "",
    "products/shop/module": "import madang.products.shop.service",
    "products/shop/service": "import madang.features.runs.public",
    "products/farm/module": "",
}

PLANTED = {
    "layers": {"kernel/db": "import madang.features.runs.public"},
    "files": {"features/runs/service": "import madang.features.runs.public"},
    "doors": {"products/shop/service": "import madang.features.runs.service"},
    "engines": {"features/runs/service": "import madang.adapters.opening"},
    "product-doors": {"processes/api": "import madang.products.shop.service"},
    "calls-down": {"features/runs/service": "import madang.features.chat.public"},
    "no-cycle": {
        "features/tea/public": "import madang.features.chat.public",
        "features/chat/service": "import madang.features.tea.public",
    },
    "products-apart": {"products/shop/service": "import madang.products.farm.module"},
    "no-transport": {"features/runs/service": "import fastapi"},
}

MORE_PLANTED = {
    "a file of another name": ("files", {"features/runs/helpers": ""}),
    "a way in that knows another": ("files", {"features/chat/jobs": "import madang.features.chat.routes"}),
    "the kernel knows an engine": ("layers", {"kernel/db": "import madang.adapters.opening"}),
    "the kernel knows a process": ("layers", {"kernel/db": "import madang.processes.api"}),
    "the catalog past the module": ("doors", {"catalog": "import madang.features.runs.service"}),
    "a service on the queue": ("no-transport", {"features/runs/service": "import celery"}),
    "a contract on a socket": ("no-transport", {"features/runs/contracts": "import socketio"}),
}


def build(root: Path, planted: dict[str, str]) -> None:
    modules = HOUSE | {"features/chat/public": ""} | planted
    for name, text in modules.items():
        file = root / "madang" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        for folder in (parent for parent in file.parents if parent.is_relative_to(root / "madang")):
            (folder / "__init__.py").touch()
        file.write_text(f"{text}\n")


def judge(root: Path, planted: dict[str, str]) -> dict[str, bool]:
    """Which contracts are kept in a house with the planted modules, by id."""
    build(root, planted)
    command = [sys.executable, "-c", LINT, str(ROOT / "pyproject.toml")]
    environment = os.environ | {"PYTHONPATH": str(root)}
    out = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False).stdout
    verdicts = {name: word == "KEPT" for name, word in re.findall(r"^(.+?) (KEPT|BROKEN)", out, re.MULTILINE)}
    assert len(verdicts) == len(CONTRACTS), out
    return {contract["id"]: verdicts[contract["name"]] for contract in CONTRACTS}


LINT = "import sys; from importlinter.cli import lint_imports; lint_imports(sys.argv[1], no_cache=True)"


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bool]]:
    """The verdicts on a clean house and on one house for each violation, two at a time."""
    plans = {"clean": {}, **PLANTED, **{name: planted for name, (_, planted) in MORE_PLANTED.items()}}
    roots = [tmp_path_factory.mktemp("house") for _ in plans]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(plans, pool.map(judge, roots, plans.values()), strict=True))


def test_every_contract_has_its_violation() -> None:
    assert {contract["id"] for contract in CONTRACTS} == set(PLANTED)


def test_a_clean_house_keeps_them_all(verdicts: dict[str, dict[str, bool]]) -> None:
    assert all(verdicts["clean"].values()), verdicts["clean"]


@pytest.mark.parametrize("contract", PLANTED)
def test_planted_violation_is_caught(contract: str, verdicts: dict[str, dict[str, bool]]) -> None:
    assert verdicts[contract][contract] is False


@pytest.mark.parametrize("violation", MORE_PLANTED)
def test_other_violations_are_caught(violation: str, verdicts: dict[str, dict[str, bool]]) -> None:
    assert verdicts[violation][MORE_PLANTED[violation][0]] is False
