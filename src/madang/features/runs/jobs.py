"""Runs in the worker."""

from madang.features.runs.contracts import PERFORM
from madang.features.runs.service.performance import perform
from madang.kernel.jobs import EVENT_ATTEMPTS, Job

PERFORM_JOB = Job(PERFORM, perform, max_attempts=EVENT_ATTEMPTS, self_leased=True, longest=None)
