"""Jobs of knowledge."""

from datetime import timedelta

from madang.features.knowledge.contracts import INGEST, IngestDocument
from madang.features.knowledge.service.ingest import fail, ingest
from madang.kernel.house import House
from madang.kernel.jobs import Job


async def give_up(house: House, job: IngestDocument, error: str) -> None:
    """Say on the document that it could not be made searchable, when the last attempt has failed."""
    code = error.partition(":")[0]
    if code in {"model_unreachable", "model_timeout", "model_refused"}:
        await fail(house, job, code, "The embedding model cannot be reached. Try again when it answers.")
    else:
        await fail(house, job, "ingest_failed")


JOBS = (Job(INGEST, ingest, lease=timedelta(seconds=30), max_attempts=6, on_dead=give_up),)
