"""Make a new feature: `python -m tools.scaffold NAME [--product]`, or `./dev new feature|product NAME`.

What it makes is a working feature with one table, its use cases, routes, a migration and tests: rename and replace.
"""

import keyword
import re
import subprocess
import sys
from pathlib import Path
from string import Template

TEMPLATE = Path(__file__).parent / "template"
VERSIONS = "src/madang/migrations/versions"
CATALOGUES = "web/src/kernel/i18n"
WORDS = {"en": "There is no such thing.", "ko": "찾을 수 없습니다."}
"""What the screens say to the one refusal of a new feature, by language."""
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class ScaffoldError(Exception):
    """The feature cannot be made; the message says why."""


def scaffold(root: Path, name: str, *, group: str = "features") -> list[Path]:
    """Write the files of a new feature (or product, with `group="products"`) and return their paths.

    Raises ScaffoldError when the name is not snake_case, is a word of Python or is taken.
    """
    if not NAME.fullmatch(name):
        message = f"{name!r} is not a snake_case name such as question_bank"
        raise ScaffoldError(message)
    if keyword.iskeyword(name):
        message = f"{name!r} is a word of Python itself and cannot be a package; take another, such as {name}_room"
        raise ScaffoldError(message)
    if any((root / f"src/madang/{taken}/{name}").exists() for taken in ("features", "products")):
        message = f"there is a feature or product {name} already"
        raise ScaffoldError(message)
    number, before = _next_revision(root)
    words = {
        "name": name,
        "Name": "".join(part.capitalize() for part in name.split("_")),
        "group": group,
        "schema": "user",
        "path": name.replace("_", "-"),
        "revision": f"{number:04d}_{name}",
        "before": before,
    }
    made = [_write(root, template, words) for template in sorted(TEMPLATE.glob("*.tmpl"))]
    for tidy in (("check", "--quiet", "--select=I", "--fix"), ("format", "--quiet")):
        subprocess.run([sys.executable, "-m", "ruff", *tidy, "--no-cache", *map(str, made)], cwd=root, check=True)
    for language, said in WORDS.items():
        _translate(root / CATALOGUES / f"{language}.json", f"{name}_item_not_found", said)
    return made


def _translate(catalogue: Path, code: str, said: str) -> None:
    """Put words for an error code first among those there are; the rest of the file stays as it is written."""
    errors = '  "errors": {\n'
    catalogue.write_text(catalogue.read_text().replace(errors, f'{errors}    "{code}": "{said}",\n', 1))


def _next_revision(root: Path) -> tuple[int, str]:
    """The number of the next migration, and the revision it follows."""
    revisions = sorted(path.stem for path in (root / VERSIONS).glob("[0-9]*.py"))
    return int(revisions[-1][:4]) + 1, revisions[-1]


def _write(root: Path, template: Path, words: dict[str, str]) -> Path:
    kind, file = template.name.removesuffix(".tmpl").split("--")
    folder = {
        "feature": f"src/madang/{words['group']}/{words['name']}",
        "tests": f"tests/{words['group']}/{words['name']}",
        "migration": VERSIONS,
    }[kind]
    path = root / folder / Template(file.replace("REVISION", words["revision"])).substitute(words)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(Template(template.read_text()).substitute(words))
    return path


def main() -> int:
    """Make the feature in the current folder and say what to do next."""
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    group = "products" if "--product" in sys.argv else "features"
    if len(names) != 1:
        print("usage: python -m tools.scaffold NAME [--product]")
        return 2
    try:
        made = scaffold(Path.cwd(), names[0], group=group)
    except ScaffoldError as error:
        print(f"error: {error}")
        return 1
    print("\n".join(str(path.relative_to(Path.cwd())) for path in made))
    print(f"Now add madang.{group}.{names[0]}.module to src/madang/catalog.py, its routes to tests/attacks/table.py,")
    print("run ./dev fix, which writes the reference anew, and make it yours.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
