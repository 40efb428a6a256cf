"""What the SQL of a plugin can reach, and, by name, what the context of a plugin in our own process can forge."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from trophenix_sdk.database import Query
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import CARPOOL, LUNCH, write_carpool, write_lunch

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINE = "plugin_acme_carpool"
THEIRS = "plugin_other_lunch"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def carpool(
    module_platform_factory: PlatformFactory, tmp_path_factory: pytest.TempPathFactory
) -> Platform:
    """Two plugins with a row each in both tenants."""
    site = tmp_path_factory.mktemp("site")
    platform = await module_platform_factory(plugins=[write_carpool(site), write_lunch(site)])
    for tenant in ("alpha", "beta"):
        await platform.call(tenant, f"{CARPOOL}:ride.create", {"name": f"Bus of {tenant}"})
        await platform.call(tenant, f"{LUNCH}:table.book", {"place": f"Table of {tenant}"})
    return platform


@asynccontextmanager
async def as_plugin(platform: Platform) -> AsyncGenerator[Any]:
    """A connection as a plugin's transaction has it, for alpha; undone afterwards."""
    async with platform.sql("app") as connection:
        await connection.execute(
            f"begin; set local app.tenant_id = '{platform.tenant('alpha').id}'; set local role {MINE}"
        )
        yield connection
        await connection.execute("rollback")


REFUSED = {
    "another plugin's rows": f"select * from {THEIRS}.bookings",
    "another plugin's rows, by writing": f"insert into {THEIRS}.bookings (id, place) values (gen_random_uuid(), 'x')",
    "the version of another plugin's tables": f"select * from {THEIRS}.alembic_version",
    "the version of its own tables": f"update {MINE}.alembic_version set version_num = 'x'",
    "tenants": "select * from kernel.tenants",
    "people": "select email, password_hash from kernel.users",
    "sessions": "select * from kernel.sessions",
    "keys": "select * from kernel.api_keys",
    "grants": "insert into kernel.grants (id, subject_kind, subject, permission) values (gen_random_uuid(), 'role', 'viewer', '*')",
    "the installation's secret": "select * from kernel.installation",
    "the audit log": "select * from kernel.audit_entries",
    "the outbox": "select * from kernel.take_outbox(1)",
    "jobs": "select * from kernel.claim_jobs(1, '1 minute')",
    "keys across tenants": "select * from kernel.find_api_key('\\x00')",
    "memberships across tenants": "select * from kernel.memberships_of(gen_random_uuid())",
    "limits": "select kernel.use_limit('acme.carpool:rides', -100, null)",
    "usage": "select kernel.add_usage('[]')",
    "emptying its own table": f"truncate {MINE}.rides",
    "dropping its own table": f"drop table {MINE}.rides",
    "a table of its own": f"create table {MINE}.more (id int)",
    "a table in public": "create table public.more (id int)",
    "a table in the kernel's schema": "create table kernel.more (id int)",
    "a schema": "create schema more",
    "a function": f"create function {MINE}.peek() returns int language sql as 'select 1'",
    "a function that runs as somebody else": "create function public.peek() returns int language sql security definer as 'select 1'",
    "an extension": "create extension btree_gist",
    "a role": "create role more login",
    "its own privileges": f"alter role {MINE} bypassrls",
    "becoming the session's user of somebody else": "set session authorization postgres",
    "becoming the owner of all tables": "set role trophenix_owner",
    "becoming the one who looks across tenants": "set role trophenix_system",
    "becoming the superuser": "set role postgres",
    "a program, by reading": f"copy {MINE}.rides to program 'cat'",
    "a program, by writing": "create temporary table t (x text); copy t from program 'id'",
    "a file, by COPY": "create temporary table t (x text); copy t from '/etc/passwd'",
    "a file, by writing": f"copy (select 1) to '/nowhere/{MINE}'",
    "a file, by function": "select pg_read_file('/etc/passwd')",
    "a directory": "select pg_ls_dir('.')",
    "a large object from a file": "select lo_import('/etc/passwd')",
    "passwords of logins": "select rolpassword from pg_authid",
    "a setting for the superuser": "set session_replication_role = replica",
    "ending other connections": "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
    "loading a library": "load 'auto_explain'",
    "code in an unsafe language": "do language plpython3u 'pass'",
    "rows without row security": f"set local row_security = off; select * from {MINE}.rides",
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_plugins_sql_does_not_reach(carpool: Platform, what: str) -> None:
    async with as_plugin(carpool) as connection:
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await connection.execute(REFUSED[what])

    # 42501 insufficient privilege; 42704 no such language; 22023 no such role for us.
    assert refusal.value.sqlstate in {"42501", "42704", "22023"}, refusal.value


async def test_a_plugin_does_not_see_what_other_connections_ask(carpool: Platform) -> None:
    secret = "select 'what another plugin asks'"
    async with carpool.sql("app") as other, as_plugin(carpool) as connection:
        await other.fetchval(secret)

        assert (
            await connection.fetchval(
                "select count(*) from pg_stat_activity where query = $1", secret
            )
            == 0
        )


async def test_another_plugins_handler_cannot_use_the_wrong_role_by_mistake(
    carpool: Platform,
) -> None:
    """The pipeline gives each operation its own plugin's role, nested calls too."""
    query: Query[Any] = Query(f"select place from {THEIRS}.bookings", str)
    from trophenix_kernel.storage.session import Reader  # noqa: PLC0415 - what only this test looks at

    with pytest.raises(Exception, match="refuses"):
        await Reader(carpool.kernel.clusters.main, MINE, carpool.tenant("alpha").id).all(query)


class TestWhatAPluginInOurProcessCanForge:
    """Limits of plain context, accepted and named: docs/adr/0013-tenant-context.md.

    Should one of these begin to fail, the platform has become stricter: correct the decision record.
    """

    async def test_its_sql_can_name_another_tenant(self, carpool: Platform) -> None:
        beta = carpool.tenant("beta").id
        async with as_plugin(carpool) as connection:
            assert await connection.fetch(f"select name from {MINE}.rides") == [("Bus of alpha",)]

            await connection.execute(f"select set_config('app.tenant_id', '{beta}', true)")

            assert await connection.fetch(f"select name from {MINE}.rides") == [("Bus of beta",)]

    async def test_its_sql_can_take_another_plugins_role(self, carpool: Platform) -> None:
        async with as_plugin(carpool) as connection:
            await connection.execute(f"set role {THEIRS}")

            assert await connection.fetch(f"select place from {THEIRS}.bookings") == [
                ("Table of alpha",)
            ]

    async def test_its_sql_can_take_the_kernels_role(self, carpool: Platform) -> None:
        async with as_plugin(carpool) as connection:
            await connection.execute("reset role")

            assert await connection.fetchval("select count(*) from kernel.tenants") == 2

    async def test_even_so_it_is_never_the_owner_nor_past_row_security(
        self, carpool: Platform
    ) -> None:
        async with as_plugin(carpool) as connection:
            await connection.execute("reset role; select set_config('app.tenant_id', '', true)")

            assert await connection.fetchval("select count(*) from kernel.memberships") == 0
            for statement in (
                "set local role trophenix_owner",
                "select * from kernel.installation",
            ):
                await connection.execute("savepoint attempt")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
                await connection.execute("rollback to savepoint attempt")
