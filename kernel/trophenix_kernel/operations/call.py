"""One call on its way through the pipeline, and what its handler is lent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import msgspec

from trophenix_kernel.access.model import NO_RIGHTS, Rights
from trophenix_kernel.identity.model import Identity
from trophenix_kernel.operations.registry import Bound
from trophenix_kernel.plugins.activations import Activated
from trophenix_kernel.tenancy.directory import Entry
from trophenix_sdk.clock import Clock
from trophenix_sdk.context import Actor, Database, JobState, Tenant
from trophenix_sdk.ids import new_id

if TYPE_CHECKING:
    from trophenix_kernel.operations.pipeline import Pipeline

T = TypeVar("T")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, where, and through which door.

    Attributes:
        identity: who; ``None`` for a stranger.
        entry: the tenant; ``None`` outside any.
        rights: what the identity may do in the tenant.
        activated: what the tenant has switched on.
        door: ``http``, ``panel``, ``cli`` or ``job``.
        locale: the language of the answer.
        ip: where from, as far as known.
    """

    identity: Identity | None
    entry: Entry | None = None
    rights: Rights = NO_RIGHTS
    activated: Activated = {}
    door: str = "http"
    locale: str = "en"
    request_id: str = ""
    ip: str = ""

    def has(self, plugin_id: str) -> bool:
        """Whether the tenant has the plugin switched on; the kernel's own operations always are."""
        activation = self.activated.get(plugin_id)
        return plugin_id == "kernel" or (activation is not None and activation.enabled)


class Emitted(msgspec.Struct):
    """An event on its way into the outbox."""

    id: UUID
    plugin_id: str
    name: str
    version: int
    aggregate: str
    payload: Any
    occurred_at: datetime
    request_id: str


class Outbox:
    """The events of one call."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def emit(self, name: str, payload: msgspec.Struct, *, aggregate: UUID | str) -> None:
        """Announce a declared event; it leaves only if the transaction commits.

        Raises:
            TypeError: the operation reads, did not say that it emits this, or the payload is not the event's struct.
        """
        call = self._call
        bound = call.bound
        declared = call.pipeline.events.get((bound.plugin_id, name))
        if bound.reads or name not in bound.operation.emits or declared is None:
            message = f"{bound.name} did not declare that it emits {name!r}; add it to `emits` and to the manifest"
            raise TypeError(message)
        if not isinstance(payload, declared.payload):
            message = f"{name} carries {declared.payload.__name__}, found {type(payload).__name__}"
            raise TypeError(message)
        call.emitted.append(
            Emitted(
                new_id(),
                bound.plugin_id,
                name,
                declared.version,
                str(aggregate),
                payload,
                call.now,
                call.request_id,
            )
        )


class Call:
    """The `Context` a handler gets.

    Attributes:
        pipeline: what runs it; the kernel's own operations find the platform's services there.
        bound: the operation.
        caller: who, where, by which door.
        db: this plugin's tables.
    """

    __slots__ = (
        "_actor",
        "_now",
        "after_commit",
        "audit_details",
        "audit_summary",
        "audit_target",
        "bound",
        "caller",
        "db",
        "emitted",
        "expected_version",
        "jobs",
        "pipeline",
        "report_progress",
        "request_id",
        "tenant",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        bound: Bound,
        caller: Caller,
        db: Database,
        expected_version: int | None,
        report_progress: Callable[[int, int], Awaitable[None]] | None,
    ) -> None:
        self.pipeline = pipeline
        self.bound = bound
        self.caller = caller
        self.db = db
        self.expected_version = expected_version
        self.report_progress = report_progress
        self.request_id = caller.request_id
        self.tenant: Tenant = caller.entry.tenant if caller.entry is not None else _NO_TENANT
        self.emitted: list[Emitted] = []
        self.jobs: list[dict[str, Any]] = []
        self.after_commit: list[Callable[[], Awaitable[None]]] = []
        self.audit_summary = ""
        self.audit_target = ""
        self.audit_details: dict[str, Any] = {}
        self._actor: Actor | None = None
        self._now: datetime | None = None

    @property
    def actor(self) -> Actor:
        """By whom."""
        if self._actor is None:
            self._actor = actor_of(self.caller.identity)
        return self._actor

    @property
    def events(self) -> Outbox:
        """The outbox."""
        return Outbox(self)

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.pipeline.clock

    @property
    def now(self) -> datetime:
        """The instant it is first asked for, the same for the whole call."""
        if self._now is None:
            self._now = self.pipeline.clock.now()
        return self._now

    @property
    def locale(self) -> str:
        """The language of the answer."""
        return self.caller.locale

    def settings(self, kind: type[T]) -> T:
        """The plugin's settings for this tenant."""
        activation = self.caller.activated.get(self.bound.plugin_id)
        return msgspec.json.decode(activation.settings, type=kind) if activation else kind()

    def may(self, permission: str) -> bool:
        """Whether the actor holds *permission* of this plugin here."""
        return f"{self.bound.plugin_id}:{permission}" in self.caller.rights.permissions

    def audit(
        self, summary: str, *, target: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        """Add what changed to the call's audit entry."""
        self.audit_summary = summary
        self.audit_target = target or self.audit_target
        if details:
            self.audit_details.update(details)

    async def progress(self, done: int, total: int) -> None:
        """Say how far a long call has come."""
        if self.report_progress is not None:
            await self.report_progress(done, total)

    async def use_limit(self, name: str, amount: int) -> int:
        """Count *amount* against a plan limit of this plugin, or give it back when negative.

        Raises:
            LimitReached: the plan does not allow that many; the transaction cannot go on.
        """
        qualified = f"{self.bound.plugin_id}:{name}"
        return await self.pipeline.use_limit(self, qualified, amount)

    async def call(self, operation: str, input: msgspec.Struct | None = None) -> Any:  # noqa: A002
        """Use a published operation as the same actor, in the same transaction."""
        name = operation if ":" in operation else f"{self.bound.plugin_id}:{operation}"
        return await self.pipeline.nested(self, name, input)

    async def submit(self, operation: str, input: msgspec.Struct) -> UUID:  # noqa: A002
        """Run an operation of this plugin in the background once this transaction commits."""
        bound = self.pipeline.registry.named(f"{self.bound.plugin_id}:{operation}")
        if self.bound.reads:
            message = f"{self.bound.name} reads; only a writing operation can submit {bound.name}"
            raise TypeError(message)
        self.pipeline.decide(bound, self.caller)
        job = job_of(bound, input, self.caller)
        self.jobs.append(job)
        return job["id"]

    async def job(self, job_id: UUID) -> JobState | None:
        """How far a job of this plugin is, as others see it; ``None`` when there is no such job."""
        return await self.pipeline.job_state(self, job_id)


def job_of(bound: Bound, given: msgspec.Struct, caller: Caller) -> dict[str, Any]:
    """The row of a job that will run *bound* as *caller*."""
    identity = caller.identity
    return {
        "id": new_id(),
        "operation": bound.name,
        "input": msgspec.to_builtins(given),
        "actor": msgspec.to_builtins(identity) if identity else {},
        "request_id": caller.request_id,
    }


def actor_of(identity: Identity | None) -> Actor:
    """The identity as handlers and the audit log see it."""
    if identity is None:
        return _NOBODY
    return Actor(identity.kind, identity.id, identity.name, identity.user_id)


_NIL = UUID(int=0)
_NOBODY = Actor("system", _NIL, "nobody")
_NO_TENANT = Tenant(_NIL, "", "", "free", "en", "UTC", "EUR")
