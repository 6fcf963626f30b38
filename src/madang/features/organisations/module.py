"""What organisations plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from fastapi import APIRouter

    from madang.features.accounts.public import Grant
    from madang.kernel.db import Tx
    from madang.kernel.events import Reaction
    from madang.kernel.jobs import Schedule


class Organisations(Module):
    """Organisations, partners and classes: who belongs to which, as what."""

    name: ClassVar[str] = "organisations"

    def routes(self) -> "Sequence[APIRouter]":
        """`/organisations`, `/scopes`, `/invites` and `/users/me/memberships`."""
        from madang.features.organisations.routes import ROUTERS

        return ROUTERS

    def reactions(self) -> "Sequence[Reaction]":
        """Forgetting those who leave the house."""
        from madang.features.organisations.reactions import REACTIONS

        return REACTIONS

    def schedules(self) -> "Sequence[Schedule]":
        """Removing for good what was deleted long enough ago."""
        from madang.features.organisations.jobs import SCHEDULES

        return SCHEDULES

    def offers(self) -> Sequence[Offer[object]]:
        """The roles that a provider's groups give, and a word before an owner leaves the house."""
        from madang.features.accounts.public import GROUPS, MAY_LEAVE

        return (GROUPS.offer(_apply_grants), MAY_LEAVE.offer(_may_leave))


async def _apply_grants(tx: "Tx", account_id: UUID, source: str, grants: "Sequence[Grant]") -> None:
    from madang.features.organisations.service.joining import apply_grants

    await apply_grants(tx, account_id, source, grants)


async def _may_leave(tx: "Tx", account_id: UUID) -> None:
    from madang.features.organisations.service.ownership import may_leave

    await may_leave(tx, account_id)
