"""What was counted, in the text that Prometheus reads."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from madang.features.operations.service.health import PATIENCE_SECONDS, workers_alive
from madang.kernel.db import OUTBOX
from madang.kernel.house import House
from madang.kernel.telemetry import REGISTRY, shared

_FAMILIES = {
    "runs": ("madang_runs", "Answers that ended, by how.", "outcome"),
    "tokens": ("madang_tokens", "Tokens that model calls of ended answers took.", "direction"),
}


async def hand_in(house: House) -> None:
    """Add what this process counted to the counts of all; when Valkey is away, it is kept for the next time."""
    counts = shared.take()
    if not counts:
        return
    pipe = house.valkey.pipeline(transaction=True)
    for name, amount in counts.items():
        pipe.hincrby(_key(house), name, amount)
    try:
        await pipe.execute()
    except (RedisError, OSError):
        shared.put_back(counts)


async def metrics(house: House) -> bytes:
    """This process's own metrics and those of all; what is in a part that is away is left out."""
    await hand_in(house)
    registry = CollectorRegistry()
    registry.register(_Ready([*await _from_valkey(house), *await _from_database(house)]))
    return generate_latest(REGISTRY) + generate_latest(registry)


class _Ready(Collector):
    """Metrics that have been looked up already."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        return self._found


async def _from_valkey(house: House) -> list[Metric]:
    with suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            counts = cast("dict[bytes, bytes]", await house.valkey.hgetall(_key(house)))
            alive = await workers_alive(house)
        families = {
            kind: CounterMetricFamily(name, words, labels=[label]) for kind, (name, words, label) in _FAMILIES.items()
        }
        for field, amount in counts.items():
            kind, _, label = field.decode().partition(":")
            families[kind].add_metric([label], int(amount))
        return [*families.values(), GaugeMetricFamily("madang_workers", "Workers that are alive.", alive)]
    return []


async def _from_database(house: House) -> list[Metric]:
    with suppress(SQLAlchemyError, OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS), house.db.transaction() as tx:
            is_dead, has_failed = OUTBOX.c.dead_at.is_not(None), OUTBOX.c.last_error.is_not(None)
            counted = select(func.count(), func.count().filter(has_failed, ~is_dead), func.count().filter(is_dead))
            whole, failing, dead = (await tx.execute(counted)).one()
        return [
            GaugeMetricFamily("madang_outbox_waiting", "Events and jobs not done yet.", whole - dead),
            GaugeMetricFamily("madang_outbox_failing", "Those of them that failed and are tried again.", failing),
            GaugeMetricFamily("madang_outbox_dead", "Events and jobs set aside for the operator.", dead),
        ]
    return []


def _key(house: House) -> str:
    return f"{house.settings.key_prefix}:counts"
