"""What knowledge plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import APIRouter

    from madang.features.accounts.public import ExportedFile
    from madang.kernel.auth import Principal
    from madang.kernel.house import House
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

    def offers(self) -> Sequence[Offer[object]]:
        """What somebody takes along of their documents."""
        from madang.features.accounts.public import EXPORT

        return (EXPORT.offer(_export),)


def _export(house: "House", who: "Principal") -> "AsyncIterator[ExportedFile]":
    from madang.features.knowledge.service.export import export

    return export(house, who)
