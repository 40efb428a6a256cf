"""The survey at every start finds each way in which a table can be open; a plugin's costs that plugin, the kernel's costs the start."""

from __future__ import annotations

import pytest
import pytest_asyncio

from trophenix_kernel.composition import TablesOpen
from trophenix_kernel.plugins.model import PluginState
from trophenix_kernel.storage.row_security import Gap, survey
from trophenix_sdk.migrations import CURRENT_TENANT
from trophenix_testing.connections import connect
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import CARPOOL, LUNCH, write_carpool, write_lunch

RIDES = "plugin_acme_carpool.rides"
PASSENGERS = "plugin_acme_carpool.passengers"
SCHEMA = "plugin_acme_carpool"
CLOSED = f"tenant_id = (select {CURRENT_TENANT})"

EVERYWHERE = {
    "row security is off": ("alter table {t} disable row level security", "not enabled"),
    "the owner is excepted": ("alter table {t} no force row level security", "not forced"),
    "the policy is gone": ("drop policy tenant on {t}", "policy `tenant` is missing"),
    "the policy lets everything through": (
        "alter policy tenant on {t} using (true)",
        "is not the platform's",
    ),
    "the policy checks nothing that is written": (
        "alter policy tenant on {t} with check (true)",
        "is not the platform's",
    ),
    "the policy lets rows without a tenant through": (
        f"alter policy tenant on {{t}} using (tenant_id is null or {CLOSED})",
        "is not the platform's",
    ),
    "the policy believes another setting": (
        f"alter policy tenant on {{t}} using ({CLOSED.replace('app.tenant_id', 'app.other')})",
        "is not the platform's",
    ),
    "the policy is for reading only": (
        f"drop policy tenant on {{t}}; create policy tenant on {{t}} for select using ({CLOSED})",
        "is not the platform's",
    ),
    "the policy is for one role only": (
        "alter policy tenant on {t} to trophenix_app",
        "is not the platform's",
    ),
    "the policy only narrows": (
        f"drop policy tenant on {{t}}; create policy tenant on {{t}} as restrictive using ({CLOSED})",
        "is not the platform's",
    ),
    "another policy opens it further": (
        "create policy more on {t} using (true)",
        "policy more opens the table further",
    ),
    "another policy opens it for one role": (
        "create policy more on {t} for select to trophenix_app using (true)",
        "policy more opens the table further",
    ),
    "somebody else owns it": ("alter table {t} owner to postgres", "belongs to postgres"),
}

OF_PLUGINS = {
    "a unique name": (f"create unique index loose on {RIDES} (name)", "unique index loose"),
    "a unique name with the tenant beside it": (
        f"create unique index loose on {RIDES} (name) include (tenant_id)",
        "unique index loose",
    ),
    "a unique expression": (
        f"create unique index loose on {RIDES} (lower(name))",
        "unique index loose",
    ),
    "an exclusion": (
        f"alter table {RIDES} add constraint loose exclude (name with =)",
        "unique index loose",
    ),
    "a key without the tenant": (
        f"alter table {PASSENGERS} drop constraint pk_passengers, add primary key (id)",
        "primary key does not hold tenant_id",
    ),
    "a key that only carries the tenant along": (
        f"alter table {PASSENGERS} drop constraint pk_passengers, add primary key (id) include (tenant_id)",
        "primary key does not hold tenant_id",
    ),
    "a reference by id alone": (
        f"alter table {RIDES} add unique (id); alter table {PASSENGERS} add constraint loose foreign key (ride_id) references {RIDES} (id)",
        "foreign key loose",
    ),
    "a reference that crosses the columns": (
        f"alter table {PASSENGERS} add constraint loose foreign key (ride_id, tenant_id) references {RIDES} (tenant_id, id)",
        "foreign key loose",
    ),
    "a reference to people": (
        f"alter table {RIDES} add column driver uuid, add constraint loose foreign key (driver) references kernel.users (id)",
        "foreign key loose",
    ),
    "a table without a tenant": (
        f"create table {SCHEMA}.strays (id int); alter table {SCHEMA}.strays owner to trophenix_owner",
        "has no tenant_id",
    ),
    "a table whose tenant was dropped": (
        f"create table {SCHEMA}.strays (tenant_id uuid, id int); alter table {SCHEMA}.strays drop column tenant_id",
        "has no tenant_id",
    ),
    "a new table nobody closed": (
        f"create table {SCHEMA}.strays (tenant_id uuid, id uuid, primary key (tenant_id, id))",
        "row security is not enabled",
    ),
    "a materialized view": (
        f"create materialized view {SCHEMA}.copy as select * from {RIDES}",
        "materialized view",
    ),
    "a view with its owner's rights": (
        f"create view {SCHEMA}.seen as select * from kernel.api_keys",
        "security_invoker",
    ),
    "a function with its owner's rights": (
        f"create function {SCHEMA}.peek() returns bigint language sql security definer as 'select count(*) from kernel.api_keys'",
        "SECURITY DEFINER",
    ),
    "rows given to another plugin": (
        f"grant select on {RIDES} to plugin_other_lunch",
        "opened for plugin_other_lunch to select",
    ),
    "rows given to everybody": (
        f"grant select on {RIDES} to public",
        "opened for everybody to select",
    ),
    "emptying, which row security does not see": (
        f"grant truncate on {RIDES} to {SCHEMA}",
        "to truncate",
    ),
    "rights to pass on": (f"grant select on {RIDES} to {SCHEMA} with grant option", "to select"),
}


async def survey_after(platform: Platform, statement: str) -> list[Gap]:
    """What the platform's login finds after a change that is undone."""
    connection = await connect(platform.databases.admin["main"])
    try:
        await connection.execute(f"begin; {statement}; set session authorization trophenix_app")
        return await survey(connection)
    finally:
        await connection.close()


async def change(platform: Platform, statement: str) -> None:
    async with platform.sql() as admin:
        await admin.execute(statement)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surveyed(
    module_platform_factory: PlatformFactory, tmp_path_factory: pytest.TempPathFactory
) -> Platform:
    """A platform on whose database nothing is changed for good."""
    site = tmp_path_factory.mktemp("site")
    return await module_platform_factory(plugins=[write_carpool(site), write_lunch(site)])


on_the_module = pytest.mark.asyncio(loop_scope="module")


@on_the_module
async def test_tables_made_as_they_should_be_have_no_gap(surveyed: Platform) -> None:
    assert await survey_after(surveyed, "select 1") == []


async def test_whatever_is_installed_here_has_no_gap(platform: Platform) -> None:
    assert await survey_after(platform, "select 1") == []


@on_the_module
@pytest.mark.parametrize("table", [RIDES, "kernel.memberships", "kernel.limits_used"])
@pytest.mark.parametrize("gap", EVERYWHERE)
async def test_an_open_table_is_found(surveyed: Platform, gap: str, table: str) -> None:
    statement, fault = EVERYWHERE[gap]

    found = await survey_after(surveyed, statement.format(t=table))

    assert {one.table for one in found} == {table}
    assert any(fault in one.fault for one in found), found


@on_the_module
@pytest.mark.parametrize("gap", OF_PLUGINS)
async def test_what_plugins_must_not_make_is_found(surveyed: Platform, gap: str) -> None:
    statement, fault = OF_PLUGINS[gap]

    found = await survey_after(surveyed, statement)

    assert found
    assert all(one.table.startswith(f"{SCHEMA}.") for one in found)
    assert any(fault in one.fault for one in found), found


@on_the_module
@pytest.mark.parametrize("power", ["superuser", "bypassrls"])
async def test_a_login_that_row_security_does_not_hold_is_found(
    surveyed: Platform, power: str
) -> None:
    found = await survey_after(surveyed, f"alter role trophenix_app {power}")

    assert found == [Gap("(the login)", "is a superuser or may bypass row security")]


@pytest.mark.parametrize("gap", ["row security is off", "another policy opens it further"])
async def test_an_open_table_of_a_plugin_costs_that_plugin_only(
    carpool: Platform, gap: str
) -> None:
    statement, fault = EVERYWHERE[gap]
    await change(carpool, statement.format(t=RIDES))

    catalogue = (await carpool.another_worker()).kernel.catalogue

    refused = catalogue.require(CARPOOL)
    assert refused.state is PluginState.MIGRATION_FAILED
    assert RIDES in refused.errors[-1].message
    assert fault in refused.errors[-1].message
    assert catalogue.require(LUNCH).state is PluginState.READY


@pytest.mark.parametrize(
    "statement",
    ["alter table kernel.jobs no force row level security", "alter role trophenix_app bypassrls"],
)
async def test_an_open_table_of_the_kernel_and_a_mighty_login_stop_the_start(
    carpool: Platform, statement: str
) -> None:
    await change(carpool, statement)
    try:
        with pytest.raises(TablesOpen, match=r"not forced|bypass") as refusal:
            await carpool.another_worker()
    finally:
        await change(carpool, "alter role trophenix_app nobypassrls")

    assert refusal.value.reason == "row_security_gap"
    assert refusal.value.next_step


@on_the_module
async def test_views_and_functions_with_the_callers_rights_are_no_gap(surveyed: Platform) -> None:
    statement = (
        f"create view {SCHEMA}.seen with (security_invoker) as select name from {RIDES};"
        f" create function {SCHEMA}.peek() returns bigint language sql as 'select count(*) from {RIDES}'"
    )

    assert await survey_after(surveyed, statement) == []


async def test_what_the_less_obvious_gaps_give_away(carpool: Platform) -> None:
    """So that nobody takes the survey for pedantry."""
    for tenant in ("alpha", "beta"):
        await carpool.call(tenant, f"{CARPOOL}:ride.create", {"name": tenant})
    await change(
        carpool,
        f"set role trophenix_owner; create view {SCHEMA}.seen as select tenant_id from kernel.api_keys;"
        f" grant select on {SCHEMA}.seen to {SCHEMA}; grant truncate on {RIDES}, {PASSENGERS} to {SCHEMA}",
    )

    async with carpool.sql(CARPOOL) as connection:
        seen = await connection.fetchval(f"select count(distinct tenant_id) from {SCHEMA}.seen")
        assert seen == 2, "a view of the owner's shows every tenant's keys"
        await connection.execute(f"truncate {RIDES} cascade")
    async with carpool.sql() as admin:
        assert await admin.fetchval(f"select count(*) from {RIDES}") == 0, "TRUNCATE asks no policy"
