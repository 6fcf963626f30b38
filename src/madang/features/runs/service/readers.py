"""Who reads event streams in this process: so many of one account at most, and nobody whose sign-in has ended."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from madang.features.runs import settings
from madang.kernel import log
from madang.kernel.auth import STANDING, Principal
from madang.kernel.errors import TooMany
from madang.kernel.house import House
from madang.kernel.jobs import spawn
from madang.kernel.telemetry import READERS

logger = log.get_logger(__name__)

LOOK_SECONDS = 5.0
"""How often it is asked, for all readers at once, whether their sign-ins still stand."""


@dataclass(slots=True, eq=False)
class Reader:
    """One stream that is being read; whoever writes it looks whether it has ended."""

    who: Principal
    has_ended: bool = False


@dataclass(slots=True)
class Readers:
    """Everybody who reads in this process."""

    house: House
    reading: set[Reader] = field(default_factory=set[Reader])
    by_account: Counter[UUID] = field(default_factory=Counter[UUID])

    def permit(self, who: Principal) -> None:
        """Raise `TooMany` (too_many_streams) when the account reads as many streams as it may."""
        if self.by_account[who.account_id] >= settings.load().max_streams:
            detail = "You are reading too many answers at the same time. Close some, or wait until one has ended."
            raise TooMany("too_many_streams", detail, headers={"Retry-After": "5"})

    @contextmanager
    def read(self, who: Principal) -> Generator[Reader]:
        """Count a reader for as long as the block lasts."""
        reader = Reader(who)
        self.reading.add(reader)
        self.by_account[who.account_id] += 1
        try:
            with READERS.track_inprogress():
                yield reader
        finally:
            self.reading.discard(reader)
            self.by_account[who.account_id] -= 1
            if not self.by_account[who.account_id]:
                del self.by_account[who.account_id]

    async def watch(self) -> None:
        """End what is read by nobody any more who may, until cancelled; while the database is away nothing ends."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(SQLAlchemyError, OSError):
                await self.look()

    async def look(self) -> None:
        """Mark the readers whose sign-ins have ended."""
        asked = {reader.who for reader in self.reading}
        if not asked:
            return
        gone: set[Principal] = set()
        for find_ended in self.house.offers.all(STANDING):
            gone |= await find_ended(self.house, asked)
        for reader in self.reading:
            reader.has_ended = reader.has_ended or reader.who in gone


@asynccontextmanager
async def open_readers(house: House) -> AsyncGenerator[Readers]:
    """The readers of this process; use it through `house.resource(open_readers)`."""
    readers = Readers(house)
    watching = spawn(readers.watch(), "runs.readers")
    try:
        yield readers
    finally:
        watching.cancel()


async def permit_reader(house: House, who: Principal) -> None:
    """Raise `TooMany` (too_many_streams) when the account reads as many streams here as it may."""
    (await house.resource(open_readers)).permit(who)
