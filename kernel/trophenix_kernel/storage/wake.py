"""Waiting for PostgreSQL to say that there is something to do, without asking all the time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterable
from typing import Any

import asyncpg


class WakeUp:
    """Set whenever a notification arrives on *channel* of any of the clusters.

    A lost connection wakes too, and is opened again: whoever waits looks once more and misses nothing.
    """

    def __init__(self, dsns: Iterable[str], channel: str) -> None:
        self._dsns = tuple(dsns)
        self._channel = channel
        self._event = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen from now on."""
        self._tasks = [
            asyncio.create_task(self._listen(dsn), name=f"wake {self._channel}")
            for dsn in self._dsns
        ]

    async def stop(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def wait(self, seconds: float) -> None:
        """Return at the next notification, or after *seconds*."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()

    def _ring(self, _connection: Any, _pid: int, _channel: str, _payload: object) -> None:
        self._event.set()

    async def _listen(self, dsn: str) -> None:
        while True:
            connection: Any = None
            try:
                connection = await asyncpg.connect(
                    dsn, server_settings={"application_name": f"trophenix {self._channel}"}
                )
                lost = asyncio.Event()
                connection.add_termination_listener(functools.partial(_set, lost))
                await connection.add_listener(self._channel, self._ring)
                self._event.set()
                await lost.wait()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await asyncio.sleep(0.5)
            finally:
                if connection is not None:
                    connection.terminate()


def _set(event: asyncio.Event, _connection: object) -> None:
    event.set()
