"""Places for deliveries in a worker, and those that wait for one.

What waits is a delivery, not a task, and is here once however often it was sent; beyond `MOST_WAITING` it is let go,
for it is still in the outbox, which sends it again. So a worker's memory is bounded whatever was ordered.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from madang.kernel import log
from madang.kernel.db import Delivery

logger = log.get_logger(__name__)

MOST_WAITING = 5000
"""In one lane; some 5 MB."""


@dataclass(slots=True, eq=False)
class Lane:
    """So many deliveries at once, the others in their order."""

    places: int
    busy: int = 0
    waiting: dict[UUID, Delivery] = field(default_factory=dict)


@dataclass(slots=True)
class Lanes:
    """All deliveries that a worker has taken on: `begin(delivery, left)` starts one and calls `left` at its end."""

    lane_of: Callable[[Delivery], Lane]
    begin: Callable[[Delivery, Callable[[], None]], None]
    _here: dict[UUID, Lane] = field(default_factory=dict)
    _closed: bool = False

    def take(self, delivery: Delivery) -> None:
        """Begin with the delivery or have it wait for a place; nothing when it is here already."""
        earlier = self._here.get(delivery.id)
        if self._closed or (earlier is not None and not self._is_worse(earlier, delivery)):
            return
        lane = self.lane_of(delivery)
        if lane.busy < lane.places:
            self._start(lane, delivery)
        elif len(lane.waiting) < MOST_WAITING:
            self._here[delivery.id] = lane
            lane.waiting[delivery.id] = delivery
        else:
            logger.warning("delivery_let_go", delivery=delivery.name, waiting=len(lane.waiting))

    def __len__(self) -> int:
        """How many are here, at work and waiting."""
        return len(self._here)

    def close(self) -> None:
        """Begin nothing more; what waits is left to the other workers."""
        self._closed = True

    def _is_worse(self, lane: Lane, again: Delivery) -> bool:
        """Whether what waits here has lost a worker elsewhere since; then it waits among its like."""
        if not again.lost or lane.waiting.pop(again.id, None) is None:
            return False
        del self._here[again.id]
        return True

    def _start(self, lane: Lane, delivery: Delivery) -> None:
        lane.busy += 1
        self._here[delivery.id] = lane
        self.begin(delivery, lambda: self._leave(lane, delivery.id))

    def _leave(self, lane: Lane, delivery_id: UUID) -> None:
        lane.busy -= 1
        self._here.pop(delivery_id, None)
        if lane.waiting and not self._closed:
            self._start(lane, lane.waiting.pop(next(iter(lane.waiting))))
