"""Tests reach nothing but this machine, so that they mean the same everywhere."""

import sys
from ipaddress import ip_address
from typing import Any


class StrayConnectionError(Exception):
    """A test reached for another machine."""


def stay_here() -> None:
    """Refuse every connection of this process to elsewhere; cannot be undone."""
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not _is_here(str(arguments[1][0])):
        raise StrayConnectionError(f"a test may not connect to {arguments[1]}")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
