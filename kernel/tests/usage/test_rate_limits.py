"""Rate limits hold over all workers together, roll with the clock and follow the plan."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_kernel.usage import quota as rules
from trophenix_kernel.usage.quota import Quota
from trophenix_sdk.errors import RateLimited
from trophenix_testing.platform import Platform, PlatformFactory

NOON: Final = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)


@pytest.fixture
async def free(platform_factory: PlatformFactory) -> Platform:
    """A platform whose tenants are on the free plan, at ten seconds past noon."""
    platform = await platform_factory(plugins=[], plan="free")
    platform.clock.stop(NOON)
    return platform


async def admitted(
    quota: Quota, tenant: UUID, caller: UUID, plan: str = "free", now: datetime = NOON
) -> bool:
    try:
        await quota.count_call(tenant, plan, caller, "api", now)
    except RateLimited:
        return False
    return True


async def test_two_workers_at_once_admit_no_more_than_the_minute_allows(free: Platform) -> None:
    other = await free.another_worker()
    tenant, caller = free.tenant("alpha").id, uuid4()

    answers = await asyncio.gather(
        *(
            admitted(worker.kernel.quota, tenant, caller)
            for _ in range(90)
            for worker in (free, other)
        )
    )

    assert 90 <= sum(answers) <= 100, (
        "what one worker has leased and does not use is lost to the other, a few calls at most"
    )


async def test_one_worker_admits_exactly_what_the_minute_allows(free: Platform) -> None:
    tenant, caller = free.tenant("alpha").id, uuid4()

    answers = await asyncio.gather(
        *(admitted(free.kernel.quota, tenant, caller) for _ in range(130))
    )

    assert sum(answers) == 100


async def test_two_workers_at_once_admit_no_more_than_the_day_allows(free: Platform) -> None:
    other = await free.another_worker()
    tenant, callers = free.tenant("alpha").id, [uuid4() for _ in range(14)]

    answers = await asyncio.gather(
        *(
            admitted(worker.kernel.quota, tenant, caller)
            for _ in range(45)
            for caller in callers
            for worker in (free, other)
        )
    )

    assert len(answers) > 1200
    assert 900 <= sum(answers) <= 1000
    assert await admitted(free.kernel.quota, free.tenant("beta").id, uuid4()), (
        "another tenant's day is another"
    )


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from([0, 0, 0, 0, 7, 61])),
        min_size=10,
        max_size=60,
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_order_of_calls_workers_and_time_admits_too_much(
    free: Platform, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[int, int, int]]
) -> None:
    monkeypatch.setitem(rules.CALLS_PER_MINUTE, "api", 6)
    monkeypatch.setitem(rules.DAILY_CALLS, "free", 15)
    tenant, callers = uuid4(), (uuid4(), uuid4())
    async with free.sql("admin") as connection:
        await connection.execute(
            "insert into kernel.tenants (id, slug, name) values ($1, $2, 'x')",
            tenant,
            f"t{tenant.hex[:20]}",
        )
    quotas = (Quota(free.kernel.platform), Quota(free.kernel.platform))
    stamp, calls = NOON.timestamp(), Counter[Any]()

    for worker, caller, seconds in steps:
        stamp += seconds
        if await admitted(
            quotas[worker], tenant, callers[caller], now=datetime.fromtimestamp(stamp, UTC)
        ):
            calls["day"] += 1
            calls[caller, stamp // 60] += 1

    assert calls["day"] <= 15
    assert all(count <= 6 for window, count in calls.items() if window != "day")


async def test_headers_say_where_a_caller_stands(free: Platform) -> None:
    client = free.http("alpha", "viewer")

    first = await client.get("/api/v1/tenant")
    for _ in range(99):
        assert (await client.get("/api/v1/tenant")).status_code == 200
    refused = await client.get("/api/v1/tenant")
    free.clock.advance(seconds=50)
    rolled = await client.get("/api/v1/tenant")

    assert first.headers["ratelimit-policy"] == '"api";q=100;w=60'
    assert first.headers["ratelimit"] == '"api";r=99;t=50'
    assert [first.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")] == [
        "100",
        "99",
        "50",
    ]
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["retry-after"] == "50"
    assert refused.headers["ratelimit"] == '"api";r=0;t=50'
    assert refused.headers["content-type"] == "application/problem+json"
    assert (rolled.status_code, rolled.headers["ratelimit"]) == (200, '"api";r=99;t=60')


async def test_remaining_counts_down_to_zero(free: Platform) -> None:
    client = free.http("alpha", "viewer")

    remaining = [
        int((await client.get("/api/v1/tenant")).headers["x-ratelimit-remaining"])
        for _ in range(100)
    ]

    assert remaining == list(range(99, -1, -1))


async def test_a_refusal_costs_no_statement(
    free: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rules.CALLS_PER_MINUTE, "api", 3)
    client = free.http("alpha", "viewer")
    for _ in range(4):
        await client.get("/api/v1/tenant")
    before = free.kernel.clusters.main.trips

    answers = [await client.get("/api/v1/tenant") for _ in range(20)]

    assert {answer.status_code for answer in answers} == {429}
    assert free.kernel.clusters.main.trips == before


async def test_the_custom_plan_and_strangers_are_not_counted(
    platform_factory: PlatformFactory,
) -> None:
    platform = await platform_factory(plugins=[])

    answer = await platform.http("alpha", "viewer").get("/api/v1/tenant")
    nobody = await platform.http("alpha", None).get("/api/v1/tenant")

    assert "ratelimit" not in answer.headers
    assert "ratelimit" not in nobody.headers
    async with platform.sql("admin") as connection:
        assert await connection.fetchval("select count(*) from kernel.quota_windows") == 0


async def test_another_plan_counts_from_the_next_call_on(
    free: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rules.DAILY_CALLS, "free", 2)
    monkeypatch.setitem(rules.DAILY_CALLS, "starter", 60)
    client, operator = free.http("alpha", "viewer"), free.http(None, "operator")

    async def move(plan: str) -> None:
        heard = asyncio.Event()
        free.kernel.changes.on("tenants", lambda _tenant: heard.set())
        answer = await operator.post("/api/v1/platform/tenants/alpha/plan", json={"plan": plan})
        assert answer.status_code == 200, answer.text
        await asyncio.wait_for(heard.wait(), 5)

    async def ask() -> int:
        return (await client.get("/api/v1/tenant")).status_code

    before = [await ask() for _ in range(3)]
    await move("starter")
    larger = [await ask() for _ in range(3)]
    await move("free")
    smaller = await ask()
    await move("custom")
    unlimited = [await ask() for _ in range(3)]

    assert before == [200, 200, 429]
    assert larger == [200] * 3
    assert smaller == 429, (
        "calls leased under the larger plan are not handed out under the smaller one"
    )
    assert unlimited == [200] * 3


async def test_a_new_day_begins_at_midnight_utc(
    free: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rules.DAILY_CALLS, "free", 1)
    client = free.http("alpha", "viewer")

    used = [(await client.get("/api/v1/tenant")).status_code for _ in range(2)]
    refused = await client.get("/api/v1/tenant")
    free.clock.stop(datetime(2026, 3, 2, 0, 0, 0, tzinfo=UTC))

    assert used == [200, 429]
    assert refused.headers["retry-after"] == str(12 * 3600 - 10)
    assert (await client.get("/api/v1/tenant")).status_code == 200
