"""Hooks the kernel calls around operations, each plugin with its own tables and nobody else's."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from trophenix_kernel.operations.call import Caller, actor_of
from trophenix_kernel.operations.registry import Bound
from trophenix_kernel.plugins.dispatcher import Audience, Dispatcher, FailureKind, HookFailure
from trophenix_kernel.plugins.failures import Report, shown
from trophenix_kernel.plugins.model import PluginRecord
from trophenix_kernel.storage.placement import Clusters
from trophenix_kernel.storage.session import Reader, Transaction
from trophenix_sdk.clock import Clock
from trophenix_sdk.context import Actor, Database, Tenant
from trophenix_sdk.errors import FieldProblem, PermissionDenied
from trophenix_sdk.hookspecs import Deny, Health
from trophenix_sdk.manifest import schema_name

T = TypeVar("T")
PLATFORM_WIDE: Final = "*"


class HookContext:
    """What a hook gets: for whom, by whom, and the tables of the plugin that implements it.

    Attributes:
        plugin_id: whose implementation runs.
        db: its tables; reading, or the transaction of a life-cycle hook.
    """

    __slots__ = ("_caller", "_db", "_hooks", "plugin_id")

    def __init__(
        self, hooks: Hooks, caller: Caller | None, plugin_id: str, db: Database | None = None
    ) -> None:
        self._hooks = hooks
        self._caller = caller
        self._db = db
        self.plugin_id = plugin_id

    @property
    def tenant(self) -> Tenant:
        """For whom.

        Raises:
            LookupError: the hook is the platform's.
        """
        if self._caller is None or self._caller.entry is None:
            raise LookupError("this hook runs for the platform, not for a tenant")
        return self._caller.entry.tenant

    @property
    def actor(self) -> Actor:
        """By whom."""
        return actor_of(self._caller.identity if self._caller else None)

    @property
    def db(self) -> Database:
        """The plugin's tables, this tenant's rows.

        Raises:
            LookupError: the hook is the platform's.
        """
        if self._db is not None:
            return self._db
        if self._caller is None or self._caller.entry is None:
            raise LookupError("this hook runs for the platform; a plugin's rows belong to tenants")
        record = self._caller.entry.record
        return Reader(
            self._hooks.clusters.of(record.cluster), schema_name(self.plugin_id), record.id
        )

    @property
    def clock(self) -> Clock:
        """The time."""
        return self._hooks.clock

    @property
    def now(self) -> datetime:
        """The instant, in UTC."""
        return self._hooks.clock.now()

    @property
    def locale(self) -> str:
        """The language of what is said to the caller."""
        return self._caller.locale if self._caller else "en"

    def settings(self, kind: type[T]) -> T:
        """The plugin's settings for this tenant."""
        activation = self._caller.activated.get(self.plugin_id) if self._caller else None
        return msgspec.json.decode(activation.settings, type=kind) if activation else kind()

    def of(self, plugin_id: str) -> HookContext:
        """The same call as another plugin sees it."""
        if plugin_id == self.plugin_id:
            return self
        return HookContext(self._hooks, self._caller, plugin_id)


class Hooks:
    """Calls the plugins' hooks for the pipeline and the processes.

    Args:
        dispatcher: of the plugins that serve; its ``lend`` is `lend`.
        records: those plugins.
        report: told of every failure.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        records: tuple[PluginRecord, ...],
        clusters: Clusters,
        clock: Clock,
        *,
        report: Report,
    ) -> None:
        self.dispatcher = dispatcher
        self.clusters = clusters
        self.clock = clock
        self._report = report
        self._everybody = Audience.of(
            "", [record.id for record in records if record.id is not None]
        )
        self.authorizers = frozenset(dispatcher.plugins("authorize", self._everybody))
        """The plugins that may refuse what is allowed; empty for most installations, and then nothing is asked."""

    async def authorize(self, bound: Bound, caller: Caller, resource: str) -> None:
        """Ask the tenant's plugins whether an allowed call must still be refused.

        Raises:
            PermissionDenied: one refuses.
            HookVetoed: one that has to be asked does not answer.
        """
        enabled = [
            name
            for name in self.authorizers
            if (one := caller.activated.get(name)) is not None and one.enabled
        ]
        if not enabled or caller.entry is None:
            return
        audience = Audience.of(str(caller.entry.record.id), enabled)
        context = HookContext(self, caller, enabled[0])
        outcome = await self.dispatcher.call("authorize", audience, context, bound.name, resource)
        for answer in outcome.answers:
            if isinstance(answer.value, Deny):
                raise PermissionDenied(answer.value.message, code=answer.value.code)

    async def changed(self, caller: Caller, plugin_id: str, hook: str, *arguments: Any) -> None:
        """Tell one plugin of a change of its life in a tenant, in a transaction of its own.

        A failure, the database's included, is reported and undoes what the hook wrote; the change itself stands and its caller does
        not hear of it.
        """
        if caller.entry is None or not self._implements(hook, plugin_id):
            return
        record = caller.entry.record
        try:
            transaction = Transaction(
                self.clusters.of(record.cluster), schema_name(plugin_id), record.id
            )
            await transaction.begin()
            try:
                context = HookContext(self, caller, plugin_id, transaction)
                outcome = await self.dispatcher.call(
                    hook, Audience.of(str(record.id), [plugin_id]), context, *arguments
                )
                if not outcome.failures:
                    await transaction.finish()
            finally:
                await transaction.rollback()
        except Exception as error:  # noqa: BLE001 - the change was committed: nobody may be told that it failed
            self._report(
                HookFailure(
                    hook=hook,
                    plugin=plugin_id,
                    tenant=str(record.id),
                    kind=FailureKind.RAISED,
                    found=shown(error),
                    expected="what the hook wrote to be stored",
                    next_step="Mend the cause; then switch the module off and on again for the tenant.",
                )
            )

    async def settings_problems(
        self, caller: Caller, plugin_id: str, before: Any, after: Any
    ) -> tuple[FieldProblem, ...]:
        """What the plugin itself finds wrong with new settings."""
        if caller.entry is None or not self._implements("validate_settings", plugin_id):
            return ()
        context = HookContext(self, caller, plugin_id)
        audience = Audience.of(str(caller.entry.record.id), [plugin_id])
        outcome = await self.dispatcher.call("validate_settings", audience, context, before, after)
        return tuple(fault for answer in outcome.answers for fault in answer.value)

    async def everywhere(self, hook: str) -> None:
        """Tell every plugin of the platform's own life: ``startup`` or ``shutdown``."""
        await self.dispatcher.call(hook, self._everybody, HookContext(self, None, PLATFORM_WIDE))

    @property
    def examined(self) -> tuple[str, ...]:
        """Ids of the plugins that can say how they are."""
        return self.dispatcher.plugins("health", self._everybody)

    async def health(self) -> dict[str, Health]:
        """How each plugin is that has something to say of it; one that fails to is down."""
        asked = self.examined
        answers = await asyncio.gather(*(self._health_of(plugin_id) for plugin_id in asked))
        return {
            plugin_id: answer
            for plugin_id, answer in zip(asked, answers, strict=True)
            if answer is not None
        }

    async def _health_of(self, plugin_id: str) -> Health | None:
        context = HookContext(self, None, plugin_id)
        outcome = await self.dispatcher.call("health", Audience.of("", [plugin_id]), context)
        if outcome.value is None and outcome.failures:
            return Health("down", str(outcome.failures[0]))
        return outcome.value

    def _implements(self, hook: str, plugin_id: str) -> bool:
        return plugin_id in self.dispatcher.plugins(hook, self._everybody)


def lend(plugin_id: str, context: Any) -> Any:
    """Each plugin's own view of the context; the dispatcher asks for it."""
    return context.of(plugin_id) if isinstance(context, HookContext) else context
