"""A read is one round trip and a simple write three, counted on the wire as well as by the pool."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from trophenix_testing.network import Wire, wire_to
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import CARPOOL, write_carpool

Ask = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


@pytest.fixture
async def wired(
    platform_factory: PlatformFactory, tmp_path: Path
) -> AsyncIterator[tuple[Platform, Wire]]:
    """A worker whose every word with the database goes over a line that counts."""
    platform = await platform_factory(plugins=[write_carpool(tmp_path)], pool_size=1)
    async with wire_to(platform.databases.application["main"]) as wire:
        yield (
            await platform.another_worker(
                database_url=wire.through(platform.databases.application["main"])
            ),
            wire,
        )


@asynccontextmanager
async def trips(platform: Platform, wire: Wire, expected: int) -> AsyncGenerator[None]:
    """Exactly *expected* round trips happen inside."""
    pool = platform.kernel.clusters.main
    before = (pool.trips, wire.turns)
    yield
    assert (pool.trips - before[0], wire.turns - before[1]) == (expected, expected)


async def read(client: httpx.AsyncClient, ride: str) -> httpx.Response:
    return await client.get(f"/api/v1/rides/{ride}")


async def list_them(client: httpx.AsyncClient, _ride: str) -> httpx.Response:
    return await client.get("/api/v1/rides?limit=50")


async def create(client: httpx.AsyncClient, ride: str) -> httpx.Response:
    return await client.post(
        "/api/v1/rides/" + ride + "/passengers",
        json={"name": "Ada"},
        headers={"Idempotency-Key": ride},
    )


async def create_counted(client: httpx.AsyncClient, _ride: str) -> httpx.Response:
    """With a plan limit, an event and an audit entry."""
    return await client.post(
        "/api/v1/rides", json={"name": f"Bus {client.headers['x-request-id']}"}
    )


@pytest.mark.parametrize(
    ("ask", "expected"),
    [(read, 1), (list_them, 1), (create, 3), (create_counted, 3)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_a_warm_call_takes_as_many_round_trips_as_it_must(
    wired: tuple[Platform, Wire], ask: Ask, expected: int
) -> None:
    platform, wire = wired
    warm = await platform.call("alpha", f"{CARPOOL}:ride.create", {"name": "Warm"})
    ride = await platform.call("alpha", f"{CARPOOL}:ride.create", {"name": "Bus"})
    first = platform.http("alpha", "member", headers={"X-Request-Id": "first-request"})
    second = platform.http("alpha", "member", headers={"X-Request-Id": "second-request"})
    assert (await ask(first, str(warm.id))).is_success

    async with trips(platform, wire, expected):
        answer = await ask(second, str(ride.id))

    assert answer.is_success, answer.text


async def test_a_refused_call_does_not_touch_the_database(wired: tuple[Platform, Wire]) -> None:
    platform, wire = wired
    viewer = platform.http("alpha", "viewer")
    await viewer.get("/api/v1/rides")

    async with trips(platform, wire, 0):
        answer = await viewer.post("/api/v1/rides", json={"name": "Bus"})

    assert answer.status_code == 403
