"""For whom a call is: the path before the header before the key before the host, and never somebody else's tenant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import CARPOOL, write_carpool

HOST = "http://{}.trophenix.test"


async def get(
    client: httpx.AsyncClient, path: str = "/api/v1/tenant", **headers: str
) -> httpx.Response:
    return await client.get(
        path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def without_header(client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.headers.pop("X-Tenant-ID", None)
    return client


class TestAKey:
    async def test_a_key_alone_names_its_tenant(self, platform: Platform) -> None:
        assert (await get(platform.http("alpha", "viewer"))).json()["slug"] == "alpha"

    async def test_a_key_is_refused_in_another_tenant_wherever_that_is_named(
        self, platform: Platform
    ) -> None:
        key = platform.http("alpha", "owner")
        beta = platform.tenant("beta")

        assert (await get(key, "/api/v1/tenants/beta/tenant")).status_code == 404
        assert (await get(key, f"/api/v1/tenants/{beta.id}/tenant")).status_code == 404
        assert (await get(key, X_Tenant_ID="beta")).status_code == 404
        assert (await get(key, X_Tenant_ID=str(beta.id))).status_code == 404
        assert (await get(key, X_Tenant_ID=str(beta.id).upper())).status_code == 404

    async def test_the_path_counts_when_the_header_disagrees(self, platform: Platform) -> None:
        key = platform.http("alpha", "owner")

        assert (await get(key, "/api/v1/tenants/alpha/tenant", X_Tenant_ID="beta")).json()[
            "slug"
        ] == "alpha"
        assert (
            await get(key, "/api/v1/tenants/beta/tenant", X_Tenant_ID="alpha")
        ).status_code == 404

    async def test_a_key_is_not_led_elsewhere_by_the_host(self, platform: Platform) -> None:
        key = platform.http("alpha", "owner", base_url=HOST.format("beta"))

        assert (await get(key)).json()["slug"] == "alpha"

    async def test_a_key_of_somebody_who_left_opens_nothing(self, platform: Platform) -> None:
        key = platform.http("alpha", "viewer")
        assert (await get(key)).status_code == 200
        member = platform.tenant("alpha").people["viewer"].member_id

        assert (
            await platform.http("alpha", "owner").delete(f"/api/v1/members/{member}")
        ).is_success

        assert (await get(key)).status_code == 404


class TestASession:
    async def test_a_session_alone_names_no_tenant(self, platform: Platform) -> None:
        session = without_header(platform.http("alpha", "owner", by="session"))

        assert (await get(session)).status_code == 404
        assert (await get(session, "/api/v1/me")).status_code == 200

    async def test_the_host_leads_a_session(self, platform: Platform) -> None:
        for by in ("session", "cookie"):
            alpha = without_header(
                platform.http("alpha", "owner", by=by, base_url=HOST.format("alpha"))
            )  # pyright: ignore[reportArgumentType]
            beta = without_header(
                platform.http("alpha", "owner", by=by, base_url=HOST.format("beta"))
            )  # pyright: ignore[reportArgumentType]

            assert (await get(alpha)).json()["slug"] == "alpha"
            assert (await get(beta)).status_code == 404

    async def test_the_header_counts_when_the_host_disagrees(self, platform: Platform) -> None:
        session = platform.http("alpha", "owner", by="session", base_url=HOST.format("beta"))

        assert (await get(session)).json()["slug"] == "alpha"

    @pytest.mark.parametrize(
        "host",
        [
            "alpha.trophenix.test.evil.example",
            "xalpha.trophenix.test",
            "alpha.beta.trophenix.test",
            ".trophenix.test",
            "trophenix.test.",
            "alpha",
        ],
    )
    async def test_a_host_that_only_looks_like_a_tenants_leads_nowhere(
        self, platform: Platform, host: str
    ) -> None:
        session = without_header(platform.http("alpha", "owner", by="session"))

        assert (await get(session, Host=host)).status_code == 404

    async def test_a_domain_leads_to_its_tenant_only_once_it_is_verified(
        self, platform: Platform
    ) -> None:
        session = without_header(
            platform.http("alpha", "owner", by="session", base_url="http://club.example")
        )
        async with platform.sql("admin") as admin:
            await admin.execute(
                "insert into kernel.tenant_domains (tenant_id, domain) values ($1, 'club.example')",
                platform.tenant("alpha").id,
            )
            await platform.kernel.changes.caught_up()
            assert (await get(session)).status_code == 404

            await admin.execute("update kernel.tenant_domains set verified_at = now()")
        await platform.kernel.changes.caught_up()

        assert (await get(session)).json()["slug"] == "alpha"


class TestStrangers:
    async def test_a_tenant_that_is_not_yours_looks_like_one_that_is_not_there(
        self, platform: Platform
    ) -> None:
        def told(answer: httpx.Response) -> dict[str, Any]:
            return {
                name: value
                for name, value in answer.json().items()
                if name not in {"request_id", "instance"}
            }

        for client in (platform.http(None, "stranger"), platform.http(None, None)):
            for path in ("tenant", "members", "stats", "no-such-route"):
                there = await get(client, f"/api/v1/tenants/beta/{path}")
                absent = await get(client, f"/api/v1/tenants/atlantis/{path}")

                assert (there.status_code, told(there)) == (
                    absent.status_code,
                    {**told(absent), "detail": told(absent)["detail"].replace("atlantis", "beta")},
                )

    async def test_the_platforms_administrator_is_a_stranger_in_tenants_too(
        self, platform: Platform
    ) -> None:
        assert (await get(platform.http("beta", "operator"))).status_code == 404

    async def test_a_tenant_that_was_deleted_is_nobodys(self, platform: Platform) -> None:
        owner = platform.http("beta", "owner")
        assert (await get(owner)).status_code == 200
        async with platform.sql("admin") as admin:
            await admin.execute("update kernel.tenants set deleted_at = now() where slug = 'beta'")
        await platform.kernel.changes.caught_up()

        assert (await get(owner)).status_code == 404
        assert (await get(platform.http("beta", "owner", by="session"))).status_code == 404


_OPEN = """
import msgspec

from trophenix_sdk.context import Context
from trophenix_sdk.database import Query
from trophenix_sdk.operations import GET, operation


class Names(msgspec.Struct, frozen=True):
    tenant: str
    data: list[str]


NAMES = Query("select name from plugin_acme_carpool.rides order by name", str)


@operation(name="ride.board", title="Board", http=GET("/rides/board"), scope="public")
async def board(ctx: Context) -> Names:
    return Names(ctx.tenant.slug, await ctx.db.all(NAMES))


@operation(name="ride.everywhere", title="Everywhere", http=GET("/rides/everywhere"), scope="platform")
async def everywhere(ctx: Context) -> Names:
    return Names(ctx.tenant.slug, await ctx.db.all(NAMES))


OPERATIONS += [board, everywhere]
"""


class TestOpenOperationsOfPlugins:
    @pytest.fixture
    async def carpool(self, platform_factory: PlatformFactory, tmp_path: Path) -> Platform:
        names = ["ride.board", "ride.everywhere"]
        plugin = write_carpool(tmp_path, adding={"more.py": _OPEN}, operations=names)
        made = await platform_factory(plugins=[plugin])
        for tenant in ("alpha", "beta"):
            await made.call(tenant, f"{CARPOOL}:ride.create", {"name": f"Bus of {tenant}"})
        return made

    async def test_a_public_operation_is_the_named_tenants(self, carpool: Platform) -> None:
        for who in (
            carpool.http("beta", None),
            carpool.http("beta", "stranger"),
            carpool.http(None, None, base_url=HOST.format("beta")),
        ):
            assert (await get(who, "/api/v1/rides/board")).json() == {
                "tenant": "beta",
                "data": ["Bus of beta"],
            }

        assert (await get(carpool.http(None, None), "/api/v1/rides/board")).json() == {
            "tenant": "",
            "data": [],
        }

    async def test_a_public_operation_is_not_there_where_the_plugin_is_off(
        self, carpool: Platform
    ) -> None:
        nobody = carpool.http("beta", None)
        assert (await get(nobody, "/api/v1/rides/board")).status_code == 200

        assert (
            await carpool.http("beta", "owner").post(f"/api/v1/plugins/{CARPOOL}/disable")
        ).is_success

        answer = await get(nobody, "/api/v1/rides/board")
        assert (answer.status_code, answer.json()["code"]) == (404, "plugin_not_enabled")

    async def test_an_operation_outside_tenants_sees_no_tenants_rows_whatever_is_named(
        self, carpool: Platform
    ) -> None:
        for who in (
            carpool.http("beta", "stranger"),
            carpool.http("alpha", "owner"),
            carpool.http("beta", "operator"),
        ):
            answer = await get(who, "/api/v1/rides/everywhere", X_Tenant_ID="beta")

            assert answer.json() == {"tenant": "", "data": []}
