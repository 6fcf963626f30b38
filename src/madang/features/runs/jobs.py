"""Runs in the worker."""

from madang.features.runs.contracts import PERFORM
from madang.features.runs.service.giving_up import give_up
from madang.features.runs.service.performance import perform
from madang.kernel.jobs import EVENT_ATTEMPTS, Job

PERFORM_JOB = Job(
    PERFORM,
    perform,
    max_attempts=EVENT_ATTEMPTS,
    on_dead=give_up,
    self_leased=True,
    longest=None,
    is_suspect=lambda order: order.get("is_suspect") is True,
)
