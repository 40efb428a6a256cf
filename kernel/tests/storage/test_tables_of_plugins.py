"""A process starts whatever the tables of a plugin are like; that plugin serves only when they are current and closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from trophenix_kernel.plugins.model import PluginState
from trophenix_kernel.plugins.schema import histories
from trophenix_migrations.runner import downgrade
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.plugins import WrittenPlugin, write_plugin
from trophenix_testing.samples import CARPOOL, LUNCH, write_carpool, write_lunch

_TABLE = '''"""A table.

Revision ID: v0001
Revises:
"""

from trophenix_sdk.migrations import create_tenant_table, drop_table

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_tenant_table("things")


def downgrade() -> None:
    drop_table("things")
'''


def write_with_table(root: Path, plugin_id: str, requires: str = "") -> WrittenPlugin:
    """A plugin with one table."""
    return write_plugin(
        root,
        id=plugin_id,
        files={"migrations/v0001_things.py": _TABLE},
        requires={requires: ">=1"} if requires else {},
        extra={"data": {"migrations": "migrations", "tables": [{"name": "things"}]}},
    )


async def test_histories_move_in_the_order_plugins_need_each_other(
    platform_factory: PlatformFactory, tmp_path: Path
) -> None:
    plugins = [
        write_with_table(tmp_path, "a.first", requires="b.second"),
        write_with_table(tmp_path, "b.second", requires="c.third"),
        write_with_table(tmp_path, "c.third"),
    ]

    platform = await platform_factory(plugins=plugins)

    catalogue = platform.kernel.catalogue
    assert [record.id for record in catalogue.serving] == ["c.third", "b.second", "a.first"]
    order = [history.owner for history in histories(catalogue)]
    assert order == ["c.third", "b.second", "a.first"]
    assert [history.requires for history in histories(catalogue)] == [
        (),
        ("c.third",),
        ("b.second",),
    ]


async def test_a_plugin_whose_tables_are_behind_waits_with_all_that_need_it(
    platform_factory: PlatformFactory, tmp_path: Path
) -> None:
    plugins = [
        write_with_table(tmp_path, "a.first", requires="b.second"),
        write_with_table(tmp_path, "b.second", requires="c.third"),
        write_with_table(tmp_path, "c.third"),
        write_lunch(tmp_path),
    ]
    platform = await platform_factory(plugins=plugins)
    third = next(
        history for history in histories(platform.kernel.catalogue) if history.owner == "c.third"
    )
    await downgrade(platform.databases.admin["main"], third)

    catalogue = (await platform.another_worker()).kernel.catalogue

    assert {record.id: record.state for record in catalogue} == {
        "c.third": PluginState.MIGRATION_PENDING,
        "b.second": PluginState.MISSING_DEPENDENCY,
        "a.first": PluginState.MISSING_DEPENDENCY,
        LUNCH: PluginState.READY,
    }
    assert "trophenix migrate" in catalogue.require("c.third").problems[-1].message
    assert "c.third" in catalogue.require("b.second").errors[-1].message


BROKEN = {
    "a syntax error": "def upgrade(:\n",
    "an exception": "raise LookupError('no such colour')\n",
    "an exit": "raise SystemExit(3)\n",
    "a second beginning": _TABLE.replace("v0001", "v0009"),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_revision_files_that_cannot_be_read_cost_their_plugin_only(
    platform_factory: PlatformFactory, tmp_path: Path, fault: str
) -> None:
    carpool = write_carpool(tmp_path, adding={"migrations/v0002_more.py": BROKEN[fault]})

    platform = await platform_factory(plugins=[carpool, write_lunch(tmp_path)])

    refused = platform.kernel.catalogue.require(CARPOOL)
    assert refused.state is PluginState.MIGRATION_FAILED
    assert refused.errors[-1].code == "plugin.migrations_unreadable"
    assert platform.plugin(LUNCH).serves
    assert (await platform.http("alpha", "member").get("/api/v1/lunch")).status_code == 200


async def test_a_plugin_that_promises_revisions_and_brings_none_is_refused(
    platform_factory: PlatformFactory, tmp_path: Path
) -> None:
    empty = write_plugin(tmp_path, id="d.empty", extra={"data": {"migrations": "migrations"}})

    platform = await platform_factory(plugins=[empty, write_lunch(tmp_path)])

    assert platform.kernel.catalogue.require("d.empty").state is PluginState.MIGRATION_FAILED
    assert platform.plugin(LUNCH).serves


async def test_in_strict_mode_a_plugin_that_is_behind_stops_the_start(carpool: Platform) -> None:
    history = next(one for one in histories(carpool.kernel.catalogue) if one.owner == CARPOOL)
    await downgrade(carpool.databases.admin["main"], history)

    with pytest.raises(Exception, match=r"acme\.carpool"):
        await carpool.another_worker(strict=True)
