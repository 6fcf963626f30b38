"""What knowledge plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module

if TYPE_CHECKING:
    from fastapi import APIRouter

    from madang.kernel.jobs import Job


class Knowledge(Module):
    """Documents that are read, indexed and searched."""

    name: ClassVar[str] = "knowledge"

    def routes(self) -> "Sequence[APIRouter]":
        """`/documents`."""
        from madang.features.knowledge.routes import documents

        return (documents,)

    def jobs(self) -> "Sequence[Job]":
        """Makes documents searchable."""
        from madang.features.knowledge.jobs import JOBS

        return JOBS
