"""Every promise of the fixtures is kept by a running kernel."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from trophenix_sdk.errors import LimitReached, PermissionDenied, Unauthenticated
from trophenix_testing.connections import connect
from trophenix_testing.platform import Platform, PlatformFactory, PluginNotServing
from trophenix_testing.samples import CARPOOL, LUNCH, write_carpool, write_lunch
from trophenix_testing.scene import PASSWORD, ROLES
from trophenix_testing.servers import Servers


@pytest.fixture
async def carpool(platform_factory: PlatformFactory, tmp_path: Path) -> Platform:
    """A platform with both sample plugins."""
    return await platform_factory(plugins=[write_carpool(tmp_path), write_lunch(tmp_path)])


class TestPeople:
    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize("by", ["key", "session", "cookie"])
    async def test_everybody_is_who_they_show_to_be(
        self, platform: Platform, role: str, by: str
    ) -> None:
        client = platform.http("beta", role, by=by)  # pyright: ignore[reportArgumentType]

        me = (await client.get("/api/v1/me")).json()

        assert [place["slug"] for place in me["tenants"]] == ["beta"]
        assert me["tenants"][0]["role"] == role
        assert me["email"] == f"{role}@beta.test"

    async def test_a_cookie_may_change_something_from_the_platforms_own_pages(
        self, platform: Platform
    ) -> None:
        client = platform.http("alpha", "owner", by="cookie")

        answer = await client.patch("/api/v1/tenant", json={"name": "Alpha United"})

        assert answer.json()["name"] == "Alpha United"

    async def test_the_password_everybody_has_signs_in(self, platform: Platform) -> None:
        answer = await platform.http(None, None).post(
            "/api/v1/auth/sign-in", json={"email": "viewer@alpha.test", "password": PASSWORD}
        )

        assert answer.status_code == 200, answer.text

    async def test_a_stranger_and_nobody_are_refused(self, platform: Platform) -> None:
        stranger = await platform.http("alpha", "stranger").get("/api/v1/tenant")
        nobody = await platform.http("alpha", None).get("/api/v1/tenant")

        assert (stranger.status_code, nobody.status_code) == (404, 401)

    async def test_the_operator_administrates_the_platform(self, platform: Platform) -> None:
        answer = await platform.http(None, "operator").get("/api/v1/platform/tenants")

        assert [tenant["slug"] for tenant in answer.json()["data"]] == ["alpha", "beta"]

    async def test_a_role_without_a_tenant_is_a_mistake_of_the_test(
        self, platform: Platform
    ) -> None:
        with pytest.raises(ValueError, match="viewer"):
            platform.http(None, "viewer")


class TestCalls:
    async def test_a_call_goes_through_the_pipeline(self, carpool: Platform) -> None:
        ride = await carpool.call("alpha", f"{CARPOOL}:ride.create", {"name": "Bus"}, role="member")

        with pytest.raises(PermissionDenied):
            await carpool.call("alpha", f"{CARPOOL}:ride.create", {"name": "Van"}, role="viewer")
        audit = (await carpool.http("alpha").get("/api/v1/audit")).json()["data"]
        assert (audit[0]["operation"], audit[0]["target"]) == (
            "acme.carpool:ride.create",
            str(ride.id),
        )

    async def test_a_repeated_key_gives_the_first_answer(self, carpool: Platform) -> None:
        ask = [
            await carpool.answer(
                "alpha", f"{CARPOOL}:ride.create", {"name": "Bus"}, idempotency_key="k1"
            )
            for _ in range(2)
        ]

        assert [answer.replayed for answer in ask] == [False, True]
        assert ask[0].body == ask[1].body

    async def test_a_plugin_that_is_not_there_is_named(self, carpool: Platform) -> None:
        with pytest.raises(PluginNotServing, match=r"acme\.taxi is not installed.*acme\.carpool"):
            await carpool.call("alpha", "acme.taxi:ride.create")

    async def test_a_plugin_that_was_refused_says_why(
        self, platform_factory: PlatformFactory, tmp_path: Path
    ) -> None:
        platform = await platform_factory(
            plugins=[write_carpool(tmp_path, adding={"plugin.py": "\n1 / 0\n"})]
        )

        with pytest.raises(PluginNotServing, match="ZeroDivisionError"):
            await platform.call("alpha", f"{CARPOOL}:ride.list")

    async def test_every_serving_plugin_is_on_and_agreed_to(self, carpool: Platform) -> None:
        answer = (await carpool.http("beta").get("/api/v1/plugins")).json()["data"]

        assert {plugin["id"]: plugin["state"] for plugin in answer} == {
            CARPOOL: "ENABLED",
            LUNCH: "ENABLED",
        }
        assert all(asked["consented"] for plugin in answer for asked in plugin["capabilities"])

    async def test_limits_and_plans_can_be_chosen(
        self, platform_factory: PlatformFactory, tmp_path: Path
    ) -> None:
        platform = await platform_factory(
            plugins=[write_carpool(tmp_path)], plan="free", limits={f"{CARPOOL}:rides": {"free": 1}}
        )
        await platform.call("alpha", f"{CARPOOL}:ride.create", {"name": "Bus"})

        with pytest.raises(LimitReached):
            await platform.call("alpha", f"{CARPOOL}:ride.create", {"name": "Van"})


class TestDatabases:
    async def test_every_test_begins_with_the_same_rows(
        self, platform_factory: PlatformFactory
    ) -> None:
        first = await platform_factory(plugins=[])
        await first.http("alpha").patch("/api/v1/tenant", json={"name": "Changed"})
        second = await platform_factory(plugins=[])

        answer = await second.http("alpha").get("/api/v1/tenant")

        assert answer.json()["name"] == "Alpha"

    async def test_each_role_sees_what_it_may(self, carpool: Platform) -> None:
        await carpool.call("alpha", f"{CARPOOL}:ride.create", {"name": "Bus"})
        count = "select count(*) from plugin_acme_carpool.rides"

        async with carpool.sql("admin") as connection:
            assert await connection.fetchval(count) == 1
        async with carpool.sql(CARPOOL) as connection:
            assert await connection.fetchval(count) == 0
        async with carpool.sql(CARPOOL, tenant="alpha") as connection:
            assert await connection.fetchval(count) == 1
        async with carpool.sql("app", tenant="alpha") as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(count)

    async def test_a_database_is_gone_with_its_test(
        self, trophenix_servers: Servers, platform: Platform
    ) -> None:
        connection = await connect(trophenix_servers.main.dsn())
        try:
            names = await connection.fetch(
                "select datname from pg_database where datname like 'test_%'"
            )
        finally:
            await connection.close()

        mine = platform.databases.admin["main"].rpartition("/")[2]
        assert [row[0] for row in names] == [mine]

    async def test_with_two_clusters_betas_rows_are_in_the_second(
        self, platform_factory: PlatformFactory, tmp_path: Path
    ) -> None:
        platform = await platform_factory(plugins=[write_carpool(tmp_path)], clusters=2)
        for tenant in ("alpha", "beta"):
            await platform.call(tenant, f"{CARPOOL}:ride.create", {"name": tenant})

        for cluster, tenant in (("main", "alpha"), ("second", "beta")):
            async with platform.sql("admin", cluster=cluster) as connection:
                names = await connection.fetch("select name from plugin_acme_carpool.rides")
                assert [row[0] for row in names] == [tenant]


class TestTimeAndWorkers:
    async def test_the_kernel_takes_the_tests_time(self, platform: Platform) -> None:
        client = platform.http("alpha", "viewer", by="session")
        assert (await client.get("/api/v1/me")).status_code == 200

        platform.clock.advance(days=15)

        with pytest.raises(Unauthenticated):
            await platform.kernel.credentials.of_session(
                platform.tenant("alpha").people["viewer"].session
            )
        assert (await client.get("/api/v1/me")).status_code == 401

    async def test_a_stopped_clock_moves_only_by_hand(self, platform: Platform) -> None:
        instant = platform.clock.stop()
        await platform.http("alpha").get("/api/v1/tenant")

        assert platform.clock.now() == instant
        assert platform.clock.advance(hours=1) - instant == timedelta(hours=1)

    async def test_another_worker_hears_what_this_one_changes(self, platform: Platform) -> None:
        other = await platform.another_worker()
        client = other.http("alpha")
        assert (await client.get("/api/v1/tenant")).json()["name"] == "Alpha"
        heard = asyncio.Event()
        other.kernel.changes.on("tenants", lambda _key: heard.set())

        await platform.http("alpha").patch("/api/v1/tenant", json={"name": "Changed"})
        await asyncio.wait_for(heard.wait(), 5)

        assert (await client.get("/api/v1/tenant")).json()["name"] == "Changed"
