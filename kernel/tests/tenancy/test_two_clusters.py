"""A tenant placed on another cluster has its rows there, and its people notice nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trophenix_testing.network import wire_to
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import CARPOOL, write_carpool


@pytest.fixture
async def two(platform_factory: PlatformFactory, tmp_path: Path) -> Platform:
    """Alpha lives in ``main``, beta in ``second``, which is another server."""
    platform = await platform_factory(plugins=[write_carpool(tmp_path)], clusters=2)
    platform.plugin(CARPOOL)
    return platform


async def rows(platform: Platform, cluster: str, table: str, tenant: str) -> int:
    async with platform.sql(cluster=cluster) as admin:
        return await admin.fetchval(
            f"select count(*) from {table} where tenant_id = $1", platform.tenant(tenant).id
        )


OWN = (
    "plugin_acme_carpool.rides",
    "kernel.audit_entries",
    "kernel.outbox",
    "kernel.jobs",
    "kernel.limits_used",
    "kernel.idempotency_keys",
    "kernel.usage_daily",
)
"""What a tenant's cluster holds; the control plane stays in main."""


async def use(platform: Platform, tenant: str) -> dict[str, Any]:
    """A write with everything that is recorded beside it, and a piece of background work."""
    member = platform.http(tenant, "member")
    made = await member.post(
        "/api/v1/rides", json={"name": "Bus"}, headers={"Idempotency-Key": "once"}
    )
    again = await member.post(
        "/api/v1/rides", json={"name": "Bus"}, headers={"Idempotency-Key": "once"}
    )
    assert (made.status_code, again.status_code, again.json()) == (201, 201, made.json())
    tidy = await platform.http(tenant, "manager").post(
        "/api/v1/rides/tidy", json={"left_before": "2020-01-01T00:00:00Z"}
    )
    assert tidy.status_code == 202
    await platform.kernel.meter.flush()
    return made.json()


@pytest.mark.parametrize(
    ("tenant", "here", "there"), [("alpha", "main", "second"), ("beta", "second", "main")]
)
async def test_everything_a_tenant_makes_is_in_its_own_cluster(
    two: Platform, tenant: str, here: str, there: str
) -> None:
    async with two.sql() as admin:
        await admin.execute("truncate kernel.audit_entries, kernel.usage_daily")

    await use(two, tenant)

    assert {table: await rows(two, here, table, tenant) > 0 for table in OWN} == dict.fromkeys(
        OWN, True
    )
    assert {table: await rows(two, there, table, tenant) for table in OWN} == dict.fromkeys(OWN, 0)


async def test_reading_and_writing_work_as_anywhere(two: Platform) -> None:
    ride = await use(two, "beta")
    member, owner = two.http("beta", "member"), two.http("beta", "owner")

    assert (await member.get(f"/api/v1/rides/{ride['id']}")).json()["name"] == "Bus"
    changed = await member.patch(
        f"/api/v1/rides/{ride['id']}", json={"seats": 9}, headers={"If-Match": '"1"'}
    )
    assert (changed.json()["seats"], changed.json()["version"]) == (9, 2)
    joined = await member.post(f"/api/v1/rides/{ride['id']}/passengers", json={"name": "Ada"})
    assert joined.status_code == 201
    operations = [entry["operation"] for entry in (await owner.get("/api/v1/audit")).json()["data"]]
    assert operations[0] == "acme.carpool:passenger.add"
    assert [job["operation"] for job in (await owner.get("/api/v1/jobs")).json()["data"]] == [
        "acme.carpool:ride.tidy"
    ]
    used = (await owner.get("/api/v1/usage")).json()["data"]
    assert {line["operation"] for line in used} >= {"acme.carpool:ride.create"}
    stats = (await owner.get("/api/v1/stats")).json()
    assert [(limit["name"], limit["used"]) for limit in stats["limits"]] == [
        ("acme.carpool:rides", 1)
    ]
    assert (await owner.post(f"/api/v1/plugins/{CARPOOL}/disable")).is_success
    assert (await member.get("/api/v1/rides")).json()["code"] == "plugin_not_enabled"


async def test_a_job_is_cancelled_where_it_is(two: Platform) -> None:
    await use(two, "beta")
    manager = two.http("beta", "manager")
    job = (await manager.get("/api/v1/jobs")).json()["data"][0]

    answer = await manager.post(f"/api/v1/jobs/{job['id']}/cancel")

    assert answer.json()["status"] == "cancelled", answer.text
    async with two.sql(cluster="second") as admin:
        assert await admin.fetchval("select status from kernel.jobs") == "cancelled"


async def test_the_clusters_are_as_closed_to_each_other_as_tenants_are(two: Platform) -> None:
    rides = {tenant: await use(two, tenant) for tenant in ("alpha", "beta")}

    for tenant, other in (("alpha", "beta"), ("beta", "alpha")):
        client = two.http(tenant, "manager")
        assert [ride["id"] for ride in (await client.get("/api/v1/rides")).json()["data"]] == [
            rides[tenant]["id"]
        ]
        assert (await client.get(f"/api/v1/rides/{rides[other]['id']}")).status_code == 404
        assert (await client.delete(f"/api/v1/rides/{rides[other]['id']}")).status_code == 404


async def test_a_cluster_nobody_configured_is_a_clear_refusal_and_the_control_plane_still_answers(
    two: Platform,
) -> None:
    async with two.sql() as admin:
        await admin.execute("update kernel.tenants set cluster = 'third' where slug = 'beta'")
    await two.kernel.changes.caught_up()
    owner = two.http("beta", "owner")

    for answer in (
        await owner.get("/api/v1/rides"),
        await owner.post("/api/v1/rides", json={"name": "Bus"}),
    ):
        assert answer.status_code == 503, answer.text
        problem = answer.json()
        assert problem["code"] == "cluster_unknown"
        assert "'third'" in problem["detail"]
        assert "main, second" in problem["detail"]
        assert "TROPHENIX_CLUSTERS" in problem["next_step"]
    assert (await owner.get("/api/v1/members")).status_code == 200
    assert (await two.http("alpha", "owner").get("/api/v1/rides")).status_code == 200


async def test_a_tenant_cannot_be_placed_on_a_cluster_that_is_not_there(two: Platform) -> None:
    operator = two.http(None, "operator")
    wanted = {"slug": "gamma", "name": "Gamma", "owner_email": "owner@alpha.test", "plan": "custom"}

    refused = await operator.post("/api/v1/platform/tenants", json={**wanted, "cluster": "third"})
    placed = await operator.post("/api/v1/platform/tenants", json={**wanted, "cluster": "second"})

    assert (refused.status_code, refused.json()["code"]) == (503, "cluster_unknown")
    assert placed.status_code == 201, placed.text


async def test_while_one_cluster_is_away_the_tenants_of_the_other_go_on(two: Platform) -> None:
    second = two.databases.application["second"]
    async with wire_to(second) as wire:
        worker = await two.another_worker(clusters={"second": wire.through(second)})
        alpha, beta = worker.http("alpha", "member"), worker.http("beta", "member")
        assert (await beta.get("/api/v1/rides")).status_code == 200

        wire.refuse()

        assert (await beta.get("/api/v1/rides")).json()["code"] == "unavailable"
        assert (await beta.post("/api/v1/rides", json={"name": "Bus"})).status_code == 503
        assert (await alpha.post("/api/v1/rides", json={"name": "Bus"})).status_code == 201
        wire.mend()
        assert (await beta.post("/api/v1/rides", json={"name": "Bus"})).status_code == 201
