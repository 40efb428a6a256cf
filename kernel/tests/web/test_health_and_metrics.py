"""Probes and metrics say how a real kernel stands, and say nothing that is secret."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from trophenix_kernel.web.application import build
from trophenix_kernel.web.health import PROBE_SECONDS, REUSE_SECONDS, ReadinessProbe, all_ready
from trophenix_testing.platform import Platform, PlatformFactory


def door(app: Any, *, client: tuple[str, int] = ("127.0.0.1", 5)) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=client), base_url="http://trophenix.test"
    )


def samples(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


async def test_a_whole_platform_is_ready(platform_factory: PlatformFactory) -> None:
    platform = await platform_factory(plugins=[])
    async with door(platform.app) as client:
        live = await client.get("/health/live")
        ready = await client.get("/health/ready")

    assert live.json() == {"status": "live"}
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    assert [check["name"] for check in ready.json()["checks"]] == ["database main"]
    assert ready.headers["cache-control"] == "no-store"


async def test_nothing_secret_is_told(platform_factory: PlatformFactory) -> None:
    platform = await platform_factory(plugins=[])

    async def broken() -> None:
        raise ConnectionRefusedError("nats://trophenix:very-secret@10.0.0.7:4222")

    async with door(build(platform.kernel, probes={"nats": broken})) as client:
        answer = await client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert "very-secret" not in answer.text
    assert "10.0.0.7" not in answer.text
    assert platform.kernel.clusters.main.dsn not in answer.text


async def test_without_its_main_database_a_process_is_not_ready(
    platform_factory: PlatformFactory,
) -> None:
    platform = await platform_factory(plugins=[])
    await platform.kernel.clusters.main.close()
    async with door(platform.app) as client:
        answer = await client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["status"] == "unready"
    assert answer.json()["checks"][0]["ok"] is False


async def test_another_cluster_away_takes_nobody_out_of_service(
    platform_two_clusters: Platform,
) -> None:
    kernel = platform_two_clusters.kernel
    await kernel.clusters.of("second").close()
    found = await ReadinessProbe(kernel).look()

    assert found.status == "degraded"
    assert {check.name: check.ok for check in found.checks} == {
        "database main": True,
        "database second": False,
    }


async def test_a_part_that_hangs_does_not_hang_the_answer(
    platform_factory: PlatformFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = await platform_factory(plugins=[])
    monkeypatch.setattr("trophenix_kernel.web.health.PROBE_SECONDS", 0.05)

    async def hangs() -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(PROBE_SECONDS):
        found = await ReadinessProbe(platform.kernel, {"nats": hangs}).look()

    assert found.status == "degraded"


async def test_however_often_it_is_asked_it_looks_once_a_second(
    platform_factory: PlatformFactory,
) -> None:
    platform = await platform_factory(plugins=[])
    now = 100.0
    asked = 0

    async def counted() -> None:
        nonlocal asked
        asked += 1

    probe = ReadinessProbe(platform.kernel, {"nats": counted}, monotonic=lambda: now)
    await asyncio.gather(*(probe.look() for _ in range(20)))
    assert asked == 1

    now += REUSE_SECONDS
    await probe.look()
    assert asked == 2


async def test_a_lost_listener_degrades(platform_factory: PlatformFactory) -> None:
    platform = await platform_factory(plugins=[])
    await platform.kernel.changes.stop()
    found = await ReadinessProbe(platform.kernel).look()

    assert (found.status, found.listening) == ("degraded", False)


def test_a_module_that_is_not_ready_degrades() -> None:
    assert all_ready([])
    assert all_ready(["ready", "ready"])
    assert not all_ready(["ready", "degraded"])
    assert not all_ready(["migration_pending"])


async def test_metrics_are_readable_by_prometheus_and_name_the_worker(
    platform_factory: PlatformFactory,
) -> None:
    platform = await platform_factory(plugins=[])
    async with platform.http("alpha", role="viewer") as viewer:
        assert (await viewer.get("/api/v1/members")).status_code == 200
        assert (await viewer.patch("/api/v1/tenant", json={"name": "X"})).status_code == 403
    async with door(platform.app) as client:
        answer = await client.get("/metrics")

    worker = ("worker", str(os.getpid()))
    found = samples(answer.text)
    calls = found["trophenix_calls_total"]
    assert calls[("operation", "kernel:member.list"), ("status", "200"), worker] >= 1
    assert calls[("operation", "kernel:tenant.update"), ("status", "403"), worker] >= 1
    assert found["trophenix_pool_round_trips_total"][("cluster", "main"), worker] > 0
    assert found["trophenix_pool_connections"][("cluster", "main"), worker] >= 1
    assert found["trophenix_listening"][(worker,)] == 1
    assert found["process_resident_memory_bytes"][(worker,)] > 1_000_000
    assert sum(found["trophenix_cache_entries"].values()) > 0
    assert all(worker in labels for labelled in found.values() for labels in labelled)


async def test_counters_never_fall(platform_factory: PlatformFactory) -> None:
    platform = await platform_factory(plugins=[])
    async with door(platform.app) as client, platform.http("alpha", role="viewer") as viewer:
        before = samples((await client.get("/metrics")).text)
        for _ in range(3):
            await viewer.get("/api/v1/members")
        after = samples((await client.get("/metrics")).text)

    for name, labelled in before.items():
        if name.endswith("_total"):
            for labels, value in labelled.items():
                assert after[name][labels] >= value


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        (("127.0.0.1", 5), {}, 200),
        (("10.1.2.3", 5), {}, 200),
        (("9.9.9.9", 5), {}, 404),
        (("8.8.8.8", 5), {}, 404),
        (("127.0.0.1", 5), {"x-forwarded-for": "8.8.8.8"}, 404),
        (("127.0.0.1", 5), {"forwarded": "for=8.8.8.8"}, 404),
    ],
)
async def test_strangers_see_no_numbers(
    platform_factory: PlatformFactory, client: tuple[str, int], headers: dict[str, str], status: int
) -> None:
    platform = await platform_factory(plugins=[])
    async with door(platform.app, client=client) as caller:
        assert (await caller.get("/metrics", headers=headers)).status_code == status


async def test_with_a_token_set_only_its_bearer_sees_numbers(
    platform_factory: PlatformFactory,
) -> None:
    platform = await platform_factory(plugins=[], settings={"metrics_token": "scrape-me"})
    async with door(platform.app) as caller:
        assert (await caller.get("/metrics")).status_code == 404
        assert (
            await caller.get("/metrics", headers={"authorization": "Bearer wrong"})
        ).status_code == 404
        assert (
            await caller.get("/metrics", headers={"authorization": "Bearer scrape-me"})
        ).status_code == 200
