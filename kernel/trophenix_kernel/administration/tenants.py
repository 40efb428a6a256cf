"""The tenant itself, for its members; all tenants, for the platform's administrators."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID
from zoneinfo import available_timezones

import msgspec

from trophenix_kernel.administration.services import services
from trophenix_kernel.operations.call import Call
from trophenix_kernel.storage.session import APP_ROLE, Reader, Transaction
from trophenix_kernel.tenancy import store
from trophenix_kernel.tenancy.model import (
    RESTORE_DAYS,
    Plan,
    Status,
    TenantRecord,
    TenantType,
    check_move,
    check_slug,
)
from trophenix_sdk.database import Query
from trophenix_sdk.errors import Conflict, FieldProblem, Invalid, NotFound, PreconditionFailed
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import DELETE, GET, PATCH, POST, Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", description="ISO 4217")]
Locale = Annotated[str, msgspec.Meta(pattern="^[a-z]{2}(-[A-Z]{2})?$", description="BCP 47")]


class TenantView(msgspec.Struct, frozen=True):
    """A tenant."""

    id: UUID
    slug: str
    name: str
    type: str
    status: str
    plan: str
    parent_id: UUID | None
    locale: str
    time_zone: str
    currency: str
    region: str
    version: int
    created_at: datetime


class TenantChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an owner or administrator changes of the tenant; what is left out stays."""

    name: Name | None = None
    type: TenantType | None = None
    locale: Locale | None = None
    time_zone: str | None = None
    currency: Currency | None = None


class LimitView(msgspec.Struct, frozen=True):
    """A plan limit: how much is used of how much; ``maximum`` is null without limit."""

    name: str
    used: int
    maximum: int | None


class Used(msgspec.Struct, frozen=True):
    """How much of a limit is used."""

    name: str
    used: int


class DayView(msgspec.Struct, frozen=True):
    """One day's calls."""

    day: str
    requests: int
    errors: int


class Stats(msgspec.Struct, frozen=True):
    """A tenant in numbers."""

    tenant: str
    plan: str
    members: int
    plugins_enabled: list[str]
    limits: list[LimitView]
    requests_today: int
    errors_today: int
    last_days: list[DayView]
    tenants_below: int


class TenantsQuery(msgspec.Struct, frozen=True):
    """Which tenants."""

    q: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None
    count: bool = False


class NewTenant(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant to be, and its owner."""

    slug: str
    name: Name
    owner_email: Annotated[str, msgspec.Meta(max_length=320, pattern="^[^@\\s]+@[^@\\s]+$")]
    type: TenantType = "professional"
    status: Literal["trial", "active"] = "active"
    plan: Plan = "free"
    parent: str | None = None
    locale: Locale = "en"
    time_zone: str = "UTC"
    currency: Currency = "EUR"
    region: str = "eu"
    cluster: str = "main"


class OneTenant(msgspec.Struct, frozen=True):
    """A tenant by its slug."""

    slug: str


class StatusChange(msgspec.Struct, frozen=True):
    """A tenant and what it becomes."""

    slug: str
    status: Status


class PlanChange(msgspec.Struct, frozen=True):
    """A tenant and the plan it moves to."""

    slug: str
    plan: Plan


_MEMBERS: Final = Query("select count(*) from kernel.memberships where status = 'active'", int)
_LIMITS: Final = Query("select name, used from kernel.limits_used order by name", Used)
_DAYS: Final = Query(
    "select to_char(day, 'YYYY-MM-DD'), cast(sum(requests) as bigint), cast(sum(errors) as bigint) from kernel.usage_daily"
    " where day > cast(:today as date) - 30 group by day order by day",
    DayView,
)
_INSERT_OWNER: Final = Query(
    "insert into kernel.memberships (id, user_id, role) values (:id, :user_id, 'owner') returning id",
    UUID,
)


@operation(
    name="tenant.read", title="The organisation", http=GET("/tenant"), permission="tenant.read"
)
async def read_tenant(ctx: Call) -> TenantView:
    """The tenant the call acts for."""
    return view(_record(ctx))


@operation(
    name="tenant.update",
    title="Change the organisation",
    http=PATCH("/tenant"),
    permission="tenant.update",
)
async def update_tenant(ctx: Call, given: TenantChange) -> TenantView:
    """Change the tenant's name, type, language, time zone or currency."""
    check_time_zone(given.time_zone)
    before = _record(ctx)
    changed = await ctx.db.first(
        store.CHANGE,
        id=before.id,
        version=ctx.expected_version,
        plan=None,
        **msgspec.structs.asdict(given),
    )
    if changed is None:
        raise PreconditionFailed(
            "The organisation was changed since you read it.", next_step="Read it again."
        )
    differences = {
        name: [getattr(before, name), value]
        for name, value in msgspec.structs.asdict(given).items()
        if value is not None and value != getattr(before, name)
    }
    ctx.audit("Organisation changed", target=str(before.id), details=differences)
    _seen_at_once(ctx, before.id)
    return view(changed)


@operation(
    name="tenant.stats",
    title="The organisation in numbers",
    http=GET("/stats"),
    permission="tenant.read",
)
async def stats(ctx: Call) -> Stats:
    """Members, modules, limits and calls of the tenant, and how many tenants stand below it."""
    record = _record(ctx)
    held = services(ctx)
    data = Reader(held.clusters.of(record.cluster), APP_ROLE, record.id)
    days = await data.all(_DAYS, today=ctx.now.date())
    today = ctx.now.date().isoformat()
    used = {row.name: row.used for row in await data.all(_LIMITS)}
    limits = [
        LimitView(name, used.get(name, 0), allowed.get(record.plan, 0))
        for name, allowed in sorted(ctx.pipeline.limits.items())
        if name.partition(":")[0] in ctx.caller.activated
    ]
    now_day = next((day for day in days if day.day == today), DayView(today, 0, 0))
    return Stats(
        tenant=record.slug,
        plan=record.plan,
        members=await ctx.db.one(_MEMBERS),
        plugins_enabled=sorted(
            name for name, activation in ctx.caller.activated.items() if activation.enabled
        ),
        limits=limits,
        requests_today=now_day.requests,
        errors_today=now_day.errors,
        last_days=days,
        tenants_below=await held.platform.first(store.BELOW, id=record.id) or 0,
    )


@operation(
    name="platform.tenants",
    title="All tenants",
    http=GET("/platform/tenants"),
    scope="platform",
    permission="platform.read",
)
async def list_tenants(ctx: Call, query: TenantsQuery) -> Page[TenantView]:
    """Every tenant by slug; ``q`` finds by the slug's beginning or within the name."""
    platform = services(ctx).platform
    after = decode_cursor(query.cursor, str)[0] if query.cursor else ""
    rows = await platform.all(store.PAGE, after=after, q=query.q, limit=query.limit + 1)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    total = await platform.first(store.COUNT) if query.count else None
    return Page([view(row) for row in rows], encode_cursor(rows[-1].slug) if more else None, total)


@operation(
    name="platform.create_tenant",
    title="New tenant",
    http=POST("/platform/tenants"),
    scope="platform",
    permission="platform.manage",
    status=201,
)
async def create_tenant(ctx: Call, given: NewTenant) -> TenantView:
    """Make a tenant with its one owner, who must have an account."""
    return view(await make_tenant(ctx, given))


async def make_tenant(ctx: Call, given: NewTenant) -> TenantRecord:
    """The new tenant, its owner's membership written in the same transaction.

    Raises:
        Invalid, NotFound, Conflict: the slug, the owner, the parent or the cluster is not usable.
    """
    held = services(ctx)
    check_slug(given.slug)
    check_time_zone(given.time_zone)
    held.clusters.of(given.cluster)
    owner = await held.credentials.user_by_email(given.owner_email)
    if owner is None:
        raise NotFound(
            f"{given.owner_email} has no account.",
            next_step="Make the account first.",
            code="owner_unknown",
        )
    parent = await held.directory.by_slug(given.parent) if given.parent else None
    if given.parent and parent is None:
        raise _no_parent(given.parent)
    made = new_id()
    assert isinstance(ctx.db, Transaction)  # noqa: S101 - a writing operation holds one
    record = await ctx.db.one(
        store.INSERT,
        id=made,
        parent_id=parent.record.id if parent else None,
        metadata={},
        **{
            name: getattr(given, name)
            for name in (
                "slug",
                "name",
                "type",
                "status",
                "plan",
                "locale",
                "time_zone",
                "currency",
                "region",
                "cluster",
            )
        },
    )
    if parent is not None and await ctx.db.first(store.KEEP, id=parent.record.id) is None:
        raise _no_parent(given.parent or "")
    await ctx.db.enter(made)
    await ctx.db.one(_INSERT_OWNER, id=new_id(), user_id=owner.id)
    return record


@operation(
    name="platform.set_status",
    title="Suspend, cancel or resume a tenant",
    http=POST("/platform/tenants/{slug}/status"),
    scope="platform",
    permission="platform.manage",
)
async def set_status(ctx: Call, given: StatusChange) -> TenantView:
    """Move a tenant through its life: trial, active, suspended, cancelled. Its data stays."""
    record = await _hold(ctx, given.slug)
    check_move(record.status, given.status)
    changed = await ctx.db.one(
        store.SET_STATUS, id=record.id, before=record.status, after=given.status
    )
    await _record_in(ctx, record, f"Tenant became {given.status}", {"before": record.status})
    return view(changed)


@operation(
    name="platform.set_plan",
    title="Move a tenant to another plan",
    http=POST("/platform/tenants/{slug}/plan"),
    scope="platform",
    permission="platform.manage",
)
async def set_plan(ctx: Call, given: PlanChange) -> TenantView:
    """Move a tenant to another plan; its limits follow at once."""
    record = await _hold(ctx, given.slug)
    changed = await ctx.db.one(store.SET_PLAN, id=record.id, plan=given.plan)
    await _record_in(ctx, record, f"Plan became {given.plan}", {"before": record.plan})
    return view(changed)


@operation(
    name="platform.delete_tenant",
    title="Delete a tenant",
    http=DELETE("/platform/tenants/{slug}"),
    scope="platform",
    permission="platform.manage",
)
async def delete_tenant(ctx: Call, given: OneTenant) -> None:
    """Take a tenant away at once; for thirty days it can be restored, then it is purged with all its rows."""
    record = await _hold(ctx, given.slug, deleted=True)
    if record.deleted_at is not None:
        raise Conflict(f"{given.slug} is deleted already.", code="tenant_deleted")
    if await ctx.db.one(store.BELOW, id=record.id):
        raise Conflict(
            "Tenants stand below this one.",
            next_step="Delete those first.",
            code="tenant_has_tenants_below",
        )
    await ctx.db.one(store.SET_DELETED, id=record.id, at=ctx.now)
    await _record_in(ctx, record, "Tenant deleted")


@operation(
    name="platform.restore_tenant",
    title="Restore a deleted tenant",
    http=POST("/platform/tenants/{slug}/restore"),
    scope="platform",
    permission="platform.manage",
)
async def restore_tenant(ctx: Call, given: OneTenant) -> TenantView:
    """Bring a deleted tenant back as it was, within thirty days; the one it stands below must be there."""
    record = await _hold(ctx, given.slug, deleted=True)
    if record.deleted_at is None:
        raise Conflict(f"{given.slug} is not deleted.", code="tenant_not_deleted")
    if record.deleted_at < ctx.now - timedelta(days=RESTORE_DAYS):
        raise Conflict(
            f"{given.slug} was deleted more than {RESTORE_DAYS} days ago.", code="restore_too_late"
        )
    if record.parent_id is not None and await ctx.db.first(store.KEEP, id=record.parent_id) is None:
        raise Conflict(
            f"The tenant that {given.slug} stands below is deleted.",
            next_step="Restore that one first.",
            code="parent_deleted",
        )
    restored = await ctx.db.one(store.SET_DELETED, id=record.id, at=None)
    await _record_in(ctx, record, "Tenant restored")
    return view(restored)


async def _hold(ctx: Call, slug: str, *, deleted: bool = False) -> TenantRecord:
    """The tenant as it is stored, locked until the call ends; what is kept in memory may be a moment old.

    Args:
        deleted: a deleted one is found as well.
    """
    found = await ctx.db.first(store.LOCK, slug=slug)
    if found is None or (found.deleted_at is not None and not deleted):
        raise NotFound(f"There is no tenant {slug!r}.", code="tenant_unknown")
    return found


async def _record_in(
    ctx: Call, record: TenantRecord, summary: str, details: Mapping[str, Any] | None = None
) -> None:
    """What the platform does to a tenant stands in that tenant's audit log, and is seen by this process at once."""
    assert isinstance(ctx.db, Transaction)  # noqa: S101 - a writing operation holds one
    await ctx.db.enter(record.id)
    ctx.audit(summary, target=str(record.id), details=details)
    _seen_at_once(ctx, record.id)


def _seen_at_once(ctx: Call, tenant: UUID) -> None:
    """Whoever changed it sees the change in the very next call, before the database's announcement has come round."""

    async def forget() -> None:
        services(ctx).directory.forget(tenant)

    ctx.after_commit.append(forget)


def _no_parent(slug: str) -> NotFound:
    return NotFound(f"There is no tenant {slug!r} to stand below.", code="parent_unknown")


def view(record: TenantRecord) -> TenantView:
    """A tenant as callers see it."""
    return TenantView(**{name: getattr(record, name) for name in TenantView.__struct_fields__})


def check_time_zone(name: str | None) -> None:
    """Accept an IANA time zone.

    Raises:
        Invalid: there is none of this name.
    """
    if name is not None and name not in available_timezones():
        fault = f"{name!r} is not an IANA time zone such as Europe/Paris"
        raise Invalid(fault, problems=(FieldProblem("/time_zone", "not_a_time_zone", fault),))


def _record(ctx: Call) -> TenantRecord:
    entry = ctx.caller.entry
    if entry is None:
        raise NotFound("No tenant was named.", next_step="Send X-Tenant-ID.")
    return entry.record


OPERATIONS: Final[tuple[Operation, ...]] = (
    read_tenant,
    update_tenant,
    stats,
    list_tenants,
    create_tenant,
    set_status,
    set_plan,
    delete_tenant,
    restore_tenant,
)
