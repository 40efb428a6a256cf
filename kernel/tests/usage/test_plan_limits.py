"""What a plan limits is never exceeded, by whatever race, and given back when it is free again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_sdk.errors import LimitReached
from trophenix_testing.platform import Platform

THINGS = "/api/v1/things"
LIMIT = "acme.workshop:things"


@pytest.fixture
async def small(open_workshop: Callable[..., Awaitable[Platform]]) -> Platform:
    """The workshop, in tenants that may have three things and no rate limits worth mentioning."""
    return await open_workshop(limits={LIMIT: {"custom": 3, "professional": None}})


async def used(platform: Platform) -> int:
    stats = (await platform.http("alpha", "viewer").get("/api/v1/stats")).json()
    return next(limit["used"] for limit in stats["limits"] if limit["name"] == LIMIT)


async def things(platform: Platform) -> int:
    async with platform.sql("acme.workshop", tenant="alpha") as connection:
        return await connection.fetchval("select count(*) from plugin_acme_workshop.things")


async def test_of_twelve_at_once_over_two_workers_three_succeed(small: Platform) -> None:
    other = await small.another_worker()
    clients = [worker.http("alpha", "member") for worker in (small, other)]

    answers = await asyncio.gather(
        *(
            clients[number % 2].post(THINGS, json={"name": f"thing {number}"})
            for number in range(12)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [402] * 9
    assert (await things(small), await used(small)) == (3, 3)
    problem = next(answer.json() for answer in answers if answer.status_code == 402)
    assert (problem["code"], problem["status"]) == ("limit_reached", 402)
    assert "3" in problem["detail"]
    assert problem["next_step"]


async def test_a_failed_call_uses_nothing_and_a_removed_thing_gives_back(small: Platform) -> None:
    client = small.http("alpha", "manager")
    made = [(await client.post(THINGS, json={"name": f"{number}"})).json() for number in range(2)]
    await client.post(THINGS, json={"name": "0"})
    assert await used(small) == 2, "a name that is taken was not counted"

    await client.post(THINGS, json={"name": "third"})
    assert (await client.post(THINGS, json={"name": "fourth"})).status_code == 402
    removed = await client.delete(f"{THINGS}/{made[0]['id']}")

    assert removed.status_code == 204
    assert (await client.post(THINGS, json={"name": "fourth"})).status_code == 201
    assert await used(small) == 3


async def test_a_call_inside_another_counts_like_one_from_outside(small: Platform) -> None:
    client = small.http("alpha", "member")

    answers = [
        await client.post(f"{THINGS}/nest", json={"name": f"{number}"}) for number in range(5)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 402, 402]
    assert (await things(small), await used(small)) == (3, 3)


async def test_another_tenants_use_is_its_own(small: Platform) -> None:
    for tenant in ("alpha", "beta"):
        answers = [
            await small.http(tenant, "member").post(THINGS, json={"name": f"{number}"})
            for number in range(4)
        ]
        assert [answer.status_code for answer in answers] == [201, 201, 201, 402]


@pytest.mark.parametrize(
    ("plan", "allowed"), [("free", 3), ("starter", 5), ("enterprise", 0), ("professional", 7)]
)
async def test_the_plan_decides_and_a_plan_that_is_not_named_has_none(
    small: Platform, plan: str, allowed: int
) -> None:
    await small.http(None, "operator").post(
        "/api/v1/platform/tenants/alpha/plan", json={"plan": plan}
    )
    small.kernel.changes.forget_all()
    client = small.http("alpha", "member")

    answers = [await client.post(THINGS, json={"name": f"{number}"}) for number in range(7)]

    assert sum(answer.status_code == 201 for answer in answers) == allowed
    assert {answer.status_code for answer in answers} <= {201, 402}


@given(amounts=st.lists(st.integers(-4, 4), max_size=12))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_order_of_taking_and_giving_leaves_the_bounds(
    small: Platform, amounts: list[int]
) -> None:
    async with small.sql("admin") as connection:
        await connection.execute("delete from kernel.limits_used")
    expected = 0

    for amount in amounts:
        try:
            taken = await small.call(
                "alpha", "acme.workshop:thing.take", {"amount": amount}, role="member"
            )
        except LimitReached:
            assert amount > 0
            assert expected + amount > 3
        else:
            expected = max(0, expected + amount)
            assert taken.used == expected <= 3
