"""What operations plug in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module

if TYPE_CHECKING:
    from fastapi import APIRouter


class Operations(Module):
    """Health and metrics."""

    name: ClassVar[str] = "operations"

    def roots(self) -> "Sequence[APIRouter]":
        """`/health` and `/metrics`."""
        from madang.features.operations.routes import router

        return (router,)
