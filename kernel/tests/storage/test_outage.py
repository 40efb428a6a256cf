"""A database that goes away is a problem document that says to try again, and the next call works."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from trophenix_testing.network import Wire, wire_to
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import CARPOOL, write_carpool

_SLOW = """
import asyncio

import msgspec

from trophenix_sdk.context import Context
from trophenix_sdk.database import Query
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import GET, POST, operation

from . import store

ARRIVED = asyncio.Event()
SLEEP = Query("select pg_sleep(cast(:seconds as double precision))", tuple)


class Pause(msgspec.Struct, frozen=True):
    seconds: float = 30.0


async def sleep(ctx: Context, pause: Pause) -> None:
    if pause.seconds:
        ARRIVED.set()
    await ctx.db.all(SLEEP, seconds=pause.seconds)


@operation(name="ride.wait", title="Wait", http=POST("/rides/wait"), permission="ride.read")
async def wait_here(ctx: Context, pause: Pause) -> None:
    if pause.seconds:
        await ctx.db.one(store.ADD, id=new_id(), name="never", seats=1, leaves_at=None, details={})
    await sleep(ctx, pause)


@operation(name="ride.wait_reading", title="Wait", http=GET("/rides/wait"), permission="ride.read")
async def wait_reading(ctx: Context, pause: Pause) -> None:
    await sleep(ctx, pause)


OPERATIONS += [wait_here, wait_reading]
"""


@pytest.fixture
async def slow(platform_factory: PlatformFactory, tmp_path: Path) -> Platform:
    """A platform with operations that wait inside the database."""
    plugin = write_carpool(
        tmp_path, adding={"more.py": _SLOW}, operations=["ride.wait", "ride.wait_reading"]
    )
    platform = await platform_factory(plugins=[plugin], pool_size=2)
    platform.plugin(CARPOOL)
    return platform


def is_a_problem_to_try_again(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"].isdigit()
    assert answer.json()["code"] == "unavailable"
    assert answer.json()["next_step"]


async def end_all(platform: Platform) -> int:
    """Every connection of the platform's login to this database is ended by the server; says how many."""
    async with platform.sql() as admin:
        return await admin.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where usename = 'trophenix_app' and datname = current_database()"
        )


async def sleeping(platform: Platform, method: str) -> asyncio.Task[httpx.Response]:
    """A call that sleeps in the database, its statement prepared before and sent."""
    client = platform.http("alpha", "member")
    if method == "GET":
        prepared = await client.get("/api/v1/rides/wait", params={"seconds": "0"})
    else:
        prepared = await client.post("/api/v1/rides/wait", json={"seconds": 0})
    assert prepared.is_success, prepared.text
    arrived: asyncio.Event = sys.modules["acme_carpool.more"].ARRIVED
    waiting = asyncio.create_task(client.request(method, "/api/v1/rides/wait"))
    await asyncio.wait_for(arrived.wait(), 10)
    return waiting


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_call_whose_connection_is_ended_answers_503_and_the_next_works(
    slow: Platform, method: str
) -> None:
    waiting = await sleeping(slow, method)
    client = slow.http("alpha", "member")

    assert await end_all(slow) >= 1

    is_a_problem_to_try_again(await waiting)
    assert (await client.get("/api/v1/rides")).json()["data"] == []
    assert (await client.post("/api/v1/rides", json={"name": "Bus"})).status_code == 201


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_caller_who_hangs_up_leaves_nothing_running(slow: Platform, method: str) -> None:
    waiting = await sleeping(slow, method)
    client = slow.http("alpha", "member")

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    # The pool lends the connection again only when the server has stopped.
    answers = await asyncio.gather(*[client.get("/api/v1/rides") for _ in range(8)])
    pool = slow.kernel.clusters.main
    leases = [await pool.acquire("trophenix_app") for _ in range(pool.size)]
    for lease in leases:
        pool.release(lease)
    assert [answer.json()["data"] for answer in answers] == [[]] * 8
    async with slow.sql() as admin:
        busy = await admin.fetchval(
            "select count(*) from pg_stat_activity where usename = 'trophenix_app' and datname = current_database()"
            " and (wait_event = 'PgSleep' or state like 'idle in%')"
        )
    assert busy == 0


async def test_idle_connections_that_were_ended_cost_no_call(slow: Platform) -> None:
    client = slow.http("alpha", "member")
    pool = slow.kernel.clusters.main
    noticed = [asyncio.Event() for _ in range(pool.size)]
    leases = [await pool.acquire("plugin_acme_carpool") for _ in noticed]
    for lease, event in zip(leases, noticed, strict=True):
        lease.connection.add_termination_listener(partial(_tell, event))
        pool.release(lease)

    assert await end_all(slow) >= pool.size
    await asyncio.wait_for(asyncio.gather(*[event.wait() for event in noticed]), 10)

    assert (await client.get("/api/v1/rides")).status_code == 200
    assert (await client.post("/api/v1/rides", json={"name": "Bus"})).status_code == 201


def _tell(event: asyncio.Event, _connection: object) -> None:
    event.set()


@pytest.fixture
async def wired(slow: Platform) -> AsyncIterator[tuple[Platform, Wire]]:
    """A worker whose line to the database can be cut."""
    async with wire_to(slow.databases.application["main"]) as wire:
        yield (
            await slow.another_worker(
                database_url=wire.through(slow.databases.application["main"])
            ),
            wire,
        )


async def test_while_the_database_is_away_every_call_says_so_and_afterwards_every_call_works(
    wired: tuple[Platform, Wire],
) -> None:
    worker, wire = wired
    client = worker.http("alpha", "member")
    assert (await client.get("/api/v1/rides")).status_code == 200

    wire.refuse()
    for method, path in (
        ("GET", "/api/v1/rides"),
        ("POST", "/api/v1/rides"),
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/tenant"),
    ):
        answer = await client.request(
            method, path, json={"name": "Bus"} if method == "POST" else None
        )
        is_a_problem_to_try_again(answer)

    wire.mend()
    assert (await client.post("/api/v1/rides", json={"name": "Bus"})).status_code == 201
    assert [ride["name"] for ride in (await client.get("/api/v1/rides")).json()["data"]] == ["Bus"]


async def test_usage_counted_while_the_database_is_away_is_written_afterwards(
    wired: tuple[Platform, Wire],
) -> None:
    worker, wire = wired
    client = worker.http("alpha", "owner")
    for _ in range(3):
        await client.get("/api/v1/rides")
    wire.refuse()
    await worker.kernel.meter.flush()
    wire.mend()
    await worker.kernel.meter.flush()

    async with worker.sql() as admin:
        counted = await admin.fetchval(
            "select sum(requests) from kernel.usage_daily where operation = $1",
            f"{CARPOOL}:ride.list",
        )
    assert counted == 3
