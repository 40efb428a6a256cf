"""The composition root: from settings to a running kernel, the same for every process."""

from __future__ import annotations

import importlib.metadata
import logging
from typing import Final, Self
from urllib.parse import urlsplit

import asyncpg

from trophenix_kernel.access.authority import Authority
from trophenix_kernel.access.decisions import Decisions
from trophenix_kernel.administration import OPERATIONS, PERMISSIONS
from trophenix_kernel.administration.services import Services
from trophenix_kernel.identity.credentials import Credentials
from trophenix_kernel.operations.hooks import Hooks, lend
from trophenix_kernel.operations.pipeline import Pipeline
from trophenix_kernel.operations.registry import KERNEL, Registry, RouteTaken
from trophenix_kernel.plugins.activations import Activations
from trophenix_kernel.plugins.compatibility import Host
from trophenix_kernel.plugins.dispatcher import Dispatcher, HookFailure
from trophenix_kernel.plugins.loader import LoadedPlugins, LoadMode, load_plugins
from trophenix_kernel.plugins.model import PluginCatalogue, PluginState, problem
from trophenix_kernel.plugins.schema import settle
from trophenix_kernel.settings import Settings
from trophenix_kernel.storage import installation
from trophenix_kernel.storage.changes import Changes
from trophenix_kernel.storage.placement import MAIN, Clusters
from trophenix_kernel.storage.platform import Platform
from trophenix_kernel.storage.pool import Pool
from trophenix_kernel.storage.row_security import Gap, survey
from trophenix_kernel.tenancy.directory import Directory
from trophenix_kernel.usage.meter import Meter
from trophenix_kernel.usage.quota import Quota
from trophenix_migrations.runner import KERNEL as KERNEL_HISTORY
from trophenix_migrations.runner import current, head
from trophenix_sdk.clock import Clock, SystemClock
from trophenix_sdk.errors import TrophenixError
from trophenix_sdk.events import EventType

_log: Final = logging.getLogger("trophenix.plugins")
VERSION: Final = importlib.metadata.version("trophenix-kernel")


class TablesOpen(TrophenixError):
    """A kernel table is not closed by row security; nothing may start."""

    code = "row_security_gap"
    title = "A table is not closed to other tenants"


def load(settings: Settings) -> LoadedPlugins:
    """Every installed plugin, imported and registered, its tables not looked at yet."""
    mode = LoadMode.SAFE if settings.safe else LoadMode.NORMAL
    return load_plugins(Host(kernel=VERSION), mode=mode, until=PluginState.REGISTERED)


class Kernel:
    """One process's kernel.

    Attributes:
        settings, clock, clusters, changes, directory, credentials, activations, authority, decisions, quota, meter, registry, pipeline,
        catalogue, dispatcher: its parts.
    """

    def __init__(
        self, settings: Settings, clock: Clock, dsns: dict[str, str], loaded: LoadedPlugins
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.clusters = Clusters(
            {name: Pool(dsn, size=settings.pool_size) for name, dsn in dsns.items()}
        )
        self.changes = Changes(dsns[MAIN])
        self.platform = Platform(self.clusters.main)
        self.directory = Directory(self.platform, self.changes)
        self.credentials = Credentials(self.platform, self.changes, clock)
        self.activations = Activations(self.clusters.main, self.changes)
        self.registry = Registry()
        self.registry.add(KERNEL, OPERATIONS)
        self.catalogue = _register(self.registry, loaded.catalogue)
        self.authority = Authority(declared_permissions(self.catalogue))
        self.decisions = Decisions(
            self.clusters.main, self.credentials, self.changes, self.authority, clock
        )
        self.quota = Quota(self.platform)
        self.meter = Meter(self.clusters, beside=[self.credentials.write_last_use])
        self.dispatcher = Dispatcher.of(
            loaded._replace(catalogue=self.catalogue), report=_report_failure, lend=lend
        )
        self.hooks = Hooks(
            self.dispatcher, self.catalogue.serving, self.clusters, clock, report=_report_failure
        )
        self._serves = False
        self.services = Services(
            hooks=self.hooks,
            platform=self.platform,
            clusters=self.clusters,
            directory=self.directory,
            credentials=self.credentials,
            decisions=self.decisions,
            activations=self.activations,
            authority=self.authority,
            catalogue=self.catalogue,
        )
        self.pipeline = Pipeline(
            self.registry,
            self.clusters,
            clock,
            events=declared_events(self.catalogue),
            limits=declared_limits(self.catalogue),
            services=self.services,
            base_url=settings.base_url,
            hooks=self.hooks,
            heard=self.changes.caught_up,
        )

    @classmethod
    async def compose(
        cls, settings: Settings, *, clock: Clock | None = None, loaded: LoadedPlugins | None = None
    ) -> Self:
        """A kernel on a database that is set up and proven closed.

        Raises:
            NotSetUp, NoWayIn: the database is not ready for this version.
            TablesOpen: a kernel table lacks its policy.
            PluginsFailed: in strict mode, a plugin is not ready.
        """
        secret = settings.secret_key.encode() or None
        urls = {MAIN: settings.database_url, **settings.clusters}
        dsns = {MAIN: await installation.application_dsn(urls[MAIN], secret)}
        for name, url in settings.clusters.items():
            dsns[name] = await installation.application_dsn(url, secret)
        loaded = loaded or load(settings)
        loaded = loaded._replace(catalogue=await _settle(loaded.catalogue, dsns))
        if settings.strict:
            loaded.catalogue.require_all_ready()
        return cls(settings, clock or SystemClock(), dsns, loaded)

    @property
    def base_host(self) -> str:
        """The platform's own host name."""
        return urlsplit(self.settings.base_url).hostname or "127.0.0.1"

    async def start(self) -> None:
        """Hear of changes and count calls from now on."""
        await self.changes.start()
        self.meter.start()
        self._serves = True
        await self.hooks.everywhere("startup")

    async def stop(self) -> None:
        """Write what was counted and close every connection; stopping twice changes nothing."""
        if self._serves:
            self._serves = False
            await self.hooks.everywhere("shutdown")
        await self.meter.stop()
        await self.changes.stop()
        await self.clusters.close()


async def _settle(catalogue: PluginCatalogue, dsns: dict[str, str]) -> PluginCatalogue:
    connections: dict[str, asyncpg.Connection] = {}
    gaps: dict[str, list[Gap]] = {}
    try:
        for name, dsn in dsns.items():
            connection = connections[name] = await asyncpg.connect(dsn)
            found = await _kernel_revision(connection)
            if found != head(KERNEL_HISTORY):
                raise installation.NotSetUp(
                    f"The kernel's tables on {name} are at {found or 'nothing'}; this version needs {head(KERNEL_HISTORY)}.",
                    next_step="Run `trophenix migrate`.",
                )
            gaps[name] = await survey(connection)
            open_tables = [gap for gap in gaps[name] if not gap.table.startswith("plugin_")]
            if open_tables:
                raise TablesOpen(
                    "; ".join(f"{gap.table}: {gap.fault}" for gap in open_tables),
                    next_step="Run `trophenix migrate`; if it stays, restore the policy before anything is served.",
                )
        return await settle(catalogue, connections, gaps)
    finally:
        for connection in connections.values():
            await connection.close()


async def _kernel_revision(connection: asyncpg.Connection) -> str | None:
    try:
        return await current(connection, KERNEL_HISTORY)
    except asyncpg.InsufficientPrivilegeError:
        return None


def _register(registry: Registry, catalogue: PluginCatalogue) -> PluginCatalogue:
    """Add the operations of every plugin that serves; one whose route is taken is suspended instead."""
    for record in tuple(catalogue):
        if not catalogue.require(record.key).serves or record.id is None:
            continue
        try:
            registry.add(record.id, [item.value for item in record.contributions.operations])
        except RouteTaken as error:
            taken = problem(
                record,
                "route_taken",
                state=None,
                found=error.detail,
                expected="a route of its own",
                next_step=error.next_step,
            )
            catalogue = catalogue.advance(record.key, PluginState.SUSPENDED, taken)
    return catalogue


def _report_failure(failure: HookFailure) -> None:
    _log.warning("%s", failure)


def declared_permissions(catalogue: PluginCatalogue) -> dict[str, str | None]:
    """Every permission by its platform-wide name, and the least role that has it from the start."""
    declared: dict[str, str | None] = {f"{KERNEL}:{item.name}": item.role for item in PERMISSIONS}
    for record in catalogue.serving:
        for item in record.contributions.permissions:
            declared[f"{record.id}:{item.name}"] = item.value.role
    return declared


def declared_events(catalogue: PluginCatalogue) -> dict[tuple[str, str], EventType]:
    """Every event type by plugin and name."""
    return {
        (record.id, item.name): item.value
        for record in catalogue.serving
        if record.id is not None
        for item in record.contributions.events
    }


def declared_limits(catalogue: PluginCatalogue) -> dict[str, dict[str, int | None]]:
    """Every plan limit by its platform-wide name: plan → how many, ``None`` without limit."""
    return {
        f"{record.id}:{name}": {
            plan: None if amount < 0 else amount for plan, amount in plans.items()
        }
        for record in catalogue.serving
        if record.manifest is not None
        for name, plans in record.manifest.entitlements.limits.items()
    }
