"""Jobs of files."""

from madang.features.files.contracts import DISCARD
from madang.features.files.service.uploads import discard
from madang.kernel.jobs import Job

JOBS = (Job(DISCARD, discard),)
