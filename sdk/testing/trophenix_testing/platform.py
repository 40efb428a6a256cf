"""A running platform for one test: a kernel, its database and the people in it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, Self

import httpx
import msgspec

from trophenix_kernel.composition import VERSION, Kernel
from trophenix_kernel.operations.pipeline import Answer
from trophenix_kernel.plugins.compatibility import Host
from trophenix_kernel.plugins.discovery import discover
from trophenix_kernel.plugins.loader import LoadedPlugins, load_plugins
from trophenix_kernel.plugins.model import PluginRecord, PluginState
from trophenix_kernel.settings import Settings
from trophenix_kernel.web.recognition import SESSION_COOKIE
from trophenix_sdk.errors import NotFound
from trophenix_sdk.manifest import schema_name
from trophenix_testing.clock import MovableClock
from trophenix_testing.connections import connect
from trophenix_testing.plugins import WrittenPlugin
from trophenix_testing.scene import Person, Scene, TenantScene, ask, caller_of
from trophenix_testing.servers import Servers, no_plugins

BASE_URL: Final = "http://trophenix.test"
"""Where the platform believes to be; ``alpha.trophenix.test`` is the tenant alpha's own host."""

Showing = Literal["key", "session", "cookie"]
Limits = Mapping[str, Mapping[str, int | None]]


class PluginNotServing(AssertionError):
    """The test uses a plugin that is not installed, or that the platform refused; the message holds its problems."""


class Databases(msgspec.Struct, frozen=True):
    """The addresses of a platform's databases by cluster: the superuser's and the platform's own."""

    admin: dict[str, str]
    application: dict[str, str]


class Platform:
    """One process of a running platform; `another_worker` is a second one on the same databases.

    Attributes:
        kernel: the composed kernel, started.
        clock: what its kernel takes for the time.
        scene: the people and tenants.
        databases: their addresses.
    """

    def __init__(
        self,
        stack: AsyncExitStack,
        kernel: Kernel,
        loaded: LoadedPlugins,
        scene: Scene,
        databases: Databases,
        clock: MovableClock,
    ) -> None:
        self._stack = stack
        self._loaded = loaded
        self.kernel = kernel
        self.scene = scene
        self.databases = databases
        self.clock = clock
        self._app: Any = None

    @property
    def app(self) -> Any:
        """The kernel's ASGI application; the web face is imported only when it is asked for."""
        if self._app is None:
            from trophenix_kernel.web.application import build  # noqa: PLC0415 - half of all the time imports take

            self._app = build(self.kernel)
        return self._app

    # ── who ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def tenant(self, name: str) -> TenantScene:
        """The tenant ``alpha`` or ``beta``: `id`, `slug` and people by role."""
        return self.scene.tenants[name]

    def person(self, tenant: str | None, role: str | None) -> Person | None:
        """Who holds the role in the tenant; ``operator`` and ``stranger`` are the same everywhere, ``None`` is nobody."""
        if role is None:
            return None
        if role in {"operator", "stranger"}:
            return self.scene.operator if role == "operator" else self.scene.stranger
        if tenant is None:
            raise ValueError(
                f"found the role {role!r} without a tenant; expected operator, stranger or None"
            )
        return self.tenant(tenant).people[role]

    # ── doors ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def http(
        self,
        tenant: str | None = "alpha",
        role: str | None = "owner",
        *,
        by: Showing | None = None,
        base_url: str = BASE_URL,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.AsyncClient:
        """A client of this process, without a network; paths are whole: ``/api/v1/members``.

        Args:
            tenant: ``alpha``, ``beta`` or ``None`` for no tenant. Sent as ``X-Tenant-ID`` unless a key says it already.
            role: ``owner``, ``admin``, ``manager``, ``member``, ``viewer``, ``operator``, ``stranger``, or ``None`` for nobody.
            by: what is shown: an API ``key`` (where there is one, the default), a ``session`` as bearer, or a browser's ``cookie``, which
                also says that its requests come from the platform's own pages.
            base_url: another host, such as ``http://alpha.trophenix.test``.
            headers: further headers, over the ones above.
        """
        person = self.person(tenant, role)
        shown: dict[str, str] = {}
        cookies: dict[str, str] = {}
        if person is not None:
            by = by or ("key" if person.key else "session")
            if by == "cookie":
                cookies[SESSION_COOKIE] = person.session
                shown["Sec-Fetch-Site"] = "same-origin"
            else:
                shown["Authorization"] = f"Bearer {person.key if by == 'key' else person.session}"
        if tenant is not None and by != "key":
            shown["X-Tenant-ID"] = tenant
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),  # pyright: ignore[reportArgumentType] - the same protocol in other words
            base_url=base_url,
            headers={**shown, **(headers or {})},
            cookies=cookies,
        )
        self._stack.push_async_callback(client.aclose)
        return client

    async def call(
        self,
        tenant: str | None,
        operation: str,
        given: Mapping[str, Any] | msgspec.Struct | None = None,
        *,
        role: str | None = "owner",
        idempotency_key: str = "",
        expected_version: int | None = None,
    ) -> Any:
        """What an operation answers, as its own struct: decided, validated, in a transaction and recorded like from any door.

        Args:
            tenant: ``alpha``, ``beta`` or ``None``.
            operation: the platform-wide name, ``<plugin id>:<operation>``.
            given: the input as a document or as the operation's struct.
            role: as in `http`.

        Raises:
            TrophenixError: whatever it refuses with.
            PluginNotServing: the plugin is not there, or was refused.
        """
        answer = await self.answer(
            tenant,
            operation,
            given,
            role=role,
            idempotency_key=idempotency_key,
            expected_version=expected_version,
        )
        return answer.value

    async def answer(
        self,
        tenant: str | None,
        operation: str,
        given: Mapping[str, Any] | msgspec.Struct | None = None,
        *,
        role: str | None = "owner",
        idempotency_key: str = "",
        expected_version: int | None = None,
    ) -> Answer:
        """Like `call`, with the status, the encoded body and whether it is a repetition."""
        plugin_id = operation.partition(":")[0]
        caller = await caller_of(
            self.kernel, self.person(tenant, role), self.tenant(tenant).id if tenant else None
        )
        try:
            return await ask(
                self.kernel,
                caller,
                operation,
                {} if given is None else given,
                idempotency_key=idempotency_key,
                expected_version=expected_version,
            )
        except NotFound as error:
            if (
                error.reason in {"operation_unknown", "plugin_not_enabled"}
                and plugin_id != "kernel"
            ):
                self.plugin(plugin_id)
            raise

    def plugin(self, plugin_id: str) -> PluginRecord:
        """The record of a plugin that serves.

        Raises:
            PluginNotServing: it does not, and why.
        """
        record = self.kernel.catalogue.get(plugin_id)
        if record is None:
            found = ", ".join(str(record.id) for record in self.kernel.catalogue) or "none"
            raise PluginNotServing(
                f"{plugin_id} is not installed here; found {found}: install it, or name it in plugins=[…]"
            )
        if not record.serves:
            problems = "\n".join(problem.message for problem in record.problems)
            raise PluginNotServing(f"{plugin_id} is {record.state}:\n{problems}")
        if plugin_id in self.scene.unavailable:
            raise PluginNotServing(
                f"{plugin_id} could not be switched on: {self.scene.unavailable[plugin_id]}"
            )
        return record

    # ── the database ────────────────────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def sql(
        self, role: str = "admin", *, tenant: str | None = None, cluster: str = "main"
    ) -> AsyncGenerator[Any]:
        """A connection of its own, closed afterwards.

        Args:
            role: ``admin`` (a superuser, past all row security), ``app`` (the kernel's), or a plugin's id (that plugin's role).
            tenant: the tenant whose rows are seen, for the whole connection; without one, ``app`` and plugins see no tenant's rows.
            cluster: ``main`` or ``second``.
        """
        addresses = self.databases.admin if role == "admin" else self.databases.application
        connection = await connect(addresses[cluster])
        try:
            if role not in {"admin", "app"}:
                await connection.execute(f"set role {schema_name(role)}")
            if tenant is not None:
                await connection.execute(
                    "select set_config('app.tenant_id', $1, false)", str(self.tenant(tenant).id)
                )
            yield connection
        finally:
            await connection.close(timeout=5)

    # ── more processes ──────────────────────────────────────────────────────────────────────────────────────────────

    async def another_worker(self, **settings: Any) -> Self:
        """A second kernel on the same databases, with its own memory and the same clock.

        Args:
            settings: fields of the kernel's settings that differ.
        """
        chosen = msgspec.structs.replace(self.kernel.settings, **settings)
        kernel = await _start(self._stack, chosen, self._loaded, self.clock)
        kernel.pipeline.limits = self.kernel.pipeline.limits
        return type(self)(self._stack, kernel, self._loaded, self.scene, self.databases, self.clock)


class PlatformFactory:
    """Makes platforms that end together."""

    def __init__(self, servers: Servers, stack: AsyncExitStack) -> None:
        self.servers = servers
        self._stack = stack

    async def __call__(
        self,
        *,
        plugins: Sequence[WrittenPlugin] | None = None,
        plan: str = "custom",
        limits: Limits | None = None,
        clusters: int = 1,
        pool_size: int = 4,
        settings: Mapping[str, Any] | None = None,
    ) -> Platform:
        """A started platform on databases of its own.

        Args:
            plugins: written by `trophenix_testing.plugins.write_plugin`; they alone are installed. ``None`` is what this environment has
                installed, an empty list is no plugin.
            plan: of both tenants.
            limits: over what the manifests say: ``{"acme.carpool:rides": {"custom": 3}}``; ``None`` is without limit.
            clusters: with 2, beta's rows are in the cluster ``second``, which is another server.
            pool_size: connections per process and cluster.
            settings: further fields of the kernel's settings.
        """
        loaded = self.servers.installed if plugins is None else self._load(plugins)
        template = await self.servers.template(loaded)
        admin = {"main": await self.servers.copy(template)}
        self._stack.push_async_callback(self.servers.drop, admin["main"])
        if clusters > 1:
            admin["second"] = await self.servers.copy_in_second(loaded)
            self._stack.push_async_callback(self.servers.drop, admin["second"])
        application = {name: await self.servers.application_dsn(dsn) for name, dsn in admin.items()}
        if plan != "custom" or clusters > 1:
            await _change_tenants(admin["main"], plan, beta_in="second" if clusters > 1 else "main")
        clock = MovableClock()
        chosen: dict[str, Any] = {
            "database_url": application["main"],
            "clusters": {name: dsn for name, dsn in application.items() if name != "main"},
            "nats_url": self.servers.nats_url,
            "base_url": BASE_URL,
            "pool_size": pool_size,
            **(settings or {}),
        }
        kernel = await _start(self._stack, Settings(**chosen), loaded, clock)
        if limits:
            kernel.pipeline.limits = {
                **kernel.pipeline.limits,
                **{
                    name: {**kernel.pipeline.limits.get(name, {}), **plans}
                    for name, plans in limits.items()
                },
            }
        return Platform(
            self._stack, kernel, loaded, template.scene, Databases(admin, application), clock
        )

    def _load(self, plugins: Sequence[WrittenPlugin]) -> LoadedPlugins:
        if not plugins:
            return no_plugins()
        roots = sorted({str(plugin.root) for plugin in plugins})
        for root in roots:
            if root not in sys.path:
                sys.path.insert(0, root)
                self.servers.sites.add(root)
                self._stack.callback(_forget, root)
        importlib.invalidate_caches()
        return load_plugins(
            Host(kernel=VERSION), records=discover(path=roots), until=PluginState.REGISTERED
        )


async def _start(
    stack: AsyncExitStack, settings: Settings, loaded: LoadedPlugins, clock: MovableClock
) -> Kernel:
    kernel = await Kernel.compose(settings, clock=clock, loaded=loaded)
    stack.push_async_callback(kernel.stop)
    await kernel.start()
    return kernel


async def _change_tenants(dsn: str, plan: str, beta_in: str) -> None:
    connection = await connect(dsn)
    try:
        await connection.execute("update kernel.tenants set plan = $1", plan)
        await connection.execute(
            "update kernel.tenants set cluster = $1 where slug = 'beta'", beta_in
        )
    finally:
        await connection.close()


def _forget(root: str) -> None:
    """Nothing of the folder can be imported or is still imported, so that the next test may write the same names anew."""
    sys.path.remove(root)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(root):
            del sys.modules[name]
    importlib.invalidate_caches()
