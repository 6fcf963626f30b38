"""What organisations plugs in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from madang.kernel.module import Module, Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import click
    from fastapi import APIRouter

    from madang.features.accounts.public import Account, ExportedFile, Grant
    from madang.kernel.auth import Principal
    from madang.kernel.db import Tx
    from madang.kernel.events import Reaction
    from madang.kernel.house import House
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

    def cli(self) -> "Sequence[click.Command]":
        """`madang organisations`."""
        from madang.features.organisations.cli import organisations

        return (organisations,)

    def offers(self) -> Sequence[Offer[object]]:
        """What comes of signing in at a provider, a word before an owner leaves, and codes that let one register."""
        from madang.features.accounts.public import (
            BELONGS,
            EXPECTED,
            EXPORT,
            GROUPS,
            MAY_LEAVE,
            PROVED,
            REGISTRATION_CODES,
            SIGNED,
            WELCOME,
            CodeBook,
        )

        return (
            GROUPS.offer(_apply_grants),
            EXPECTED.offer(_is_expected),
            BELONGS.offer(_belongs),
            WELCOME.offer(_welcome),
            MAY_LEAVE.offer(_may_leave),
            EXPORT.offer(_export),
            REGISTRATION_CODES.offer(CodeBook(_knows_code, _redeem_code, _reserve_code)),
            SIGNED.offer(_good_until),
            PROVED.offer(_proved),
        )


async def _apply_grants(tx: "Tx", account_id: UUID, source: str, grants: "Sequence[Grant]") -> None:
    from madang.features.organisations.service.joining import apply_grants

    await apply_grants(tx, account_id, source, grants)


async def _is_expected(tx: "Tx", organisation_id: UUID, email: str) -> bool:
    from madang.features.organisations.service.scim.settling import is_expected

    return await is_expected(tx, organisation_id, email)


async def _belongs(tx: "Tx", organisation_id: UUID, account_id: UUID) -> bool:
    from madang.features.organisations.service.joining import belongs

    return await belongs(tx, organisation_id, account_id)


async def _welcome(tx: "Tx", account_id: UUID, organisation_id: UUID, email: str) -> None:
    from madang.features.organisations.service.scim.settling import welcome

    await welcome(tx, account_id, organisation_id, email)


async def _may_leave(tx: "Tx", account_id: UUID) -> None:
    from madang.features.organisations.service.ownership import may_leave

    await may_leave(tx, account_id)


def _export(house: "House", who: "Principal") -> "AsyncIterator[ExportedFile]":
    from madang.features.organisations.service.export import export

    return export(house, who)


async def _good_until(tx: "Tx", before: "datetime") -> "datetime | None":
    from madang.features.organisations.service.invites import good_until

    return await good_until(tx, before)


async def _knows_code(house: "House", tx: "Tx", code: str, email: str) -> bool:
    from madang.features.organisations.service.invites import knows

    return await knows(house, tx, code, email)


async def _redeem_code(house: "House", tx: "Tx", account: "Account", code: str) -> None:
    from madang.features.organisations.service.invites import redeem

    await redeem(house, tx, account, code)


async def _reserve_code(house: "House", tx: "Tx", email: str, code: str) -> None:
    from madang.features.organisations.service.reserving import reserve

    await reserve(house, tx, email, code)


async def _proved(tx: "Tx", account: "Account") -> None:
    from madang.features.organisations.service.reserving import take_reserved

    await take_reserved(tx, account)
