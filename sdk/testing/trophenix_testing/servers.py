"""The servers of a test run: one PostgreSQL and one NATS per process, started when first asked for.

Databases are copies of templates. A template is made once for each set of plugins: migrated, with two tenants in which every plugin of the
set is switched on. A copy costs tens of milliseconds, so every test gets its own.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import msgspec

from trophenix_kernel.composition import VERSION, Kernel
from trophenix_kernel.plugins.compatibility import Host
from trophenix_kernel.plugins.discovery import discover
from trophenix_kernel.plugins.loader import LoadedPlugins, load_plugins
from trophenix_kernel.plugins.model import PluginState
from trophenix_kernel.plugins.schema import histories
from trophenix_kernel.runtime.databases import create_database, drop_database
from trophenix_kernel.runtime.postgres import EmbeddedPostgres
from trophenix_kernel.runtime.throwaway import throwaway_nats, throwaway_postgres
from trophenix_kernel.settings import Settings
from trophenix_kernel.storage.installation import application_dsn, set_up
from trophenix_testing.scene import Scene, populate, switch_on

_NO_PLUGINS: Final = "no plugins"


class Template(msgspec.Struct, frozen=True):
    """A database to copy, and who is in it."""

    name: str
    scene: Scene


class Servers:
    """Starts what is asked for and stops all of it at the end; use as a context manager.

    Attributes:
        secret: the installation's; one for all databases, because they share their server's logins.
        sites: the folders in which tests have installed plugins of their own.
    """

    def __init__(self) -> None:
        self.secret: Final = secrets.token_bytes(32)
        self.sites: Final[set[str]] = set()
        self._stack = ExitStack()
        self._main: EmbeddedPostgres | None = None
        self._second: EmbeddedPostgres | None = None
        self._nats_url = ""
        self._templates: dict[str, Template] = {}
        self._in_second: set[str] = set()
        self._installed: LoadedPlugins | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def main(self) -> EmbeddedPostgres:
        """The PostgreSQL of the cluster ``main``."""
        if self._main is None:
            self._main = self._stack.enter_context(throwaway_postgres())
        return self._main

    @property
    def second(self) -> EmbeddedPostgres:
        """Another PostgreSQL, of the cluster ``second``."""
        if self._second is None:
            self._second = self._stack.enter_context(throwaway_postgres())
        return self._second

    @property
    def nats_url(self) -> str:
        """Where NATS answers, JetStream included."""
        if not self._nats_url:
            self._nats_url = self._stack.enter_context(throwaway_nats()).url
        return self._nats_url

    @property
    def installed(self) -> LoadedPlugins:
        """All plugins installed in this environment, imported once."""
        if self._installed is None:
            # Not what a test has just written and will take away again.
            path = [entry for entry in sys.path if entry not in self.sites]
            self._installed = load_plugins(
                Host(kernel=VERSION), records=discover(path=path), until=PluginState.REGISTERED
            )
        return self._installed

    async def empty_database(self) -> str:
        """A superuser's address of a new database in which nothing was set up."""
        return await create_database(self.main.dsn(), self._new_name("empty"))

    async def copy(self, template: Template) -> str:
        """A superuser's address of a new database like the template."""
        return await create_database(self.main.dsn(), self._new_name("test"), template.name)

    async def copy_in_second(self, loaded: LoadedPlugins) -> str:
        """A superuser's address of a new database in the second cluster: the tables of these plugins, no rows."""
        template = await self.template(loaded)
        if template.name not in self._in_second:
            dsn = await create_database(self.second.dsn(), template.name)
            await set_up(dsn, histories(loaded.catalogue), secret=self.secret)
            self._in_second.add(template.name)
        return await create_database(self.second.dsn(), self._new_name("test"), template.name)

    async def drop(self, dsn: str) -> None:
        """The database of this address is gone, whoever is connected to it."""
        server, _, name = dsn.rpartition("/")
        await drop_database(f"{server}/postgres", name)

    async def application_dsn(self, dsn: str) -> str:
        """The address with the platform's own login."""
        return await application_dsn(dsn, self.secret)

    async def template(self, loaded: LoadedPlugins) -> Template:
        """The template for a set of plugins, made when first asked for."""
        key = fingerprint(loaded)
        found = self._templates.get(key)
        if found is None:
            base = await self.template(no_plugins()) if key != _NO_PLUGINS else None
            found = self._templates[key] = await self._make(loaded, base)
        return found

    async def _make(self, loaded: LoadedPlugins, base: Template | None) -> Template:
        name = self._new_name("template")
        dsn = await create_database(self.main.dsn(), name, base.name if base else "template1")
        await set_up(dsn, histories(loaded.catalogue), secret=self.secret)
        settings = Settings(database_url=await self.application_dsn(dsn))
        kernel = await Kernel.compose(settings, loaded=loaded)
        try:
            scene = base.scene if base else await populate(kernel, dsn)
            return Template(
                name, msgspec.structs.replace(scene, unavailable=await switch_on(kernel, scene))
            )
        finally:
            # Nobody may be connected to what is copied.
            await kernel.clusters.close()

    def _new_name(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers)}"


def no_plugins() -> LoadedPlugins:
    """An installation without plugins, as the kernel loads it."""
    return load_plugins(Host(kernel=VERSION), records=(), until=PluginState.REGISTERED)


def fingerprint(loaded: LoadedPlugins) -> str:
    """One word for the same plugins with the same files, wherever they lie."""
    digest = hashlib.blake2b(digest_size=12)
    records = tuple(loaded.catalogue)
    for record in records:
        digest.update(f"{record.key} {record.state} {record.version}\n".encode())
        folder = Path(record.package_path)
        for file in sorted(folder.rglob("*")) if record.package_path else ():
            if file.suffix in {".py", ".sql", ".toml"}:
                digest.update(f"{file.relative_to(folder)}\n".encode() + file.read_bytes())
    return digest.hexdigest() if records else _NO_PLUGINS
