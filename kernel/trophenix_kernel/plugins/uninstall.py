"""Removing a plugin's data from an installation: planned, detached, exported, purged, and proven gone.

    plan → detach (nobody reaches it any more; nothing is lost yet) → export → purge → proof

Everything a plugin has is in its own schema or in kernel rows that bear its id, so that all of it can be named beforehand and looked for
afterwards. Audit entries stay: what happened stays told. Works on the databases alone, whether the plugin's code is still installed or not.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from trophenix_kernel.plugins.discovery import discover
from trophenix_kernel.plugins.model import PluginRecord
from trophenix_kernel.plugins.residue import Residue, mention, residue
from trophenix_kernel.usage.meter import FLUSH_SECONDS
from trophenix_migrations.roles import OWNER, drop_plugin_role
from trophenix_sdk.clock import Clock, SystemClock
from trophenix_sdk.errors import Conflict, TrophenixError
from trophenix_sdk.ids import new_id
from trophenix_sdk.manifest import Manifest, OnUninstall, id_fault, schema_name

MAIN: Final = "main"
ARCHIVE_FORMAT: Final = 1
_NARROWED: Final = ", narrowed; a key for nothing else is revoked"
SETTLE_SECONDS: Final = 2 * FLUSH_SECONDS

_BY_OPERATION: Final = "starts_with(t.operation, $1 || ':')"
MENTIONS: Final[Mapping[str, str]] = {
    "activations": "t.plugin_id = $1",
    "grants": "starts_with(t.permission, $1 || ':')",
    "limits_used": "starts_with(t.name, $1 || ':')",
    "usage_daily": _BY_OPERATION,
    "outbox": "t.plugin_id = $1",
    "jobs": _BY_OPERATION,
    "idempotency_keys": f"({_BY_OPERATION} or encode(t.body, 'escape') ~ $2)",
    "api_keys": "exists (select from unnest(t.scopes) as s where starts_with(s, $1 || ':'))",
}
"""Kernel tables with rows of plugins, and which rows are whose: $1 is the plugin's id, $2 a pattern of what names it."""

_EXPORTED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("activations", "grants", "limits_used", "usage_daily", "outbox", "jobs"), "to_jsonb(t)"
    ),
    "api_keys": "jsonb_build_object('tenant_id', t.tenant_id, 'id', t.id, 'name', t.name, 'scopes', t.scopes)",
}
"""Kernel rows that go into the archive, and as what; never a key or its digest."""

_TABLES: Final = """
select c.relname as name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as quoted
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'p') and c.relname <> 'alembic_version' order by 1
"""
_FINGERPRINT: Final = "select count(*), coalesce(sum(hashtextextended(to_jsonb(t)::text, 0)::numeric), 0)::text from {table} t"

_AUDIT: Final = (
    "insert into kernel.audit_entries (tenant_id, id, at, actor_kind, actor_id, actor_name, operation, door, target, summary, request_id)"
    " values ($1, $2, $3, 'system', $4, 'command line', 'kernel:plugin.uninstall', 'cli', $5, $6, $7)"
)


class NotAnAdministrator(TrophenixError):
    """The database login may not remove schemas and roles."""

    code = "not_an_administrator"
    title = "This needs the database administrator's login"


class NothingToUninstall(TrophenixError):
    """No database holds anything of this plugin."""

    code = "plugin.not_here"
    title = "Nothing of this plugin is here"
    status = 404


class UninstallRefused(Conflict):
    """Something stands in the way; nothing was changed."""

    code = "plugin.uninstall_refused"
    title = "The plugin cannot be uninstalled now"


class ChangedSinceExport(Conflict):
    """Rows were written after the archive was made; they were not removed."""

    code = "plugin.changed_since_export"
    title = "The plugin's data changed after it was exported"


class TableFound(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the plugin in one cluster.

    Attributes:
        content: the same for the same rows, whatever their order.
        on_uninstall: what the manifest says; a table it does not mention is archived.
        personal: columns that hold facts about people.
    """

    cluster: str
    name: str
    rows: int
    content: str
    on_uninstall: OnUninstall = OnUninstall.ARCHIVE
    personal: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one cluster holds of a plugin.

    Attributes:
        kernel_rows: kernel table → how many of its rows are the plugin's.
        activations: state → how many tenants.
        running_jobs: how many jobs of it run this moment.
        version: what ``kernel.plugins`` says was installed.
    """

    cluster: str
    schema: bool
    role: bool
    tables: tuple[TableFound, ...] = ()
    kernel_rows: Mapping[str, int] = {}
    activations: Mapping[str, int] = {}
    running_jobs: int = 0
    version: str = ""
    revision: str | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing of it."""
        return not (self.schema or any(self.kernel_rows.values()) or self.version)


class UninstallPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What an uninstall will do.

    Attributes:
        held: tables that the law keeps: set aside, reachable by nobody, not removed.
        dependants: installed plugins that need this one.
        obstacles: why it cannot be done now; with any of them nothing is done.
    """

    plugin_id: str
    distribution: str
    version: str
    found: tuple[Found, ...]
    tables: tuple[TableFound, ...]
    held: tuple[TableFound, ...]
    dependants: tuple[str, ...]
    obstacles: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows that are removed."""
        return sum(table.rows for table in self.tables if table not in self.held)

    @property
    def schema(self) -> str:
        """The plugin's schema and role."""
        return schema_name(self.plugin_id)

    def lines(self) -> list[str]:
        """The plan as people read it."""
        title = f"{self.plugin_id} {self.version}".strip()
        lines = [f"{title}: schema and role {self.schema}"]
        for table in self.tables:
            what = {OnUninstall.ARCHIVE: "exported, then removed", OnUninstall.DROP: "removed"}.get(
                table.on_uninstall, "kept by law, set aside"
            )
            about = f", about people: {', '.join(table.personal)}" if table.personal else ""
            lines.append(f"  {table.cluster}  {table.name}: {table.rows} rows, {what}{about}")
        for one in self.found:
            states = ", ".join(
                f"{count} {state.lower()}" for state, count in sorted(one.activations.items())
            )
            if states:
                lines.append(f"  {one.cluster}  tenants: {states}")
            lines += [
                f"  {one.cluster}  kernel.{name}: {count} rows{_NARROWED if name == 'api_keys' else ''}"
                for name, count in sorted(one.kernel_rows.items())
                if count and name != "activations"
            ]
        lines.append("  audit entries stay")
        lines += [f"  OBSTACLE: {obstacle}" for obstacle in self.obstacles]
        return lines


class ArchivedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One table in the archive: a JSON document per line."""

    name: str
    cluster: str
    table: str
    rows: int
    sha256: str


class ArchiveManifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json`` of the archive."""

    format: int
    plugin_id: str
    version: str
    exported_at: datetime
    revisions: Mapping[str, str | None]
    files: tuple[ArchivedFile, ...]


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """The written archive.

    Attributes:
        sha256: of the whole file.
        contents: (cluster, table) → `TableFound.content` at the moment of the export.
    """

    path: Path
    sha256: str
    manifest: ArchiveManifest
    contents: Mapping[tuple[str, str], str]


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator's connection to one cluster.

    Attributes:
        tenants: ``(None,)`` when the login is past row security; otherwise every tenant's id, looked at in turn as the tables' owner.
    """

    name: str
    connection: Any
    tenants: tuple[UUID | None, ...] = (None,)

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncGenerator[None]:
        """A transaction in which every row can be reached."""
        async with self.connection.transaction(**options):
            if self.tenants != (None,):
                await self.connection.execute(f"set local role {OWNER}")
            yield

    async def each_tenant(self) -> AsyncIterator[None]:
        """Once for each group of rows that can be seen together."""
        for tenant in self.tenants:
            if tenant is not None:
                await self.connection.execute(
                    "select set_config('app.tenant_id', $1, true)", str(tenant)
                )
            yield


# ── planning: pure ──────────────────────────────────────────────────────────────────────────────────────────────────────


def make_plan(
    plugin_id: str, found: Sequence[Found], installed: Iterable[PluginRecord] = ()
) -> UninstallPlan:
    """What uninstalling will do, and what stands in its way.

    Args:
        plugin_id: which plugin.
        found: what each cluster holds.
        installed: records of the installed plugins; this one may be among them or not.

    Raises:
        NothingToUninstall: nowhere is anything of it.
    """
    if all(one.empty for one in found):
        raise NothingToUninstall(
            f"No database holds anything of {plugin_id}.",
            next_step="See `trophenix plugins` for what is installed.",
        )
    records = [record for record in installed if record.manifest is not None]
    own = next((record for record in records if record.id == plugin_id), None)
    tables = tuple(
        _declared(table, own.manifest if own else None) for one in found for table in one.tables
    )
    dependants = tuple(
        sorted(
            record.id or record.key
            for record in records
            if record.manifest and plugin_id in record.manifest.requires.plugins
        )
    )
    running = sum(one.running_jobs for one in found)
    obstacles = [f"{name} needs it: uninstall that first" for name in dependants]
    if running:
        obstacles.append(f"{running} of its jobs run: wait for them, or cancel them")
    return UninstallPlan(
        plugin_id=plugin_id,
        distribution=own.distribution if own else "",
        version=own.version if own else next((one.version for one in found if one.version), ""),
        found=tuple(found),
        tables=tables,
        held=tuple(
            table for table in tables if table.on_uninstall is OnUninstall.KEEP_LEGAL and table.rows
        ),
        dependants=dependants,
        obstacles=tuple(obstacles),
    )


def _declared(table: TableFound, manifest: Manifest | None) -> TableFound:
    for declared in manifest.data.tables if manifest else ():
        if declared.name == table.name:
            return msgspec.structs.replace(
                table, on_uninstall=declared.on_uninstall, personal=declared.personal
            )
    return table


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def open_clusters(dsns: Mapping[str, str]) -> list[Cluster]:
    """An administrator's connection to each cluster, ``main`` last: what says that the plugin is here goes last of all.

    Raises:
        NotAnAdministrator: a login may not become the tables' owner.
    """
    clusters: list[Cluster] = []
    tenants: tuple[UUID | None, ...] = ()
    try:
        for name in sorted(dsns, key=lambda name: name != MAIN):
            connection = await asyncpg.connect(dsns[name])
            clusters.append(Cluster(name=name, connection=connection))
            is_superuser = await connection.fetchval(
                "select rolsuper from pg_roles where rolname = current_user"
            )
            may_own = await connection.fetchval(
                "select coalesce((select pg_has_role(current_user, oid, 'member') from pg_roles where rolname = $1), false)",
                OWNER,
            )
            if not may_own:
                raise _not_an_administrator(await connection.fetchval("select current_user"), name)  # noqa: TRY301 - closes what was opened
            if name == MAIN:
                await connection.execute(f"set role {OWNER}")
                tenants = tuple(
                    row[0] for row in await connection.fetch("select id from kernel.tenants")
                )
                await connection.execute("reset role")
            if not is_superuser:
                clusters[-1] = Cluster(name=name, connection=connection, tenants=tenants)
    except BaseException:
        await close_clusters(clusters)
        raise
    return [*clusters[1:], clusters[0]]


def _not_an_administrator(login: str, cluster: str) -> NotAnAdministrator:
    return NotAnAdministrator(
        f"The login {login} of the cluster {cluster} may not act as {OWNER}.",
        next_step="Set TROPHENIX_DATABASE_URL to the login that runs `trophenix migrate`.",
    )


async def close_clusters(clusters: Iterable[Cluster]) -> None:
    """Close the connections."""
    for cluster in clusters:
        await cluster.connection.close()


async def look(cluster: Cluster, plugin_id: str) -> Found:
    """What a cluster holds of a plugin."""
    schema = schema_name(plugin_id)
    connection = cluster.connection
    async with cluster.transaction(isolation="repeatable_read", readonly=True):
        states: dict[str, int] = {}
        counts = dict.fromkeys(MENTIONS, 0)
        running = 0
        async for _ in cluster.each_tenant():
            for name in MENTIONS:
                counts[name] += await connection.fetchval(
                    _counting(name), *_arguments(name, plugin_id)
                )
            for state, count in await connection.fetch(
                "select state, count(*) from kernel.activations where plugin_id = $1 group by 1",
                plugin_id,
            ):
                states[state] = states.get(state, 0) + count
            running += await connection.fetchval(
                f"select count(*) from kernel.jobs t where t.status = 'running' and t.leased_until > clock_timestamp() and {_BY_OPERATION}",
                plugin_id,
            )
        row = await connection.fetchrow(
            "select version from kernel.plugins where plugin_id = $1", plugin_id
        )
        has_schema = await connection.fetchval(
            "select exists (select from pg_namespace where nspname = $1)", schema
        )
        return Found(
            cluster=cluster.name,
            schema=has_schema,
            role=await connection.fetchval(
                "select exists (select from pg_roles where rolname = $1)", schema
            ),
            tables=tuple(await _tables(cluster, schema)),
            kernel_rows=counts,
            activations=states,
            running_jobs=running,
            version=row["version"] if row else "",
            revision=await _revision(connection, schema),
        )


async def _tables(cluster: Cluster, schema: str) -> list[TableFound]:
    found: list[TableFound] = []
    for table in await cluster.connection.fetch(_TABLES, schema):
        rows, content = await _fingerprint(cluster, table["quoted"])
        found.append(
            TableFound(cluster=cluster.name, name=table["name"], rows=rows, content=content)
        )
    return found


async def _fingerprint(cluster: Cluster, quoted: str) -> tuple[int, str]:
    rows, content = 0, 0
    async for _ in cluster.each_tenant():
        row = await cluster.connection.fetchrow(_FINGERPRINT.format(table=quoted))
        rows += row[0]
        content += int(row[1])
    return rows, f"{rows}:{content}"


async def _revision(connection: Any, schema: str) -> str | None:
    if not await connection.fetchval(
        "select to_regclass($1) is not null", f"{schema}.alembic_version"
    ):
        return None
    return await connection.fetchval(f"select version_num from {schema}.alembic_version")


def _counting(name: str) -> str:
    return f"select count(*) from kernel.{name} t where {MENTIONS[name]}"


def _arguments(name: str, plugin_id: str) -> list[str]:
    return [plugin_id, mention(plugin_id)] if "$2" in MENTIONS[name] else [plugin_id]


# ── doing ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def detach(
    clusters: Sequence[Cluster], plan: UninstallPlan, *, now: datetime
) -> dict[UUID, str]:
    """No tenant reaches the plugin any more, in any process, once this has returned; all its data is still there.

    Returns:
        The states the activations had, by tenant, for `reattach`.
    """
    main = next(cluster for cluster in clusters if cluster.name == MAIN)
    before: dict[UUID, str] = {}
    async with main.transaction():
        async for _ in main.each_tenant():
            rows = await main.connection.fetch(
                "select tenant_id, state from kernel.activations where plugin_id = $1 and state <> 'DETACHED' for update",
                plan.plugin_id,
            )
            before.update({row["tenant_id"]: row["state"] for row in rows})
            await main.connection.executemany(
                _AUDIT, [_audit_entry(row["tenant_id"], plan, now) for row in rows]
            )
            await main.connection.execute(
                "update kernel.activations set state = 'DETACHED', changed_at = $2 where plugin_id = $1 and state <> 'DETACHED'",
                plan.plugin_id,
                now,
            )
        await main.connection.execute(
            "insert into kernel.plugins (plugin_id, version, state, detached_at) values ($1, $2, 'DETACHED', $3)"
            " on conflict (plugin_id) do update set state = excluded.state, detached_at = excluded.detached_at",
            plan.plugin_id,
            plan.version or "unknown",
            now,
        )
    return before


def _audit_entry(tenant: UUID, plan: UninstallPlan, now: datetime) -> tuple[Any, ...]:
    request = new_id()
    return (
        tenant,
        request,
        now,
        UUID(int=0),
        plan.plugin_id,
        "Module uninstalled from the platform",
        request.hex,
    )


async def reattach(
    clusters: Sequence[Cluster], plan: UninstallPlan, before: Mapping[UUID, str], *, now: datetime
) -> None:
    """What `detach` changed is as it was."""
    main = next(cluster for cluster in clusters if cluster.name == MAIN)
    was_known = any(one.version for one in plan.found)
    async with main.transaction():
        async for _ in main.each_tenant():
            await main.connection.executemany(
                "update kernel.activations set state = $3, changed_at = $4 where tenant_id = $1 and plugin_id = $2",
                [(tenant, plan.plugin_id, state, now) for tenant, state in before.items()],
            )
        if was_known:
            await main.connection.execute(
                "update kernel.plugins set state = 'INSTALLED', detached_at = null where plugin_id = $1",
                plan.plugin_id,
            )
        else:
            await main.connection.execute(
                "delete from kernel.plugins where plugin_id = $1", plan.plugin_id
            )


async def export(
    clusters: Sequence[Cluster], plan: UninstallPlan, path: Path, *, now: datetime
) -> Archive:
    """A zip with a JSON document per row and line, and ``manifest.json`` with every file's sha256; whole or not there at all.

    Tables the manifest says to drop are left out. The same data gives the same bytes.

    Raises:
        FileExistsError: *path* is taken.
    """
    if path.exists():  # noqa: ASYNC240 - see `run`
        raise FileExistsError(f"{path} exists: choose another name for the archive")
    partial = path.with_name(f"{path.name}.partial")
    files: list[ArchivedFile] = []
    contents: dict[tuple[str, str], str] = {}
    dropped = {
        (table.cluster, table.name)
        for table in plan.tables
        if table.on_uninstall is OnUninstall.DROP
    }
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with (
            os.fdopen(handle, "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for cluster in clusters:
                async with cluster.transaction(isolation="repeatable_read", readonly=True):
                    for table in await cluster.connection.fetch(_TABLES, plan.schema):
                        place = (cluster.name, table["name"])
                        contents[place] = (await _fingerprint(cluster, table["quoted"]))[1]
                        if place not in dropped:
                            rows = f"select to_jsonb(t)::text from {table['quoted']} t order by 1"
                            files.append(
                                await _write(
                                    archive,
                                    cluster,
                                    f"data/{cluster.name}/{table['name']}.jsonl",
                                    table["name"],
                                    rows,
                                )
                            )
                    for name, expression in _EXPORTED.items():
                        rows = f"select {expression}::text from kernel.{name} t where {MENTIONS[name]} order by 1"
                        files.append(
                            await _write(
                                archive,
                                cluster,
                                f"kernel/{cluster.name}/{name}.jsonl",
                                f"kernel.{name}",
                                rows,
                                plan.plugin_id,
                            )
                        )
            manifest = ArchiveManifest(
                format=ARCHIVE_FORMAT,
                plugin_id=plan.plugin_id,
                version=plan.version,
                exported_at=now,
                revisions={one.cluster: one.revision for one in plan.found},
                files=tuple(files),
            )
            archive.writestr(
                _entry("manifest.json"),
                msgspec.json.format(msgspec.json.encode(manifest), indent=2),
            )
            archive.close()
            file.flush()
            os.fsync(file.fileno())
        with partial.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return Archive(path=path, sha256=digest, manifest=manifest, contents=contents)


async def _write(
    archive: zipfile.ZipFile,
    cluster: Cluster,
    name: str,
    table: str,
    statement: str,
    *arguments: str,
) -> ArchivedFile:
    digest = hashlib.sha256()
    count = 0
    with archive.open(_entry(name), "w", force_zip64=True) as file:
        async for _ in cluster.each_tenant():
            async for row in cluster.connection.cursor(statement, *arguments, prefetch=500):
                line = row[0].encode() + b"\n"
                digest.update(line)
                file.write(line)
                count += 1
    return ArchivedFile(
        name=name, cluster=cluster.name, table=table, rows=count, sha256=digest.hexdigest()
    )


def _entry(name: str) -> zipfile.ZipInfo:
    """Without a time of its own, so that the same data gives the same bytes."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


async def purge(
    clusters: Sequence[Cluster], plan: UninstallPlan, archive: Archive, *, now: datetime
) -> list[str]:
    """Schema, role and kernel rows are gone; tables the law keeps are in a schema of their own that no role of the platform can use.

    Safe to repeat when it was interrupted between clusters.

    Args:
        archive: what was exported: a row that is not in it is not removed.

    Returns:
        What was kept on purpose, one line each.

    Raises:
        ChangedSinceExport: rows were written after the export; the cluster in question is unchanged.
    """
    kept: list[str] = []
    for cluster in clusters:
        connection = cluster.connection
        held = [table.name for table in plan.held if table.cluster == cluster.name]
        async with connection.transaction():
            if cluster.tenants != (None,):
                await connection.execute(f"set local role {OWNER}")
            await _check_unchanged(cluster, plan, archive)
            async for _ in cluster.each_tenant():
                await _purge_rows(connection, plan.plugin_id, now)
            await connection.execute(
                "delete from kernel.plugins where plugin_id = $1", plan.plugin_id
            )
            if held:
                kept.append(await _set_aside(connection, plan.schema, held, now))
            if cluster.tenants != (None,):
                await connection.execute("reset role")
            await _drop(connection, plan.schema)
    return kept


async def _check_unchanged(cluster: Cluster, plan: UninstallPlan, archive: Archive) -> None:
    for table in await cluster.connection.fetch(_TABLES, plan.schema):
        await cluster.connection.execute(f"lock table {table['quoted']} in access exclusive mode")
        _, content = await _fingerprint(cluster, table["quoted"])
        if archive.contents.get((cluster.name, table["name"])) != content:
            raise ChangedSinceExport(
                f"{table['name']} of the cluster {cluster.name} is not as it was exported.",
                next_step="Stop what writes to it, and uninstall again with a new archive.",
            )


async def _purge_rows(connection: Any, plugin_id: str, now: datetime) -> None:
    for name, condition in MENTIONS.items():
        if name != "api_keys":
            await connection.execute(
                f"delete from kernel.{name} t where {condition}", *_arguments(name, plugin_id)
            )
    # A key without scopes may do all that its maker may: one that was for this plugin alone must end, not grow.
    await connection.execute(
        "update kernel.api_keys t set scopes = rest.scopes,"
        " revoked_at = case when cardinality(rest.scopes) = 0 then coalesce(t.revoked_at, $2) else t.revoked_at end"
        " from (select k.tenant_id, k.id,"
        "   array(select s from unnest(k.scopes) with ordinality as u(s, place) where not starts_with(s, $1 || ':') order by place)"
        "   as scopes"
        "   from kernel.api_keys k) as rest"
        f" where rest.tenant_id = t.tenant_id and rest.id = t.id and {MENTIONS['api_keys']}",
        plugin_id,
        now,
    )


async def _set_aside(connection: Any, schema: str, held: list[str], now: datetime) -> str:
    kept_in = f"kept_{schema.removeprefix('plugin_')[:43]}_{now:%Y%m%d%H%M%S}"
    await connection.execute(f"create schema {kept_in} authorization {OWNER}")
    for name in held:
        quoted = await connection.fetchval("select quote_ident($1)", name)
        await connection.execute(f"alter table {schema}.{quoted} set schema {kept_in}")
        await connection.execute(f"revoke all on {kept_in}.{quoted} from {schema}")
    return f"schema {kept_in}: {', '.join(held)} (kept by law)"


async def _drop(connection: Any, schema: str) -> None:
    try:
        async with connection.transaction():
            await drop_plugin_role(connection, schema)
    except asyncpg.DependentObjectsStillExistError:
        # Roles belong to the server; another database of it has the same plugin.
        await connection.execute(f"drop schema if exists {schema} cascade")
        await connection.execute(f"drop owned by {schema}")


async def prove(clusters: Sequence[Cluster], plugin_id: str) -> Residue:
    """What is left of the plugin in any cluster."""
    found: list[str] = []
    kept: list[str] = []
    for cluster in clusters:
        if cluster.tenants != (None,):
            await cluster.connection.execute(f"set role {OWNER}")
        left = await residue(cluster.connection, plugin_id, tenants=cluster.tenants)
        await cluster.connection.execute("reset role")
        found += [f"{cluster.name}: {line}" for line in left.found]
        kept += [f"{cluster.name}: {line}" for line in left.kept]
    return Residue(tuple(found), tuple(kept))


async def run(
    dsns: Mapping[str, str],
    plugin_id: str,
    archive_path: Path | None,
    *,
    go: bool,
    report: Callable[[str], object],
    clock: Clock | None = None,
    settle_seconds: float = SETTLE_SECONDS,
) -> int:
    """The whole way, told line by line; 0 when it was done, or only planned, and nothing unexpected is left.

    Args:
        dsns: cluster → an administrator's URL.
        plugin_id: which plugin.
        archive_path: where the archive goes; ``<plugin id>.zip`` in the present folder when not given.
        go: whether to do it; otherwise only the plan is told.
        report: is given each line.
        settle_seconds: how long calls that had begun may take to end, and processes to write what they counted.

    Raises:
        NothingToUninstall, NotAnAdministrator, UninstallRefused: nothing was changed.
        ChangedSinceExport: see `purge`.
    """
    if (expected := id_fault(plugin_id)) is not None:
        raise NothingToUninstall(f"{plugin_id!r} is not a plugin's id; expected {expected}.")
    path = archive_path or Path(f"{plugin_id}.zip")
    clock = clock or SystemClock()
    clusters = await open_clusters(dsns)
    try:
        plan = make_plan(
            plugin_id, [await look(cluster, plugin_id) for cluster in clusters], discover()
        )
        for line in plan.lines():
            report(line)
        if plan.obstacles:
            raise UninstallRefused(
                "; ".join(plan.obstacles), next_step="Clear this up first; nothing was changed."
            )
        if path.exists():
            raise UninstallRefused(
                f"{path} exists already.", next_step="Choose another file with --export."
            )
        if not go:
            report(
                f"Nothing was changed. With --yes all this is done, and the data is written to {path} first."
            )
            return 0
        before = await detach(clusters, plan, now=clock.now())
        report("detached: no tenant reaches it any more")
        await asyncio.sleep(settle_seconds)
        try:
            archive = await export(clusters, plan, path, now=clock.now())
        except BaseException:
            await reattach(clusters, plan, before, now=clock.now())
            report("attached again: the export failed")
            raise
        count = sum(file.rows for file in archive.manifest.files)
        report(f"exported: {count} rows in {archive.path}, sha256 {archive.sha256}")
        kept = await purge(clusters, plan, archive, now=clock.now())
        report("purged: schema, role and kernel rows")
        left = await prove(clusters, plugin_id)
        for line in (*kept, *left.kept):
            report(f"kept: {line}")
        for line in left.found:
            report(f"LEFT OVER: {line}")
        if left.found:
            return 1
        report("proven: nothing else of it is left")
        if plan.distribution:
            report(
                f"Now remove its code: pip uninstall {plan.distribution}, and restart;"
                " while it is installed, `trophenix migrate` makes its tables anew."
            )
        return 0
    finally:
        await close_clusters(clusters)
