"""What this process keeps in memory stays true: every change to it is heard from the database that made it.

Triggers announce each change at commit; one connection per process listens. While that connection is lost nothing is kept at all, so a
missed message costs speed and never correctness. A connection that is lost without anybody being told (a firewall forgot it) is found by
its missing heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, Generic, TypeVar

import asyncpg

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

CHANNEL: Final = "trophenix_changes"
RETRY_SECONDS: Final = 0.5
HEARTBEAT_SECONDS: Final = 5.0
_LOST: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)


class Changes:
    """The listener, and who wants to know.

    Args:
        dsn: the main cluster, as the application's login.
        heartbeat_seconds: how long the connection may be silent before it is asked, and how long an answer may take.
    """

    def __init__(self, dsn: str, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._dsn = dsn
        self._heartbeat_seconds = heartbeat_seconds
        self._connection: Any = None
        self._asking = asyncio.Lock()
        self._subscribers: dict[str, list[Callable[[str], None]]] = {}
        self._caches: list[Cache[Any, Any]] = []
        self._task: asyncio.Task[None] | None = None
        self.listening = False
        self.heard = 0

    def cache(self, load: Callable[[K], Awaitable[V]], *, capacity: int = 10_000) -> Cache[K, V]:
        """A cache that is emptied whenever the listener cannot vouch for it."""
        cache = Cache(load, capacity=capacity)
        cache.trusted = self.listening
        self._caches.append(cache)
        return cache

    def forget_all(self) -> None:
        """Load everything anew when it is next asked for."""
        for cache in self._caches:
            cache.clear()

    def kept(self) -> dict[str, int]:
        """How many values each cache holds, by a name such as ``credentials.key``."""
        return {cache.name: len(cache) for cache in self._caches}

    def on(self, table: str, react: Callable[[str], None]) -> None:
        """Call *react* with the changed row's key after each committed change to a kernel table."""
        self._subscribers.setdefault(table, []).append(react)

    async def start(self) -> None:
        """Listen from now on, and reconnect whenever the connection is lost."""
        ready = asyncio.Event()
        self._task = asyncio.create_task(self._listen(ready), name="changes")
        await ready.wait()

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._distrust()

    async def caught_up(self) -> None:
        """All that was committed before this call has been heard by this process.

        One round trip: the server sends what is waiting for a listener before it answers anything else.
        """
        connection = self._connection
        if connection is None:
            return
        try:
            async with self._asking, asyncio.timeout(self._heartbeat_seconds):
                await connection.execute("select 1")
        except _LOST:
            # What it may have missed must not be served; the listener connects again by itself.
            self._distrust()
            connection.terminate()

    async def _listen(self, ready: asyncio.Event) -> None:
        while True:
            try:
                connection = await asyncpg.connect(
                    self._dsn,
                    timeout=self._heartbeat_seconds,
                    server_settings={"application_name": "trophenix changes"},
                )
            except _LOST:
                ready.set()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            lost = asyncio.Event()
            try:
                connection.add_termination_listener(lambda _connection, lost=lost: lost.set())
                await connection.add_listener(CHANNEL, self._hear)
                # What was loaded before LISTEN took effect may be old already.
                self._trust(connection)
                ready.set()
                while not await self._lost_within(lost, self._heartbeat_seconds):
                    await self.caught_up()
            except _LOST:
                pass
            finally:
                self._distrust()
                connection.terminate()

    @staticmethod
    async def _lost_within(lost: asyncio.Event, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await lost.wait()
        except TimeoutError:
            return False

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        table, _, key = str(payload).partition(" ")
        self.heard += 1
        for react in self._subscribers.get(table, ()):
            react(key)

    def _trust(self, connection: Any) -> None:
        self._connection = connection
        self.listening = True
        for cache in self._caches:
            cache.clear()
            cache.trusted = True

    def _distrust(self) -> None:
        self._connection = None
        self.listening = False
        for cache in self._caches:
            cache.trusted = False
            cache.clear()


class Cache(Generic[K, V]):
    """Values loaded on demand, at most *capacity*, the longest unused dropped first.

    A value whose loading began before an invalidation is handed out but not kept.
    """

    def __init__(self, load: Callable[[K], Awaitable[V]], *, capacity: int) -> None:
        self._load = load
        self.name = (
            getattr(load, "__qualname__", "cache")
            .lower()
            .replace("._load", ".")
            .replace("._", ".")
            .strip(".")
        )
        self._capacity = capacity
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._epoch = 0
        self.trusted = True

    def peek(self, key: K) -> V | None:
        """The kept value, without loading."""
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    async def get(self, key: K) -> V:
        """The value, loaded if it is not kept."""
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
            return value
        epoch = self._epoch
        value = await self._load(key)
        if value is not None and epoch == self._epoch and self.trusted:
            self._kept[key] = value
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return value

    def drop(self, key: K) -> None:
        """Forget one value."""
        self._epoch += 1
        self._kept.pop(key, None)

    def drop_where(self, matches: Callable[[K, V], bool]) -> None:
        """Forget the values that match; for keys that hold more than the announced id."""
        self._epoch += 1
        for key in [key for key, value in self._kept.items() if matches(key, value)]:
            del self._kept[key]

    def clear(self) -> None:
        """Forget everything."""
        self._epoch += 1
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)
