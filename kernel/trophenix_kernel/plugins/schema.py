"""The tables of plugins: where their histories are, whether they are current, and what that makes of the plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trophenix_kernel.plugins.model import (
    PluginCatalogue,
    PluginProblem,
    PluginRecord,
    PluginState,
    derived_failure,
    problem,
)
from trophenix_kernel.storage.row_security import Gap
from trophenix_migrations.runner import History, current, head


def history_of(record: PluginRecord) -> History | None:
    """The plugin's history; ``None`` for a plugin that keeps nothing."""
    manifest = record.manifest
    if manifest is None or manifest.data.migrations is None:
        return None
    return History(
        manifest.id,
        manifest.schema_name,
        Path(record.package_path) / manifest.data.migrations,
        requires=tuple(manifest.requires.plugins),
    )


def histories(catalogue: PluginCatalogue) -> list[History]:
    """The histories of all plugins that could be loaded, in load order."""
    usable = (PluginState.REGISTERED, PluginState.MIGRATION_PENDING, PluginState.READY)
    found = (history_of(record) for record in catalogue if record.state in usable)
    return [history for history in found if history is not None]


async def settle(
    catalogue: PluginCatalogue, connections: Mapping[str, Any], gaps: Mapping[str, Iterable[Gap]]
) -> PluginCatalogue:
    """The catalogue with each registered plugin ready, or refused for the state of its tables.

    Args:
        catalogue: plugins in ``REGISTERED``.
        connections: an open connection per cluster.
        gaps: what the survey of row security found, per cluster.
    """
    for key in [record.key for record in catalogue]:
        # What happened to the plugins before may have changed this one.
        record = catalogue.require(key)
        if record.state is not PluginState.REGISTERED or record.id is None:
            continue
        waiting = _not_serving(catalogue, record)
        if waiting:
            catalogue = catalogue.fail(record.key, waiting)
            continue
        history = history_of(record)
        if history is not None:
            catalogue = await _check(catalogue, record, history, connections, gaps)
        found = catalogue.require(record.id)
        if found.state is PluginState.REGISTERED:
            catalogue = catalogue.advance(record.id, PluginState.MIGRATED)
            catalogue = catalogue.advance(record.id, PluginState.READY)
    return catalogue


def _not_serving(catalogue: PluginCatalogue, record: PluginRecord) -> PluginProblem | None:
    """The problem of a plugin that needs one which does not serve yet."""
    for name in record.manifest.requires.plugins if record.manifest else ():
        other = catalogue.get(name)
        if other is None or not other.serves:
            errors = other.errors if other else ()
            origin = next((fault.origin for fault in errors if fault.origin), name)
            return derived_failure(record, name, origin=origin)
    return None


async def _check(
    catalogue: PluginCatalogue,
    record: PluginRecord,
    history: History,
    connections: Mapping[str, Any],
    gaps: Mapping[str, Iterable[Gap]],
) -> PluginCatalogue:
    try:
        wanted = head(history)
        found = "no revision"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it reads the plugin's revision files, which may do anything
        wanted = None
        found = f"{type(error).__name__}: {error}"
    if wanted is None:
        unreadable = problem(
            record,
            "migrations_unreadable",
            state=PluginState.MIGRATION_FAILED,
            found=found,
            expected=f"one line of revisions in {history.versions}",
            next_step="Correct the revision files, or see that they are packed with the plugin.",
        )
        return catalogue.fail(record.key, unreadable)
    for cluster, connection in connections.items():
        try:
            found = await current(connection, history)
        except Exception:  # noqa: BLE001 - no schema, or no right to look: both mean that nothing was migrated
            found = None
        if found != wanted:
            pending = problem(
                record,
                "migration_pending",
                state=PluginState.MIGRATION_PENDING,
                found=f"the tables at {found or 'nothing'} on the cluster {cluster}",
                expected=str(wanted),
                next_step="Run `trophenix migrate`.",
            )
            return catalogue.advance(record.key, PluginState.MIGRATION_PENDING, pending)
        open_tables = [
            gap for gap in gaps.get(cluster, ()) if gap.table.startswith(f"{history.schema}.")
        ]
        if open_tables:
            refused = problem(
                record,
                "table_not_closed",
                state=PluginState.MIGRATION_FAILED,
                found="; ".join(f"{gap.table}: {gap.fault}" for gap in open_tables),
                expected="every table under the platform's row security",
                next_step="Make tables with trophenix_sdk.migrations.create_tenant_table.",
            )
            return catalogue.fail(record.key, refused)
    return catalogue
