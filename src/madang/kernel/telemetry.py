"""What is counted, for Prometheus. Labels are from short fixed lists, never anything that a caller may choose.

What every api process sees for itself (requests, readers) is in `REGISTRY`. What workers count is gathered in
`shared` and handed in to Valkey now and then, so that one address tells it for all of them.
"""

import threading
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_REQUESTS = Counter("madang_requests", "Requests answered.", ("method", "route", "status"), registry=REGISTRY)
_SECONDS = Histogram(
    "madang_request_seconds",
    "Seconds from a request to the start of its response.",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
READERS = Gauge("madang_stream_readers", "Event streams that are open on this process.", registry=REGISTRY)


def is_streaming() -> bool:
    """Whether anybody reads an answer from this process just now."""
    return any(sample.value for metric in READERS.collect() for sample in metric.samples)


def count_request(scope: Mapping[str, Any], status: int, seconds: float) -> None:
    """Count a request under its route's pattern, such as `/runs/{run_id}`; what no route took is `other`."""
    route: str = getattr(scope.get("route"), "path", "other")
    method: str = scope["method"] if scope["method"] in _METHODS else "other"
    _REQUESTS.labels(method, route, str(status)).inc()
    _SECONDS.labels(route).observe(seconds)


class Shared:
    """Counts of this process that have not been handed in yet; any thread may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Tally[str] = Tally()

    def add(self, name: str, amount: int = 1) -> None:
        """Count `amount` more of what the name, such as `runs:finished`, stands for."""
        with self._lock:
            self._counts[name] += amount

    def take(self) -> dict[str, int]:
        """All counts; they are 0 from now on."""
        with self._lock:
            counts, self._counts = self._counts, Tally()
        return dict(counts)

    def put_back(self, counts: Mapping[str, int]) -> None:
        """Keep counts that could not be handed in."""
        with self._lock:
            self._counts.update(counts)


shared = Shared()
