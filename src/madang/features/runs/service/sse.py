"""A run's events as the body of a `text/event-stream`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from madang.features.runs.service.readers import open_readers
from madang.features.runs.service.reading import Opening, events
from madang.kernel.auth import Principal
from madang.kernel.house import House

HEARTBEAT = b": still here\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def event_stream(house: House, who: Principal, opening: Opening, after: int) -> AsyncGenerator[bytes]:
    """One block of bytes a batch. An event's id is its number; a heartbeat is a comment and has none.

    It ends with the run, and within a heartbeat or two of the reader's sign-in.
    """
    readers = await house.resource(open_readers)
    with readers.read(who) as reader:
        async with aclosing(events(house, opening, after)) as batches:
            async for batch in batches:
                if reader.has_ended:
                    return
                if not batch:
                    yield HEARTBEAT
                    continue
                yield b"".join(b"id: %d\nevent: %s\ndata: %s\n\n" % event for event in batch)
