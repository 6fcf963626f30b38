"""Puts the built web app into the package, so that whoever installs a wheel needs no Node."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
from tools import web


class WebHook(BuildHookInterface[Any]):
    """Builds `web/` before a wheel is made. A checkout is built once; `./dev` keeps it fresh from then on."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; `version` is "editable" or "standard"."""
        root = Path(self.root)
        built = (root / web.OUTPUT / "index.html").exists()
        if (root / "web" / "package.json").exists() and not (version == "editable" and built):
            web.build(root)
