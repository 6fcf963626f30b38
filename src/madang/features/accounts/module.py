"""What accounts plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from madang.kernel.auth import AUTHENTICATOR
from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    import click
    from fastapi import APIRouter

    from madang.kernel.auth import Principal
    from madang.kernel.house import House
    from madang.kernel.jobs import Schedule


class Accounts(Module):
    """Registration, sign-in, people."""

    name: ClassVar[str] = "accounts"

    def routes(self) -> "Sequence[APIRouter]":
        """`/auth` and `/users`."""
        from madang.features.accounts.routes import ROUTERS

        return ROUTERS

    def schedules(self) -> "Sequence[Schedule]":
        """Lets go of old sign-ins."""
        from madang.features.accounts.jobs import SCHEDULES

        return SCHEDULES

    def cli(self) -> "Sequence[click.Command]":
        """`madang admin`."""
        from madang.features.accounts.cli import admin

        return (admin,)

    def offers(self) -> Sequence[Offer[object]]:
        """The check of access tokens."""
        return (AUTHENTICATOR.offer(_authenticate),)


async def _authenticate(house: "House", bearer: str) -> "Principal":
    from madang.features.accounts.service.desk import authenticate

    return await authenticate(house, bearer)
