"""A stretch of network that a test can hold still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Network:
    """Passes bytes on between a port and another, unless it is held."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def hold(self) -> None:
        """Let nothing through, in either direction; connections stay open."""
        self._flows.clear()

    def go_on(self) -> None:
        """Let everything through again, what was held first."""
        self._flows.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side closes it."""
        this = asyncio.current_task()
        assert this is not None
        self._tasks.add(this)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            try:
                await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))
            finally:
                await _close(there_writer)
        except (OSError, asyncio.CancelledError):
            return
        finally:
            await _close(writer)
            self._tasks.discard(this)

    async def end(self) -> None:
        """Close every connection."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def network(port: int, to_port: int) -> AsyncIterator[Network]:
    """A network from `port` to `to_port`, both on this machine."""
    stretch = Network(to_port)
    server = await asyncio.start_server(stretch.carry, "127.0.0.1", port)
    try:
        yield stretch
    finally:
        stretch.go_on()
        server.close()
        await stretch.end()
        await server.wait_closed()
