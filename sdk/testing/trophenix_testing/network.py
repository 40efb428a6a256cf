"""A line between the platform and one of its servers that a test counts on, cuts and freezes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """A TCP line to *host*:*port* through a port of its own.

    Attributes:
        turns: how often the server began to answer what it was asked: the round trips of all connections together.
        connections: how many were made.
    """

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self.turns = 0
        self.connections = 0
        self.port = 0

    def through(self, url: str) -> str:
        """The server's address, by way of this line."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))

    def cut(self) -> None:
        """Every connection is reset, as when the server dies; new ones are made as before."""
        for writer in self._writers:
            writer.transport.abort()

    def refuse(self) -> None:
        """Every connection is reset, and new ones are too until `mend`."""
        self._refusing = True
        self.cut()

    def freeze(self) -> None:
        """Nothing passes and nobody is told, as when a firewall forgets a connection, until `mend`."""
        self._flowing.clear()

    def mend(self) -> None:
        """The line works again; what was frozen arrives."""
        self._refusing = False
        self._flowing.set()

    async def open(self) -> None:
        """Connections are taken from now on."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Nothing of the line is left."""
        self.cut()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._refusing:
            writer.transport.abort()
            return
        with contextlib.suppress(OSError, asyncio.CancelledError):
            answers, server = await asyncio.open_connection(*self._to)
            self._writers |= {writer, server}
            asked = _Turn()
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass(reader, server, asked, asking=True))
                    both.create_task(self._pass(answers, writer, asked, asking=False))
            except* OSError:
                pass
            finally:
                self._writers -= {writer, server}
                writer.transport.abort()
                server.transport.abort()

    async def _pass(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        turn: _Turn,
        *,
        asking: bool,
    ) -> None:
        while data := await source.read(1 << 16):
            await self._flowing.wait()
            if asking:
                turn.asked = True
            elif turn.asked:
                turn.asked = False
                self.turns += 1
            target.write(data)
            await target.drain()
        target.write_eof()


class _Turn:
    """Whether the server owes an answer."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False


@asynccontextmanager
async def wire_to(url: str) -> AsyncGenerator[Wire]:
    """A line to the server of *url*, closed afterwards."""
    parts = urlsplit(url)
    wire = Wire(parts.hostname or "127.0.0.1", parts.port or 5432)
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()
