"""What runs plug in."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import APIRouter

    from madang.features.accounts.public import ExportedFile
    from madang.kernel.auth import Principal
    from madang.kernel.events import Reaction
    from madang.kernel.house import House
    from madang.kernel.jobs import Job, Schedule


class Runs(Module):
    """Durable answers and their event streams."""

    name: ClassVar[str] = "runs"

    def routes(self) -> "Sequence[APIRouter]":
        """`/runs`."""
        from madang.features.runs.routes import router

        return (router,)

    def jobs(self) -> "Sequence[Job]":
        """Performing a run."""
        from madang.features.runs.jobs import PERFORM_JOB

        return (PERFORM_JOB,)

    def schedules(self) -> "Sequence[Schedule]":
        """Taking runs back from workers that fell silent, booking what they had not, and compacting old ones."""
        from madang.features.runs.service.compacting import EVERY_SECONDS, compact
        from madang.features.runs.service.leases import reap
        from madang.features.runs.service.settling import SETTLE_SECONDS, settle
        from madang.kernel.jobs import Schedule

        return (
            Schedule("runs.reap", timedelta(seconds=1), reap),
            Schedule("runs.settle", timedelta(seconds=SETTLE_SECONDS), settle),
            Schedule("runs.compact", timedelta(seconds=EVERY_SECONDS), compact),
        )

    def reactions(self) -> "Sequence[Reaction]":
        """Forgetting those who leave, and totals that a late word corrects."""
        from madang.features.runs.reactions import CORRECT, FORGET

        return (FORGET, CORRECT)

    def offers(self) -> Sequence[Offer[object]]:
        """What somebody takes along of their answers."""
        from madang.features.accounts.public import EXPORT

        return (EXPORT.offer(_export),)


def _export(house: "House", who: "Principal") -> "AsyncIterator[ExportedFile]":
    from madang.features.runs.service.export import export

    return export(house, who)
