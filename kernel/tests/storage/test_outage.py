"""A database that goes away is a problem document that says to try again, and the next call works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from trophenix_testing.network import Wire, wire_to
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import CARPOOL, write_carpool

_SLOW = '''
from trophenix_sdk.context import Context
from trophenix_sdk.database import Query
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import GET, POST, operation

from . import store

SLEEP = Query("select pg_sleep(30)", tuple)


@operation(name="ride.wait", title="Wait", http=POST("/rides/wait"), permission="ride.read")
async def wait_here(ctx: Context) -> None:
    await ctx.db.one(store.ADD, id=new_id(), name="never", seats=1, leaves_at=None, details={})
    await ctx.db.all(SLEEP)


@operation(name="ride.wait_reading", title="Wait", http=GET("/rides/wait"), permission="ride.read")
async def wait_reading(ctx: Context) -> None:
    await ctx.db.all(SLEEP)


OPERATIONS += [wait_here, wait_reading]
'''


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


async def end_all(platform: Platform, where: str = "true") -> int:
    """Every connection of the platform's login to this database is ended by the server; says how many."""
    async with platform.sql() as admin:
        return await admin.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            f" where usename = 'trophenix_app' and datname = current_database() and {where}"
        )


async def until_sleeping(platform: Platform) -> None:
    """Wait until a statement of the platform sleeps in the database."""
    async with platform.sql() as admin, asyncio.timeout(10):
        while not await admin.fetchval(
            "select count(*) from pg_stat_activity where usename = 'trophenix_app' and wait_event = 'PgSleep'"
            " and datname = current_database()"
        ):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_call_whose_connection_is_ended_answers_503_and_the_next_works(slow: Platform, method: str) -> None:
    client = slow.http("alpha", "member")
    waiting = asyncio.create_task(client.request(method, "/api/v1/rides/wait"))
    await until_sleeping(slow)

    assert await end_all(slow, "wait_event = 'PgSleep'") == 1

    is_a_problem_to_try_again(await waiting)
    assert (await client.get("/api/v1/rides")).json()["data"] == []
    assert (await client.post("/api/v1/rides", json={"name": "Bus"})).status_code == 201


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_caller_who_hangs_up_leaves_nothing_running(slow: Platform, method: str) -> None:
    client = slow.http("alpha", "member")
    waiting = asyncio.create_task(client.request(method, "/api/v1/rides/wait"))
    await until_sleeping(slow)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    async with slow.sql() as admin, asyncio.timeout(10):
        while await admin.fetchval(
            "select count(*) from pg_stat_activity where usename = 'trophenix_app' and datname = current_database()"
            " and (wait_event = 'PgSleep' or state like 'idle in%')"
        ):
            await asyncio.sleep(0.01)
    answers = await asyncio.gather(*[client.get("/api/v1/rides") for _ in range(8)])
    assert [answer.json()["data"] for answer in answers] == [[]] * 8


async def test_idle_connections_that_were_ended_cost_no_call(slow: Platform) -> None:
    client = slow.http("alpha", "member")
    await asyncio.gather(*[client.get("/api/v1/rides") for _ in range(4)])

    assert await end_all(slow) >= 2
    async with asyncio.timeout(10):
        while slow.kernel.changes.listening:
            await asyncio.sleep(0.005)

    assert (await client.get("/api/v1/rides")).status_code == 200
    assert (await client.post("/api/v1/rides", json={"name": "Bus"})).status_code == 201


@pytest.fixture
async def wired(slow: Platform) -> AsyncIterator[tuple[Platform, Wire]]:
    """A worker whose line to the database can be cut."""
    async with wire_to(slow.databases.application["main"]) as wire:
        yield await slow.another_worker(database_url=wire.through(slow.databases.application["main"])), wire


async def test_while_the_database_is_away_every_call_says_so_and_afterwards_every_call_works(
    wired: tuple[Platform, Wire],
) -> None:
    worker, wire = wired
    client = worker.http("alpha", "member")
    assert (await client.get("/api/v1/rides")).status_code == 200

    wire.refuse()
    for method, path in (("GET", "/api/v1/rides"), ("POST", "/api/v1/rides"), ("GET", "/api/v1/me"), ("GET", "/api/v1/tenant")):
        answer = await client.request(method, path, json={"name": "Bus"} if method == "POST" else None)
        is_a_problem_to_try_again(answer)

    wire.mend()
    assert (await client.post("/api/v1/rides", json={"name": "Bus"})).status_code == 201
    assert [ride["name"] for ride in (await client.get("/api/v1/rides")).json()["data"]] == ["Bus"]


async def test_usage_counted_while_the_database_is_away_is_written_afterwards(wired: tuple[Platform, Wire]) -> None:
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
            "select sum(requests) from kernel.usage_daily where operation = $1", f"{CARPOOL}:ride.list"
        )
    assert counted == 3
