"""Runs in the worker."""

from madang.features.runs.contracts import PERFORM
from madang.features.runs.service.performance import perform
from madang.kernel.jobs import Job

PERFORM_JOB = Job(PERFORM, perform, self_leased=True)
