"""What accounts plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.auth import AUTHENTICATOR, REAUTHENTICATION, STANDING
from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from datetime import datetime

    import click
    from fastapi import APIRouter

    from madang.features.accounts.contracts import ExportedFile
    from madang.kernel.auth import Principal
    from madang.kernel.db import Tx
    from madang.kernel.house import House
    from madang.kernel.jobs import Job, Schedule


class Accounts(Module):
    """Registration, sign-in, people."""

    name: ClassVar[str] = "accounts"

    def routes(self) -> "Sequence[APIRouter]":
        """`/auth` and `/users`."""
        from madang.features.accounts.routes import ROUTERS

        return ROUTERS

    def jobs(self) -> "Sequence[Job]":
        """Letters to people."""
        from madang.features.accounts.jobs import JOBS

        return JOBS

    def schedules(self) -> "Sequence[Schedule]":
        """Lets go of old sign-ins."""
        from madang.features.accounts.jobs import SCHEDULES

        return SCHEDULES

    def cli(self) -> "Sequence[click.Command]":
        """`madang admin`."""
        from madang.features.accounts.cli import admin

        return (admin,)

    def offers(self) -> Sequence[Offer[object]]:
        """The check of access tokens, what somebody takes along of their account, and how long signatures are good."""
        from madang.features.accounts.contracts import EXPORT, SIGNED

        return (
            AUTHENTICATOR.offer(_authenticate),
            STANDING.offer(_find_ended),
            REAUTHENTICATION.offer(_require_recent),
            EXPORT.offer(_export),
            SIGNED.offer(_good_until),
        )


async def _authenticate(house: "House", bearer: str) -> "Principal":
    from madang.features.accounts.service.desk import authenticate

    return await authenticate(house, bearer)


async def _find_ended(house: "House", asked: "Collection[Principal]") -> "set[Principal]":
    from madang.features.accounts.service.standing import ended

    return await ended(house, asked)


async def _require_recent(house: "House", who: "Principal") -> None:
    from madang.features.accounts.service.confirming import require_recent

    await require_recent(house, who)


async def _good_until(tx: "Tx", before: "datetime") -> "datetime":
    from madang.features.accounts.service.rotation import good_until

    return await good_until(tx, before)


def _export(house: "House", who: "Principal") -> "AsyncIterator[ExportedFile]":
    from madang.features.accounts.service.export import own_part

    return own_part(house, who)
