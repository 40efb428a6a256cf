"""The way into a database is found from what the operator gives, or the refusal says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from trophenix_kernel.composition import Kernel
from trophenix_kernel.settings import Settings
from trophenix_kernel.storage.installation import NotSetUp, NoWayIn, application_dsn, set_up
from trophenix_migrations.roles import APP, app_password
from trophenix_migrations.runner import KERNEL, downgrade
from trophenix_testing.connections import connect
from trophenix_testing.platform import Platform
from trophenix_testing.servers import Servers, no_plugins


@pytest.fixture
async def database(trophenix_servers: Servers) -> AsyncIterator[str]:
    """A superuser's address of a database in which nothing was set up."""
    dsn = await trophenix_servers.empty_database()
    yield dsn
    await trophenix_servers.drop(dsn)


async def test_the_secret_is_made_once_and_leads_to_the_login(
    trophenix_servers: Servers, database: str
) -> None:
    first, _ = await set_up(database, [], secret=trophenix_servers.secret)
    second, _ = await set_up(database, [])

    assert first == second == trophenix_servers.secret
    dsn = await application_dsn(database)
    assert urlsplit(dsn).username == APP
    assert urlsplit(dsn).password == app_password(first)
    connection = await connect(dsn)
    assert await connection.fetchval("select current_user") == APP
    await connection.close()


async def test_the_secret_from_the_environment_needs_no_look_into_the_database() -> None:
    nowhere = "postgresql://keeper:x@127.0.0.1:1/trophenix?sslmode=disable"

    dsn = await application_dsn(nowhere, b"given")

    assert (
        dsn == f"postgresql://{APP}:{app_password(b'given')}@127.0.0.1:1/trophenix?sslmode=disable"
    )


async def test_the_applications_own_address_stays_as_it_is() -> None:
    own = f"postgresql://{APP}:word@127.0.0.1:1/trophenix"

    assert await application_dsn(own) == own


async def test_a_database_that_is_not_there_says_so(database: str) -> None:
    with pytest.raises(NotSetUp, match="does not exist") as refusal:
        await application_dsn(f"{database}_nowhere")

    assert "trophenix migrate" in refusal.value.next_step


async def test_an_empty_database_says_so(database: str) -> None:
    with pytest.raises(NotSetUp, match="no installation") as refusal:
        await application_dsn(database)

    assert "trophenix migrate" in refusal.value.next_step


async def test_a_login_that_may_not_read_the_secret_says_so(platform: Platform) -> None:
    dsn = platform.databases.admin["main"]
    async with platform.sql() as admin:
        await admin.execute(
            "do $$ begin create role passer_by login password 'x'; exception when duplicate_object then null; end $$"
        )
    parts = urlsplit(dsn)

    with pytest.raises(NoWayIn, match="passer_by may not read") as refusal:
        await application_dsn(dsn.replace(parts.netloc.rpartition("@")[0], "passer_by:x"))

    assert APP in refusal.value.next_step


async def test_the_kernel_does_not_start_on_tables_of_another_version(platform: Platform) -> None:
    dsn = platform.databases.admin["main"]
    await downgrade(dsn, KERNEL)

    with pytest.raises(NotSetUp, match="this version needs") as refusal:
        await platform.another_worker()

    assert "trophenix migrate" in refusal.value.next_step


async def test_the_kernel_does_not_start_on_an_empty_database(
    trophenix_servers: Servers, database: str
) -> None:
    dsn = await application_dsn(database, trophenix_servers.secret)
    # The login exists as soon as any database of the server was set up.
    await trophenix_servers.template(no_plugins())

    with pytest.raises(NotSetUp, match="at nothing"):
        await Kernel.compose(Settings(database_url=dsn), loaded=no_plugins())
