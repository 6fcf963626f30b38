"""What usage plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.auth import LIMITER
from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    import click
    from fastapi import APIRouter

    from madang.features.accounts.public import ExportedFile
    from madang.kernel.auth import Principal
    from madang.kernel.events import Reaction
    from madang.kernel.house import House
    from madang.kernel.jobs import Job, Schedule


class Usage(Module):
    """What models cost, who pays, and how much they may spend."""

    name: ClassVar[str] = "usage"

    def routes(self) -> "Sequence[APIRouter]":
        """`/usage`, `/budgets` and one's own under `/users/me`."""
        from madang.features.usage.routes import ROUTERS

        return ROUTERS

    def reactions(self) -> "Sequence[Reaction]":
        """Lets go of budgets whose subject is gone, and tells people what a budget has reached."""
        from madang.features.usage.reactions import REACTIONS

        return REACTIONS

    def jobs(self) -> "Sequence[Job]":
        """Deletes the budgets of who is gone."""
        from madang.features.usage.jobs import JOBS

        return JOBS

    def schedules(self) -> "Sequence[Schedule]":
        """Books what dead workers had reserved, and opens and drops months."""
        from madang.features.usage.jobs import SCHEDULES

        return SCHEDULES

    def cli(self) -> "Sequence[click.Command]":
        """`madang usage` and `madang budgets`."""
        from madang.features.usage.cli import budgets, usage

        return (usage, budgets)

    def offers(self) -> Sequence[Offer[object]]:
        """How often an account or a directory may ask, and what somebody takes along of what they spent."""
        from madang.features.accounts.public import EXPORT
        from madang.features.organisations.public import DIRECTORY_LIMITER

        return (LIMITER.offer(_limit), DIRECTORY_LIMITER.offer(_limit_directory), EXPORT.offer(_export))


async def _limit(house: "House", who: "Principal", policy: str) -> list[tuple[bytes, bytes]]:
    from madang.features.usage.service.rates import limit_request

    return await limit_request(house, who, policy)


async def _limit_directory(house: "House", token_id: "UUID", most: int) -> list[tuple[bytes, bytes]]:
    from madang.features.usage.service.rates import limit_directory

    return await limit_directory(house, token_id, most)


def _export(house: "House", who: "Principal") -> "AsyncIterator[ExportedFile]":
    from madang.features.usage.service.export import export

    return export(house, who)
