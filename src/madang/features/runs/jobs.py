"""Runs in the worker and by the clock."""

from datetime import timedelta

from madang.features.runs.contracts import PERFORM
from madang.features.runs.service.leases import reap
from madang.features.runs.service.performance import perform
from madang.kernel.jobs import Job, Schedule

PERFORM_JOB = Job(PERFORM, perform, self_leased=True)
REAP = Schedule("runs.reap", timedelta(seconds=1), reap)
