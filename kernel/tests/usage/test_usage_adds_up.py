"""Every call is counted once, on its day and under its operation, whatever happens to the database in between."""
# What is broken on purpose here has no public handle.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_kernel.storage.placement import Clusters
from trophenix_kernel.storage.pool import Pool
from trophenix_kernel.usage.meter import Meter
from trophenix_testing.connections import connect
from trophenix_testing.platform import Platform, PlatformFactory

DAY: Final = date(2026, 3, 1)


@pytest.fixture
async def bare(platform_factory: PlatformFactory) -> Platform:
    """A platform without plugins."""
    return await platform_factory(plugins=[])


async def counted(
    platform: Platform, cluster: str = "main"
) -> dict[tuple[UUID, date, str], tuple[int, int, int]]:
    async with platform.sql("admin", cluster=cluster) as connection:
        rows = await connection.fetch(
            "select tenant_id, day, operation, requests, errors, duration_us from kernel.usage_daily"
        )
    return {(row[0], row[1], row[2]): (row[3], row[4], row[5]) for row in rows}


async def test_calls_of_two_workers_add_up_per_operation_over_midnight(bare: Platform) -> None:
    other = await bare.another_worker()
    bare.clock.stop(datetime(2026, 3, 1, 23, 59, 50, tzinfo=UTC))
    client, elsewhere = bare.http("alpha", "owner"), other.http("alpha", "owner")

    for _ in range(3):
        await client.get("/api/v1/tenant")
        await elsewhere.get("/api/v1/tenant")
    await client.get("/api/v1/members/00000000-0000-7000-8000-000000000000")
    bare.clock.advance(seconds=20)
    for _ in range(2):
        await client.get("/api/v1/tenant")
    for worker in (bare, other):
        await worker.kernel.meter.flush()
    listed = (await client.get("/api/v1/usage?since=2026-03-01")).json()["data"]

    found = {
        (line["day"], line["operation"]): (line["requests"], line["errors"]) for line in listed
    }
    assert found == {
        ("2026-03-01", "kernel:tenant.read"): (6, 0),
        ("2026-03-01", "kernel:member.read"): (1, 1),
        ("2026-03-02", "kernel:tenant.read"): (2, 0),
    }
    stats = (await client.get("/api/v1/stats")).json()
    assert (stats["requests_today"], [day["requests"] for day in stats["last_days"]]) == (2, [7, 2])


async def test_strangers_and_other_tenants_appear_nowhere(bare: Platform) -> None:
    for role in ("stranger", None):
        await bare.http("alpha", role).get("/api/v1/tenant")
    await bare.http("beta", "owner").get("/api/v1/tenant")
    await bare.kernel.meter.flush()

    assert {key[0] for key in await counted(bare)} == {bare.tenant("beta").id}
    assert (await bare.http("alpha", "owner").get("/api/v1/usage?since=2020-01-01")).json()[
        "data"
    ] == []


async def test_nothing_is_lost_while_the_database_is_away(bare: Platform) -> None:
    name = bare.databases.admin["main"].rpartition("/")[2]
    server = await connect(bare.databases.admin["main"].rpartition("/")[0] + "/postgres")
    client = bare.http("alpha", "viewer")
    await client.get("/api/v1/tenant")
    try:
        await server.execute(f'alter database "{name}" with allow_connections false')
        await server.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
        )
        await bare.kernel.meter.flush()
        away = await client.get("/api/v1/members")
        await bare.kernel.meter.flush()
    finally:
        await server.execute(f'alter database "{name}" with allow_connections true')
        await server.close()
    back = await client.get("/api/v1/tenant")
    await bare.kernel.meter.flush()

    assert (away.status_code, back.status_code) == (503, 200)
    # Nobody could be recognised while it was away, so that call is nobody's.
    assert {key[2]: value[0] for key, value in (await counted(bare)).items()} == {
        "kernel:tenant.read": 2
    }


STEPS: Final = st.lists(
    st.one_of(
        st.tuples(
            st.just("call"),
            st.sampled_from(["a", "b"]),
            st.integers(0, 2),
            st.sampled_from([200, 404]),
        ),
        st.tuples(st.just("flush"), st.booleans()),
    ),
    max_size=30,
)


@given(steps=STEPS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_order_of_calls_days_and_failures_loses_or_doubles_one(
    bare: Platform, steps: list[Any]
) -> None:
    async with bare.sql("admin") as connection:
        await connection.execute("delete from kernel.usage_daily")
    nowhere = Clusters({"main": Pool("postgresql://trophenix_app@127.0.0.1:1/none", size=1)})
    meter = Meter(bare.kernel.clusters)
    tenant, expected, errors = bare.tenant("alpha").id, Counter[Any](), Counter[Any]()

    for step in steps:
        match step:
            case ("call", operation, days, status):
                day = DAY + timedelta(days=days)
                meter.record(tenant, "main", operation, status, 10, day)
                expected[tenant, day, operation] += 1
                errors[tenant, day, operation] += status >= 400
            case _:
                reachable = step[1]
                meter._clusters = bare.kernel.clusters if reachable else nowhere
                await meter.flush()
    meter._clusters = bare.kernel.clusters
    await meter.stop()

    assert await counted(bare) == {
        key: (count, errors[key], 10 * count) for key, count in expected.items()
    }


async def test_the_end_of_a_process_writes_what_was_counted(bare: Platform) -> None:
    other = await bare.another_worker()
    await other.http("alpha", "viewer").get("/api/v1/tenant")

    await other.kernel.stop()

    assert [value[0] for value in (await counted(bare)).values()] == [1]


async def test_usage_lies_in_the_tenants_own_cluster(platform_factory: PlatformFactory) -> None:
    platform = await platform_factory(plugins=[], clusters=2)
    client = platform.http("beta", "owner")
    await client.get("/api/v1/tenant")
    await platform.kernel.meter.flush()

    assert await counted(platform) == {}
    assert len(await counted(platform, "second")) == 1
    assert (await client.get("/api/v1/usage")).json()["data"][0]["requests"] == 1
