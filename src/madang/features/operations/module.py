"""What operations plug in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import click
    from fastapi import APIRouter

    from madang.features.accounts.public import ExportedFile
    from madang.kernel.auth import Principal
    from madang.kernel.house import House
    from madang.kernel.jobs import Schedule


class Operations(Module):
    """Health, metrics, the audit log and what fails in the background."""

    name: ClassVar[str] = "operations"

    def routes(self) -> "Sequence[APIRouter]":
        """`/audit`."""
        from madang.features.operations.routes.audit import router

        return (router,)

    def roots(self) -> "Sequence[APIRouter]":
        """`/health` and `/metrics`."""
        from madang.features.operations.routes.health import router

        return (router,)

    def schedules(self) -> "Sequence[Schedule]":
        """Opens and drops the months of the audit log."""
        from madang.features.operations.jobs import SCHEDULES

        return SCHEDULES

    def cli(self) -> "Sequence[click.Command]":
        """`madang deliveries`."""
        from madang.features.operations.cli import deliveries

        return (deliveries,)

    def offers(self) -> Sequence[Offer[object]]:
        """What somebody takes along of the audit log."""
        from madang.features.accounts.public import EXPORT

        return (EXPORT.offer(_export),)


def _export(house: "House", who: "Principal") -> "AsyncIterator[ExportedFile]":
    from madang.features.operations.service.audit import own_part

    return own_part(house, who)
