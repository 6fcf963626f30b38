"""What providers plug in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module

if TYPE_CHECKING:
    from fastapi import APIRouter


class Providers(Module):
    """Language models and embeddings."""

    name: ClassVar[str] = "providers"

    def routes(self) -> "Sequence[APIRouter]":
        """`/models`."""
        from madang.features.providers.routes import models

        return (models,)
