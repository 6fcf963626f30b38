"""Facts that features announce and others react to.

An event is a frozen dataclass in the contracts of the feature that announces it, with `name: ClassVar[str]`. It is
announced with `Tx.announce`, relayed after the commit, and told again until every reaction has succeeded or, after an
hour of failures, it is set aside for the operator.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from madang.kernel import log
from madang.kernel.db import OUTBOX, Delivery, Tx
from madang.kernel.outbox import STRIKE

if TYPE_CHECKING:
    from madang.kernel.house import House

logger = log.get_logger(__name__)

_STRIKE = STRIKE.returning(OUTBOX.c.id)


@dataclass(frozen=True, slots=True)
class Reaction:
    """What follows from an event: `handler(house, tx, event)`.

    All reactions to one announcement share one transaction, and the announcement is struck off in it too: what a
    reaction writes to the database happens exactly once, anything else at least once. An error undoes all of them,
    and they are tried again later. All of them together may take a minute.

    One that is told `at_last` gets a transaction of its own when the announcement is set aside, so that it is not held
    up by the failure of another; a retry by the operator tells it once more, which must change nothing.
    """

    event: type[Any]
    handler: "Callable[[House, Tx, Any], Awaitable[None]]"
    at_last: bool = False


class Reactions:
    """All reactions of the installed modules, by the name of their event."""

    def __init__(self, reactions: Sequence[Reaction]) -> None:
        self._by_name: defaultdict[str, list[Reaction]] = defaultdict(list)
        for reaction in reactions:
            self._by_name[reaction.event.name].append(reaction)

    async def tell(self, house: "House", delivery: Delivery) -> None:
        """Run every reaction to the delivery; does nothing when it was struck off before."""
        async with house.db.transaction() as tx:
            struck = await tx.execute(_STRIKE, {"delivery": delivery.id})
            if struck.first() is None:
                return
            for reaction in self._by_name[delivery.name]:
                await reaction.handler(house, tx, msgspec.convert(delivery.payload, reaction.event))

    async def tell_at_last(self, house: "House", delivery: Delivery) -> None:
        """Run those reactions by themselves that want it, of a delivery that is about to be set aside."""
        for reaction in self._by_name[delivery.name]:
            if reaction.at_last:
                try:
                    async with house.db.transaction() as tx:
                        await reaction.handler(house, tx, msgspec.convert(delivery.payload, reaction.event))
                except Exception as error:  # noqa: BLE001  # the next one is told all the same
                    logger.warning("reaction_failed", to=delivery.name, error=log.first_line(error))
