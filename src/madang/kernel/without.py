"""Importing a library without packages that it takes up wherever it finds them and for which nothing here has a use."""

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Generator[None]:
    """Make imports in this block take `packages` for missing; afterwards they can be imported as before.

    A library's warnings that it misses them are not shown.
    """
    loaded = {package: sys.modules.pop(package, None) for package in packages}
    sys.modules.update(dict.fromkeys(packages))  # type: ignore[arg-type]  # Python's own way to say that there is none
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for package, module in loaded.items():
            del sys.modules[package]
            if module is not None:
                sys.modules[package] = module
