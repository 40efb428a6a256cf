"""The one way an operation runs, whatever the door.

    authenticate → tenant → quota → plugin enabled → permission → validate → object rules of plugins → transaction (idempotency key,
    limits) → handler → audit, outbox, answer and commit → what follows the commit → count

`decide` is the only place that says yes or no; no door decides anything itself.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from trophenix_kernel.access.model import NO_RIGHTS
from trophenix_kernel.operations.call import Call, Caller, job_of
from trophenix_kernel.operations.hooks import Hooks
from trophenix_kernel.operations.registry import KERNEL, Bound, Registry
from trophenix_kernel.storage.failures import AnsweredBefore
from trophenix_kernel.storage.placement import Clusters
from trophenix_kernel.storage.pool import Pool
from trophenix_kernel.storage.session import APP_ROLE, Reader, Transaction
from trophenix_kernel.tenancy.directory import Entry
from trophenix_kernel.tenancy.model import TenantUnavailable
from trophenix_sdk.clock import Clock
from trophenix_sdk.context import Database, JobState
from trophenix_sdk.database import Query
from trophenix_sdk.errors import (
    Conflict,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from trophenix_sdk.events import EventType
from trophenix_sdk.i18n import LazyText
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import Empty

IDEMPOTENCY_LIFETIME: Final = timedelta(hours=24)

_JOB_STATE: Final = Query(
    "select status, done, total, problem from kernel.jobs where id = :id and starts_with(operation, :prefix)",
    JobState,
)
_USE_LIMIT: Final = Query("select kernel.use_limit(:name, :amount, :maximum)", int)


class StoredAnswer(msgspec.Struct, frozen=True):
    """What was answered to an earlier call with the same key."""

    status: int
    body: bytes


_STORED: Final = Query(
    "select status, body from kernel.idempotency_keys where actor_id = :actor and key = :key",
    StoredAnswer,
)


class JobAccepted(msgspec.Struct, frozen=True):
    """What a background operation answers at once."""

    job_id: UUID
    status: str = "queued"


class RunningJob(msgspec.Struct, frozen=True):
    """The job a worker runs; its success is written with what it did."""

    id: UUID
    attempt: int


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a door was asked.

    Attributes:
        read_input: makes the input struct; called only after the decision, so nobody learns the rules of what they may not use.
        idempotency_key: the caller's key; the same key and the same request give the same answer once.
        fingerprint: gives, once the input was read, a digest of method, path and body that binds the key to them.
        expected_version: from ``If-Match``.
        job: set by the worker, so that a background operation runs instead of being queued.
    """

    read_input: Callable[[], Awaitable[Any] | Any]
    idempotency_key: str = ""
    fingerprint: Callable[[], bytes] = bytes
    expected_version: int | None = None
    report_progress: Callable[[int, int], Awaitable[None]] | None = None
    job: RunningJob | None = None


class Answer:
    """What came of a call.

    Attributes:
        status: as HTTP says it.
        body: the encoded output; empty when there is none.
        value: the output itself; absent when the answer was given before.
        replayed: whether it is the stored answer of an earlier call with the same key.
    """

    __slots__ = ("body", "replayed", "status", "value")

    def __init__(self, status: int, body: bytes, value: Any, *, replayed: bool = False) -> None:
        self.status = status
        self.body = body
        self.value = value
        self.replayed = replayed


Limits = Mapping[str, Mapping[str, int | None]]
"""limit → plan → how many; ``None`` is without limit, a missing plan is zero."""


class Pipeline:
    """Runs operations.

    Args:
        registry: every operation.
        clusters: where tenants' rows are.
        clock: the time.
        events: declared event types by plugin and name.
        limits: what each plan allows.
        services: what the kernel's own operations work with.
        base_url: the platform's address, for links that leave it.
        hooks: the plugins that may refuse what is allowed, and those told of changes.
        heard: waits until this process has heard of every change committed so far.
    """

    def __init__(
        self,
        registry: Registry,
        clusters: Clusters,
        clock: Clock,
        *,
        events: Mapping[tuple[str, str], EventType],
        limits: Limits,
        services: Any = None,
        base_url: str = "",
        hooks: Hooks | None = None,
        heard: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.registry = registry
        self.clusters = clusters
        self.clock = clock
        self.events = events
        self.limits = limits
        self.services = services
        self._hooks = hooks
        self._heard = heard
        self.base_url = base_url.rstrip("/")
        self._encoder = msgspec.json.Encoder(enc_hook=_plain)

    # ── the decision ────────────────────────────────────────────────────────────────────────────────────────────────

    def decide(self, bound: Bound, caller: Caller) -> None:
        """Nothing happens when the caller may use the operation.

        Raises:
            Unauthenticated: nobody is signed in and the operation is not public.
            NotFound: the caller does not belong to the tenant, or the tenant has not switched the plugin on.
            TenantUnavailable: the tenant is suspended or cancelled.
            PermissionDenied: the permission is missing, or the operation was given none.
        """
        operation = bound.operation
        if operation.scope == "public":
            if caller.entry is not None:
                self._check_switched_on(bound, caller, caller.entry)
            return
        identity = caller.identity
        if identity is None:
            raise Unauthenticated(
                "This needs a signed-in person or an API key.",
                next_step="Send `Authorization: Bearer …`.",
            )
        if operation.scope == "platform":
            self._decide_platform(bound, caller)
            return
        entry = caller.entry
        if entry is None or not caller.rights.role:
            # The same answer for a tenant that does not exist and for one the caller is a stranger to.
            raise NotFound(
                "There is no such tenant for you.",
                code="tenant_not_found",
                next_step="Check the tenant's name and your key.",
            )
        self._check_switched_on(bound, caller, entry)
        permission = bound.permission
        if permission is None or permission not in caller.rights.permissions:
            raise PermissionDenied(
                f"This needs the permission {permission or '(none was declared, so nobody has it)'}.",
                next_step="Ask an administrator for it, or use a key whose scopes hold it.",
            )

    def _check_switched_on(self, bound: Bound, caller: Caller, entry: Entry) -> None:
        if bound.plugin_id == KERNEL and bound.tenant_free:
            return
        if bound.plugin_id != KERNEL:
            activation = caller.activated.get(bound.plugin_id)
            if activation is None or activation.state != "ENABLED":
                raise NotFound(
                    f"The module {bound.plugin_id} is not switched on here.",
                    code="plugin_not_enabled",
                    next_step="Ask an administrator to switch it on under Plugins.",
                )
        if entry.record.status not in ("active", "trial"):
            raise TenantUnavailable(
                f"{entry.record.name} is {entry.record.status}.",
                next_step="Ask its owner, or the platform's support.",
            )

    def _decide_platform(self, bound: Bound, caller: Caller) -> None:
        identity = caller.identity
        if bound.permission is None:
            return
        if identity is None or not identity.platform_admin:
            raise PermissionDenied("This is for the platform's administrators.")

    # ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, bound: Bound, caller: Caller, request: Request) -> Answer:
        """Decide, bind, run, record.

        Raises:
            TrophenixError: the call was refused; nothing was written.
        """
        self.decide(bound, caller)
        if bound.operation.scope == "platform" and caller.entry is not None and request.job is None:
            # It runs without a tenant, whatever tenant the caller named: nobody has looked whether they belong there.
            caller = msgspec.structs.replace(caller, entry=None, rights=NO_RIGHTS, activated={})
        given: Any = request.read_input()
        if inspect.isawaitable(given):
            given = await given
        if self._hooks is not None and self._hooks.authorizers:
            await self._hooks.authorize(bound, caller, str(getattr(given, "id", "")))
        # A job ends in the transaction of what it did, and one that only reads ends too.
        if bound.reads and request.job is None:
            return await self._read(bound, caller, request, given)
        return await self._write(bound, caller, request, given)

    async def _read(self, bound: Bound, caller: Caller, request: Request, given: Any) -> Answer:
        operation = bound.operation
        db = self._reader(bound, caller)
        call = Call(self, bound, caller, db, request.expected_version, request.report_progress)
        value = await (
            operation.handler(call)
            if operation.input_type is Empty
            else operation.handler(call, given)
        )
        return self._answer(bound, value)

    async def _write(self, bound: Bound, caller: Caller, request: Request, given: Any) -> Answer:
        operation = bound.operation
        pool = self._pool(bound, caller)
        transaction = Transaction(pool, bound.role, _tenant_id(caller))
        call = Call(
            self, bound, caller, transaction, request.expected_version, request.report_progress
        )
        actor = call.actor
        try:
            await transaction.begin(self._claims(bound, caller, request, actor.id))
        except AnsweredBefore:
            return await self._stored(bound, caller, pool, actor.id, request.idempotency_key)
        try:
            if operation.background and request.job is None:
                job = job_of(bound, given, caller)
                call.jobs.append(job)
                answer = Answer(
                    202, self._encoder.encode(accepted := JobAccepted(job["id"])), accepted
                )
            else:
                value = await (
                    operation.handler(call)
                    if operation.input_type is Empty
                    else operation.handler(call, given)
                )
                answer = self._answer(bound, value)
            await transaction.finish(self._records(bound, caller, request, call, answer))
        except BaseException:
            await transaction.rollback()
            raise
        if bound.stored_in_main and self._heard is not None:
            # What the kernel keeps in memory comes from these tables: whoever gets the answer finds the change here at once.
            await self._heard()
        for follow in call.after_commit:
            await follow()
        return answer

    async def nested(self, outer: Call, name: str, given: msgspec.Struct | None) -> Any:
        """Run another operation inside *outer*'s call: same actor, same decision, same transaction.

        Raises:
            TypeError: a reading operation cannot call one that writes.
        """
        bound = self.registry.named(name)
        self.decide(bound, outer.caller)
        if self._hooks is not None and self._hooks.authorizers:
            await self._hooks.authorize(bound, outer.caller, str(getattr(given, "id", "")))
        operation = bound.operation
        if not bound.reads and outer.bound.reads:
            message = f"{outer.bound.name} reads and cannot call {name}, which writes"
            raise TypeError(message)
        arguments = () if operation.input_type is Empty else (given or operation.input_type(),)
        if bound.reads and outer.bound.reads:
            inner = Call(self, bound, outer.caller, self._reader(bound, outer.caller), None, None)
            return await operation.handler(inner, *arguments)
        if bound.stored_in_main != outer.bound.stored_in_main and self._pool(
            bound, outer.caller
        ) is not self._pool(outer.bound, outer.caller):
            message = f"{name} keeps its rows in another cluster than {outer.bound.name}; one transaction cannot hold both"
            raise TypeError(message)
        transaction = outer.db
        assert isinstance(transaction, Transaction)  # noqa: S101 - writing calls hold one
        inner = Call(self, bound, outer.caller, transaction, None, outer.report_progress)
        if operation.limit is not None and not bound.reads:
            await self.use_limit(inner, f"{bound.plugin_id}:{operation.limit}", 1)
        async with transaction.as_role(bound.role):
            value = await operation.handler(inner, *arguments)
        outer.emitted.extend(inner.emitted)
        outer.jobs.extend(inner.jobs)
        if bound.stored_in_main and not bound.reads and self._heard is not None:
            outer.after_commit.append(self._heard)
        outer.after_commit.extend(inner.after_commit)
        return value

    async def use_limit(self, call: Call, name: str, amount: int) -> int:
        """Count against a plan limit, inside the call's transaction.

        Raises:
            LimitReached: too many.
            TypeError: a reading operation asked.
        """
        transaction = call.db
        if not isinstance(transaction, Transaction):
            message = f"{call.bound.name} reads and cannot use up {name}"
            raise TypeError(message)
        maximum = self._maximum(name, call.tenant.plan)
        async with transaction.as_role(APP_ROLE):
            return await transaction.one(_USE_LIMIT, name=name, amount=amount, maximum=maximum)

    async def job_state(self, call: Call, job_id: UUID) -> JobState | None:
        """How far a job of the call's plugin is; read beside its transaction, so that a long one can be watched."""
        reader = Reader(self._pool(call.bound, call.caller), APP_ROLE, _tenant_id(call.caller))
        return await reader.first(_JOB_STATE, id=job_id, prefix=f"{call.bound.plugin_id}:")

    # ── parts ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _answer(self, bound: Bound, value: Any) -> Answer:
        if bound.answers_file:
            return Answer(200, b"", value)
        if value is None or isinstance(value, Empty):
            return Answer(204, b"", value)
        return Answer(bound.operation.status, self._encoder.encode(value), value)

    def _pool(self, bound: Bound, caller: Caller) -> Pool:
        if bound.stored_in_main or caller.entry is None:
            return self.clusters.main
        return self.clusters.of(caller.entry.record.cluster)

    def _reader(self, bound: Bound, caller: Caller) -> Database:
        return Reader(self._pool(bound, caller), bound.role, _tenant_id(caller))

    def _maximum(self, name: str, plan: str) -> int | None:
        return self.limits.get(name, {}).get(plan, 0)

    def _claims(self, bound: Bound, caller: Caller, request: Request, actor: UUID) -> str:
        claims: list[str] = []
        if request.idempotency_key and _keeps_answers(bound, caller):
            seconds = int(IDEMPOTENCY_LIFETIME.total_seconds())
            claims.append(
                f"select kernel.claim_idempotency_key('{actor}',{_text(request.idempotency_key)},"
                f"decode('{request.fingerprint().hex()}','hex'),'{seconds} seconds')"
            )
        limit = bound.operation.limit
        # A background operation uses its limit up when it runs, not when it is queued.
        if limit is not None and not (bound.operation.background and request.job is None):
            name = f"{bound.plugin_id}:{limit}"
            maximum = self._maximum(name, caller.entry.record.plan if caller.entry else "free")
            claims.append(
                f"select kernel.use_limit({_text(name)},1,{'null' if maximum is None else int(maximum)})"
            )
        return ";".join(claims)

    def _records(
        self, bound: Bound, caller: Caller, request: Request, call: Call, answer: Answer
    ) -> dict[str, Any] | None:
        transaction = call.db
        if not isinstance(transaction, Transaction) or transaction.tenant == _NIL:
            return None
        actor = call.actor
        document: dict[str, Any] = {
            "audit": {
                "id": new_id(),
                "at": call.now,
                "actor_kind": actor.kind,
                "actor_id": actor.id,
                "actor_name": actor.name,
                "operation": bound.name,
                "door": caller.door,
                "target": call.audit_target,
                "summary": str(call.audit_summary or bound.operation.title),
                "details": call.audit_details,
                "request_id": caller.request_id,
            }
        }
        if request.job is not None:
            result = msgspec.Raw(answer.body) if answer.body else None
            document["job"] = {
                "id": request.job.id,
                "attempt": request.job.attempt,
                "result": result,
            }
        if call.emitted:
            document["events"] = call.emitted
        if call.jobs:
            document["jobs"] = call.jobs
        if request.idempotency_key and _keeps_answers(bound, caller):
            document["answer"] = {
                "status": answer.status,
                "body": ""
                if bound.operation.confidential
                else base64.b64encode(answer.body).decode(),
                "actor_id": actor.id,
                "key": request.idempotency_key,
            }
        return document

    async def _stored(
        self, bound: Bound, caller: Caller, pool: Pool, actor: UUID, key: str
    ) -> Answer:
        stored = await Reader(pool, APP_ROLE, _tenant_id(caller)).first(
            _STORED, actor=actor, key=key
        )
        if stored is None:
            raise NotFound
        if bound.operation.confidential:
            raise Conflict(
                "This call was answered before; its answer was secret and is not kept.",
                next_step="Use a new key for a new call.",
                code="answer_not_kept",
            )
        return Answer(stored.status, stored.body, None, replayed=True)


def _keeps_answers(bound: Bound, caller: Caller) -> bool:
    """Whether an idempotency key counts: it belongs to a tenant, and what the platform's administrators do is each time another one's."""
    return caller.entry is not None and bound.operation.scope != "platform"


def _plain(value: Any) -> Any:
    """A text that is translated when it is shown, as programs get it: in English."""
    if isinstance(value, LazyText):
        return str(value)
    message = f"an answer holds a {type(value).__name__}, which has no JSON form"
    raise TypeError(message)


def _tenant_id(caller: Caller) -> UUID:
    return caller.entry.record.id if caller.entry is not None else _NIL


def _text(value: str) -> str:
    """A text as a SQL expression that holds no character of it as it is."""
    return f"convert_from(decode('{value.encode().hex()}','hex'),'utf8')"


_NIL: Final = UUID(int=0)
