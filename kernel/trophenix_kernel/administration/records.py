"""What was done and how much was used."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from trophenix_kernel.administration.services import services
from trophenix_kernel.operations.call import Call
from trophenix_kernel.storage.session import APP_ROLE, Reader
from trophenix_sdk.database import Query
from trophenix_sdk.operations import GET, Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor


class AuditEntry(msgspec.Struct, frozen=True):
    """One change, and who made it."""

    id: UUID
    at: datetime
    actor_kind: str
    actor_name: str
    operation: str
    door: str
    target: str
    summary: str
    details: dict[str, msgspec.Raw]
    request_id: str


class AuditQuery(msgspec.Struct, frozen=True):
    """Which entries."""

    operation: str | None = None
    target: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class UsageQuery(msgspec.Struct, frozen=True):
    """From which day on (UTC); thirty days when left out."""

    since: date | None = None


class UsageLine(msgspec.Struct, frozen=True):
    """One operation's calls on one day."""

    day: date
    operation: str
    requests: int
    errors: int
    mean_ms: float


class Usage(msgspec.Struct, frozen=True):
    """Calls per day and operation."""

    data: list[UsageLine]


_AUDIT: Final = Query(
    "select id, at, actor_kind, actor_name, operation, door, target, summary, details, request_id from kernel.audit_entries"
    " where (cast(:before as uuid) is null or id < :before) and (cast(:operation as text) is null or operation = :operation)"
    " and (cast(:target as text) is null or target = :target) order by id desc limit :limit",
    AuditEntry,
)
_USAGE: Final = Query(
    "select day, operation, requests, errors, duration_us / 1000.0 / greatest(requests, 1) from kernel.usage_daily"
    " where day >= coalesce(:since, cast(:today as date) - 30) order by day desc, requests desc limit 5000",
    UsageLine,
)


@operation(name="audit.list", title="Audit log", http=GET("/audit"), permission="audit.read")
async def list_audit(ctx: Call, query: AuditQuery) -> Page[AuditEntry]:
    """Every change in this tenant, newest first."""
    before = decode_cursor(query.cursor, UUID)[0] if query.cursor else None
    asked = {
        "before": before,
        "operation": query.operation,
        "target": query.target,
        "limit": query.limit + 1,
    }
    rows = await ctx.db.all(_AUDIT, **asked)
    elsewhere = _own_cluster(ctx)
    if elsewhere is not None:
        rows = sorted(
            [*rows, *await elsewhere.all(_AUDIT, **asked)], key=lambda row: row.id, reverse=True
        )
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    return Page(rows, encode_cursor(rows[-1].id) if more else None)


@operation(name="usage.list", title="Usage", http=GET("/usage"), permission="usage.read")
async def list_usage(ctx: Call, query: UsageQuery) -> Usage:
    """Calls per day and operation, with errors and mean duration; written every few seconds."""
    source = _own_cluster(ctx) or ctx.db
    rows = await source.all(_USAGE, since=query.since, today=ctx.now.date())
    return Usage(
        [msgspec.structs.replace(row, mean_ms=round(float(row.mean_ms), 3)) for row in rows]
    )


def _own_cluster(ctx: Call) -> Reader | None:
    """A reader of the tenant's own cluster, when that is not the main one."""
    entry = ctx.caller.entry
    if entry is None:
        return None
    clusters = services(ctx).clusters
    pool = clusters.of(entry.record.cluster)
    return None if pool is clusters.main else Reader(pool, APP_ROLE, entry.record.id)


OPERATIONS: Final[tuple[Operation, ...]] = (list_audit, list_usage)
