"""The door of runs."""

from madang.features.runs.contracts import ENDED, RunEnded, RunRequest, RunResult, Status, Totals
from madang.features.runs.service.desk import cancel, forget_words, is_active, price, results, start_run
from madang.features.runs.service.readers import permit_reader
from madang.features.runs.service.reading import Opening, events
from madang.features.runs.service.sse import event_stream

__all__ = [
    "ENDED",
    "Opening",
    "RunEnded",
    "RunRequest",
    "RunResult",
    "Status",
    "Totals",
    "cancel",
    "event_stream",
    "events",
    "forget_words",
    "is_active",
    "permit_reader",
    "price",
    "results",
    "start_run",
]
