"""How often a request waits for the database: counted on the wire, between the platform and PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx
from figures import Figure
from ground import SECRET, Ground, Seat

from trophenix_kernel.composition import Kernel
from trophenix_kernel.settings import Settings
from trophenix_kernel.web.application import build

BASE_URL: Final = "http://bench.test"
REPETITIONS: Final = 9


class Relay:
    """Passes bytes on between the platform and PostgreSQL.

    Attributes:
        trips: how often the platform began to speak after PostgreSQL had spoken, on any connection.
    """

    def __init__(self, host: str, port: int) -> None:
        self.trips = 0
        self._host = host
        self._port = port
        self._busy: set[asyncio.Task[None]] = set()

    async def accept(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        far, forward = await asyncio.open_connection(self._host, self._port)
        answered = True

        async def there() -> None:
            nonlocal answered
            while data := await near.read(1 << 16):
                self.trips += answered
                answered = False
                forward.write(data)

        async def back() -> None:
            nonlocal answered
            while data := await far.read(1 << 16):
                answered = True
                answer.write(data)

        tasks = [asyncio.create_task(one()) for one in (there, back)]
        self._busy.update(tasks)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for writer in (answer, forward):
            writer.close()


@asynccontextmanager
async def _relayed(dsn: str) -> AsyncGenerator[tuple[str, Relay]]:
    parts = urlsplit(dsn)
    relay = Relay(parts.hostname or "127.0.0.1", parts.port or 5432)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    netloc = f"{parts.netloc.rpartition(':')[0]}:{port}"
    try:
        yield urlunsplit(parts._replace(netloc=netloc)), relay
    finally:
        server.close()


async def round_trips(ground: Ground) -> list[Figure]:
    """The trips of a warm read, a simple write and a simple write with an idempotency key."""
    seat = ground.seats[0]
    async with _relayed(ground.application) as (dsn, relay):
        kernel = await Kernel.compose(
            Settings(database_url=dsn, secret_key=SECRET.decode(), base_url=BASE_URL)
        )
        await kernel.changes.start()
        try:
            transport = httpx.ASGITransport(build(kernel))  # pyright: ignore[reportArgumentType] - the same protocol in other words
            async with httpx.AsyncClient(
                transport=transport,
                base_url=f"{BASE_URL}/api/v1",
                headers={"authorization": f"Bearer {seat.key}"},
            ) as client:
                return await _count(client, relay, seat)
        finally:
            await kernel.stop()


async def _count(client: httpx.AsyncClient, relay: Relay, seat: Seat) -> list[Figure]:
    numbers = iter(range(1, 1_000_000))

    def read() -> Awaitable[httpx.Response]:
        return client.get(f"/players/{seat.rows[0]}")

    def write(**headers: str) -> Awaitable[httpx.Response]:
        body = {"family_name": "Kiprop", "given_name": f"N{next(numbers)}"}
        return client.post("/players", json=body, headers=headers)

    async def trips(ask: Callable[[], Awaitable[httpx.Response]]) -> list[int]:
        counted: list[int] = []
        # The first fill what is kept and prepare the statement.
        for _ in range(3 + REPETITIONS):
            before = relay.trips
            response = await ask()
            assert response.is_success, response.text
            counted.append(relay.trips - before)
        return counted[3:]

    def keyed() -> Awaitable[httpx.Response]:
        return write(**{"idempotency-key": f"bench-{next(numbers)}"})

    return [
        _figure("GET of one row", 1, await trips(read)),
        _figure("simple write", 3, await trips(write), "event and audit entry included; "),
        _figure("the same with an idempotency key", 3, await trips(keyed)),
    ]


def _figure(name: str, aim: int, counted: list[int], note: str = "") -> Figure:
    # Every few calls one more takes the next lot of calls out of the caller's rate limit.
    return Figure(
        f"SQL round trips: {name}",
        statistics.median(counted),
        aim,
        digits=0,
        note=f"{note}{statistics.mean(counted):.1f} with the leases of the rate limit",
    )
