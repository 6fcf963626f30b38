"""A run's events as the body of a `text/event-stream`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from madang.features.runs.service.reading import Opening, events
from madang.kernel.house import House
from madang.kernel.telemetry import READERS

HEARTBEAT = b": still here\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def event_stream(house: House, opening: Opening, after: int) -> AsyncGenerator[bytes]:
    """One block of bytes a batch. An event's id is its number; a heartbeat is a comment and has none."""
    with READERS.track_inprogress():
        async with aclosing(events(house, opening, after)) as batches:
            async for batch in batches:
                if not batch:
                    yield HEARTBEAT
                    continue
                yield b"".join(b"id: %d\nevent: %s\ndata: %s\n\n" % event for event in batch)
