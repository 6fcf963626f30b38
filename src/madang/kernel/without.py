"""Importing a library without a package that it takes up wherever it finds it and for which nothing here has a use."""

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def without(package: str) -> Generator[None]:
    """Make imports in this block take `package` for missing; afterwards it can be imported as before."""
    loaded = sys.modules.pop(package, None)
    sys.modules[package] = None  # type: ignore[assignment]  # Python's own way to say that there is none
    try:
        yield
    finally:
        del sys.modules[package]
        if loaded is not None:
            sys.modules[package] = loaded
