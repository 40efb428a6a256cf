"""The same key and the same call have one effect and one answer, however often and at once they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from trophenix_testing.platform import Platform

THINGS = "/api/v1/things"


def key(word: str) -> dict[str, str]:
    return {"Idempotency-Key": word}


async def names(platform: Platform, tenant: str = "alpha") -> list[str]:
    async with platform.sql("acme.workshop", tenant=tenant) as connection:
        return [
            row[0]
            for row in await connection.fetch(
                "select name from plugin_acme_workshop.things order by name"
            )
        ]


async def test_a_repetition_has_one_effect_and_the_identical_answer(workshop: Platform) -> None:
    client = workshop.http("alpha", "member")

    first, second = [
        await client.post(THINGS, json={"name": "Saw"}, headers=key("k1")) for _ in range(2)
    ]

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert await names(workshop) == ["Saw"]


async def test_ten_at_once_have_one_effect_over_two_workers(workshop: Platform) -> None:
    other = await workshop.another_worker()
    clients = [place.http("alpha", "member") for place in (workshop, other)]

    answers = await asyncio.gather(
        *(
            clients[turn % 2].post(THINGS, json={"name": "Saw"}, headers=key("k1"))
            for turn in range(10)
        )
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 9
    assert await names(workshop) == ["Saw"]


@pytest.mark.parametrize("change", ["body", "query", "path"])
async def test_the_key_belongs_to_one_call(workshop: Platform, change: str) -> None:
    client = workshop.http("alpha", "member")
    await client.post(THINGS, json={"name": "Saw"}, headers=key("k1"))

    answer = await client.post(
        THINGS + ("/nest" if change == "path" else ""),
        json={"name": "Axe" if change == "body" else "Saw"},
        params={"x": "1"} if change == "query" else None,
        headers=key("k1"),
    )

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert await names(workshop) == ["Saw"]


async def test_the_key_belongs_to_one_actor_of_one_tenant(workshop: Platform) -> None:
    answers = [
        await workshop.http(tenant, role).post(
            THINGS, json={"name": f"{role}'s"}, headers=key("k1")
        )
        for tenant, role in (("alpha", "member"), ("alpha", "manager"), ("beta", "member"))
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert await names(workshop) == ["manager's", "member's"]
    assert await names(workshop, "beta") == ["member's"]


async def test_a_refused_call_frees_its_key(workshop: Platform) -> None:
    client = workshop.http("alpha", "member")
    await client.post(THINGS, json={"name": "Saw"})

    refused = await client.post(THINGS, json={"name": "Saw"}, headers=key("k1"))
    exploded = await client.post(f"{THINGS}/explode", headers=key("k1"))
    accepted = await client.post(THINGS, json={"name": "Axe"}, headers=key("k1"))

    assert (refused.status_code, exploded.status_code, accepted.status_code) == (409, 500, 201)
    assert await names(workshop) == ["Axe", "Saw"]


async def test_a_connection_lost_in_between_leaves_nothing(
    workshop: Platform, gate: Callable[[str], Any]
) -> None:
    client = workshop.http("alpha", "member")
    asked = asyncio.create_task(
        client.post(f"{THINGS}/held", json={"name": "Saw"}, headers=key("k1"))
    )
    await gate("Saw").entered.wait()
    async with workshop.sql("admin") as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and state = 'idle in transaction'"
        )
    gate("Saw").open.set()

    lost = await asked
    again = await client.post(f"{THINGS}/held", json={"name": "Saw"}, headers=key("k1"))

    assert lost.status_code == 503, lost.text
    assert lost.headers["retry-after"]
    assert again.status_code == 201
    assert "idempotency-replayed" not in again.headers
    assert await names(workshop) == ["Saw"]


async def test_a_caller_who_goes_away_leaves_nothing(
    workshop: Platform, gate: Callable[[str], Any]
) -> None:
    client = workshop.http("alpha", "member")
    asked = asyncio.create_task(
        client.post(f"{THINGS}/held", json={"name": "Saw"}, headers=key("k1"))
    )
    await gate("Saw").entered.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    gate("Saw").open.set()

    again = await client.post(f"{THINGS}/held", json={"name": "Saw"}, headers=key("k1"))

    assert again.status_code == 201
    assert await names(workshop) == ["Saw"]


async def test_a_secret_answer_is_kept_nowhere(workshop: Platform) -> None:
    client = workshop.http("alpha", "owner")

    first = await client.post(f"{THINGS}/secret", headers=key("k1"))
    second = await client.post(f"{THINGS}/secret", headers=key("k1"))
    made = await client.post("/api/v1/api-keys", json={"name": "CI"}, headers=key("k2"))

    assert first.json() == {"word": "sesame-open-the-door"}
    assert (second.status_code, second.json()["code"]) == (409, "answer_not_kept")
    assert len(await names(workshop)) == 1
    async with workshop.sql("admin") as connection:
        kept = await connection.fetch("select status, body from kernel.idempotency_keys")
        assert [tuple(row) for row in kept] == [(201, b""), (201, b"")]
        for secret in ("sesame", made.json()["key"]):
            for table in ("audit_entries", "outbox", "idempotency_keys", "api_keys"):
                found = await connection.fetchval(
                    f"select count(*) from kernel.{table} t where position($1 in t::text) > 0",
                    secret,
                )
                assert found == 0, (secret, table)


async def test_a_key_that_has_run_out_is_free_again(workshop: Platform) -> None:
    client = workshop.http("alpha", "member")
    await client.post(THINGS, json={"name": "Saw"}, headers=key("k1"))
    async with workshop.sql("admin") as connection:
        lifetime = await connection.fetchval(
            "select extract(epoch from expires_at - now()) from kernel.idempotency_keys"
        )
        await connection.execute(
            "update kernel.idempotency_keys set expires_at = now() - interval '1 second'"
        )

    answer = await client.post(THINGS, json={"name": "Axe"}, headers=key("k1"))

    assert 86_300 < lifetime <= 86_400
    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers
    assert await names(workshop) == ["Axe", "Saw"]


async def test_a_repetition_is_decided_anew(workshop: Platform) -> None:
    client = workshop.http("alpha", "member")
    await client.post(THINGS, json={"name": "Saw"}, headers=key("k1"))
    member = workshop.tenant("alpha").people["member"].member_id
    heard = asyncio.Event()
    workshop.kernel.changes.on("memberships", lambda _user: heard.set())
    await workshop.http("alpha", "owner").patch(
        f"/api/v1/members/{member}", json={"role": "viewer"}
    )
    await asyncio.wait_for(heard.wait(), 5)

    answer = await client.post(THINGS, json={"name": "Saw"}, headers=key("k1"))

    assert answer.status_code == 403


async def test_a_background_operation_is_queued_once(workshop: Platform) -> None:
    client = workshop.http("alpha", "manager")

    answers = [
        await client.post("/api/v1/batches", json={"names": ["Saw"]}, headers=key("k1"))
        for _ in range(3)
    ]

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    async with workshop.sql("admin") as connection:
        assert await connection.fetchval("select count(*) from kernel.jobs") == 1


@pytest.mark.parametrize(("length", "status"), [(255, 201), (256, 422)])
async def test_a_key_has_at_most_255_characters(
    workshop: Platform, length: int, status: int
) -> None:
    answer = await workshop.http("alpha", "member").post(
        THINGS, json={"name": "Saw"}, headers=key("k" * length)
    )

    assert answer.status_code == status
