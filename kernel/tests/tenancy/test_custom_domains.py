"""A tenant is found under a host name it has proven to own, and under no other; who owns none is remembered only until it changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import pytest

from trophenix_kernel.composition import Kernel
from trophenix_testing.platform import BASE_URL, Platform, PlatformFactory

DOMAIN: Final = "www.club.example"
VERIFIED: Final = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def platform(platform_factory: PlatformFactory) -> Platform:
    return await platform_factory(plugins=[])


@pytest.fixture
async def admin(platform: Platform) -> AsyncIterator[Any]:
    async with platform.sql("admin") as connection:
        yield connection


async def claim(
    admin: Any, platform: Platform, tenant: str = "alpha", *, verified: datetime | None = VERIFIED
) -> None:
    heard = hears(platform.kernel)
    await admin.execute(
        "insert into kernel.tenant_domains (tenant_id, domain, verified_at) values ($1, $2, $3)",
        platform.tenant(tenant).id,
        DOMAIN,
        verified,
    )
    await wait_for(heard)


def hears(kernel: Kernel) -> asyncio.Event:
    """Set once the kernel has heard of a change of a domain and dropped what it kept."""
    heard = asyncio.Event()
    kernel.changes.on("tenant_domains", lambda _tenant: heard.set())
    return heard


async def wait_for(heard: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await heard.wait()


async def ask(
    platform: Platform, base_url: str = f"http://{DOMAIN}", *, word: str = "", tenant: str = "alpha"
) -> str:
    """The slug of the tenant that its owner reaches at an address, or the refusal's code."""
    headers = {"Authorization": f"Bearer {platform.tenant(tenant).people['owner'].session}"}
    if word:
        headers["X-Tenant-ID"] = word
    client = platform.http(None, None, base_url=base_url, headers=headers)
    answer = (await client.get("/api/v1/tenant")).json()
    return answer.get("slug") or answer["code"]


async def test_a_verified_domain_leads_to_its_tenant(platform: Platform, admin: Any) -> None:
    await claim(admin, platform)

    assert await ask(platform) == "alpha"
    assert await ask(platform, f"http://{DOMAIN}:8443") == "alpha"
    assert await ask(platform, "http://WWW.Club.Example") == "alpha"


async def test_a_domain_that_was_only_claimed_leads_nowhere(platform: Platform, admin: Any) -> None:
    await claim(admin, platform, verified=None)

    assert await ask(platform) == "tenant_not_found"


@pytest.mark.parametrize(
    "host",
    [
        "unknown.example",
        f"deeper.{DOMAIN}",
        "club.example",
        "127.0.0.1",
        "alpha.example",
        "a.alpha.trophenix.test",
    ],
)
async def test_another_host_leads_nowhere(platform: Platform, admin: Any, host: str) -> None:
    await claim(admin, platform)

    assert await ask(platform, f"http://{host}") == "tenant_not_found"


async def test_what_the_caller_names_counts_for_more_than_the_host(
    platform: Platform, admin: Any
) -> None:
    await claim(admin, platform, "beta")

    assert await ask(platform, word="alpha") == "alpha"
    assert await ask(platform, f"http://{DOMAIN}") == "tenant_not_found", "beta is not alpha's"
    assert await ask(platform, BASE_URL, word=DOMAIN) == "tenant_not_found", "a slug, not a host"


async def test_a_domain_lets_nobody_in(platform: Platform, admin: Any) -> None:
    await claim(admin, platform, "beta")

    assert await ask(platform, tenant="alpha") == "tenant_not_found"
    assert await ask(platform, tenant="beta") == "beta"


async def test_that_a_host_is_nobodys_is_remembered_until_somebody_proves_it_is_theirs(
    platform: Platform, admin: Any
) -> None:
    worker = await platform.another_worker()
    for process in (platform, worker):
        assert await ask(process) == "tenant_not_found"
        pool = process.kernel.clusters.main
        before = pool.trips
        assert await ask(process) == "tenant_not_found"
        assert pool.trips == before, "the second question costs the database nothing"

    heard = hears(worker.kernel)
    await claim(admin, platform, verified=None)
    await wait_for(heard)
    assert await ask(platform) == await ask(worker) == "tenant_not_found"

    heard = [hears(process.kernel) for process in (platform, worker)]
    await admin.execute("update kernel.tenant_domains set verified_at = $1", VERIFIED)
    for one in heard:
        await wait_for(one)
    assert await ask(platform) == await ask(worker) == "alpha"


@pytest.mark.parametrize(
    "loses",
    [
        "delete from kernel.tenant_domains",
        "update kernel.tenant_domains set verified_at = null",
        "update kernel.tenant_domains set domain = 'other.example'",
    ],
)
async def test_a_domain_that_is_lost_leads_nowhere(
    platform: Platform, admin: Any, loses: str
) -> None:
    await claim(admin, platform)
    assert await ask(platform) == "alpha"

    heard = hears(platform.kernel)
    await admin.execute(loses)
    await wait_for(heard)

    assert await ask(platform) == "tenant_not_found"


async def test_a_deleted_tenants_domain_leads_nowhere(platform: Platform, admin: Any) -> None:
    await claim(admin, platform)
    assert await ask(platform) == "alpha"

    await platform.call(None, "kernel:platform.delete_tenant", {"slug": "alpha"}, role="operator")

    assert await ask(platform) == "tenant_not_found"


async def test_two_tenants_may_claim_a_domain_and_one_may_have_it(
    platform: Platform, admin: Any
) -> None:
    await claim(admin, platform, "beta", verified=None)
    await claim(admin, platform, "alpha")

    assert await ask(platform) == "alpha"
    with pytest.raises(asyncpg.UniqueViolationError):
        await admin.execute("update kernel.tenant_domains set verified_at = $1", VERIFIED)
