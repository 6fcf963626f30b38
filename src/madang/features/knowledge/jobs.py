"""Jobs of knowledge."""

from datetime import timedelta

from madang.features.knowledge.contracts import INGEST, IngestDocument
from madang.features.knowledge.service.ingest import fail, ingest
from madang.kernel.house import House
from madang.kernel.jobs import Job


async def give_up(house: House, job: IngestDocument, error: str) -> None:
    """Say on the document that it could not be made searchable, when the last attempt has failed."""
    code, _, detail = error.partition(": ")
    if code.startswith("model_") or code == "budget_exhausted":
        await fail(house, job, code, detail)
    else:
        await fail(house, job, "ingest_failed")


JOBS = (
    Job(
        INGEST,
        ingest,
        lease=timedelta(seconds=30),
        max_attempts=6,
        on_dead=give_up,
        longest=timedelta(days=1),
        apart=True,
    ),
)
